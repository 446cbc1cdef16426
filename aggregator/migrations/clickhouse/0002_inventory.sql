-- Whose an address or network was, as the inventory's sources told it: from `at` on (nanoseconds since the Unix epoch,
-- or the least number where no start is known) the workload's, or nobody's (0), up to the next change that the same
-- source told of the same network. A network is written like 10.0.0.0/8, an address as the network of itself. What
-- was told last of the same time counts.
CREATE TABLE IF NOT EXISTS inventory{local}{on_cluster} (
    network  String                 CODEC(ZSTD(3)),
    source   LowCardinality(String) CODEC(ZSTD(3)),
    at       Int64                  CODEC(Delta, ZSTD(3)),
    workload UInt64                 CODEC(ZSTD(3)),
    told     Int64 MATERIALIZED toUnixTimestamp64Nano(now64(9)) CODEC(Delta, ZSTD(3)),
    time     DateTime64(9, 'UTC') ALIAS fromUnixTimestamp64Nano(at, 'UTC')
)
ENGINE = {replicated}MergeTree{path}
ORDER BY (network, source, at);
