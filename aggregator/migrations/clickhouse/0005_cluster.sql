CREATE TABLE IF NOT EXISTS fronts{on_cluster} AS fronts_local
ENGINE = Distributed({cluster}, currentDatabase(), fronts_local, cityHash64(address));
