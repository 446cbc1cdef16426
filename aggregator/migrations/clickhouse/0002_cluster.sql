CREATE TABLE IF NOT EXISTS inventory{on_cluster} AS inventory_local
ENGINE = Distributed({cluster}, currentDatabase(), inventory_local, cityHash64(network));
