-- In a cluster, what is written and asked: each table over those that the servers have. A flow goes to the server
-- that its ends say, always the same, so that a delivery given again meets what is there of it.

CREATE TABLE IF NOT EXISTS workloads{on_cluster} AS workloads_local
ENGINE = Distributed({cluster}, currentDatabase(), workloads_local, id);

CREATE TABLE IF NOT EXISTS flows{on_cluster} AS flows_local
ENGINE = Distributed({cluster}, currentDatabase(), flows_local, cityHash64(server_address, client_address));

CREATE TABLE IF NOT EXISTS edges_hourly{on_cluster} AS edges_hourly_local
ENGINE = Distributed({cluster}, currentDatabase(), edges_hourly_local, cityHash64(server_address, client_address));

CREATE TABLE IF NOT EXISTS edges_daily{on_cluster} AS edges_daily_local
ENGINE = Distributed({cluster}, currentDatabase(), edges_daily_local, cityHash64(server_address, client_address));

CREATE TABLE IF NOT EXISTS names{on_cluster} AS names_local
ENGINE = Distributed({cluster}, currentDatabase(), names_local, cityHash64(address));

CREATE TABLE IF NOT EXISTS losses{on_cluster} AS losses_local
ENGINE = Distributed({cluster}, currentDatabase(), losses_local, cityHash64(agent));

CREATE TABLE IF NOT EXISTS runs{on_cluster} AS runs_local
ENGINE = Distributed({cluster}, currentDatabase(), runs_local, cityHash64(agent));

CREATE TABLE IF NOT EXISTS deleted{on_cluster} AS deleted_local
ENGINE = Distributed({cluster}, currentDatabase(), deleted_local, cityHash64(what));
