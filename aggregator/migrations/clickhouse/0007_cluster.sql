CREATE TABLE IF NOT EXISTS listeners{on_cluster} AS listeners_local
ENGINE = Distributed({cluster}, currentDatabase(), listeners_local, cityHash64(address));
