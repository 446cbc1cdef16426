-- Where each port of a Service led: from `at` on (nanoseconds since the Unix epoch) to the workload, or to the address
-- `server` that is nobody's, or to nobody where there is neither, up to the front's next change. A front is the port of
-- an address, or, where that is empty, of every node. `port` among where it leads is 0 where it is not known. What was
-- told last of the same time counts.
CREATE TABLE IF NOT EXISTS fronts{local}{on_cluster} (
    address  String CODEC(ZSTD(3)),
    protocol UInt8  CODEC(ZSTD(3)),
    port     UInt16 CODEC(ZSTD(3)),
    at       Int64  CODEC(Delta, ZSTD(3)),
    leads    Tuple(workload UInt64, service String, server String, port UInt16, rewritten Bool) CODEC(ZSTD(3)),
    told     Int64 MATERIALIZED toUnixTimestamp64Nano(now64(9)) CODEC(Delta, ZSTD(3)),
    time     DateTime64(9, 'UTC') ALIAS fromUnixTimestamp64Nano(at, 'UTC')
)
ENGINE = {replicated}MergeTree{path}
ORDER BY (address, protocol, port, at);
