-- Where each port of a Service led: from `at` on (nanoseconds since the Unix epoch) as `leads` says, up to the front's next
-- change. A front is the port of an address, or, where that is empty, of every node. `leads` is the workload, the name
-- of the Service, an address that is nobody's, the port there (0: not known), and whether the address is rewritten.
-- Neither workload nor address: to nobody. What was told last of the same time counts.
CREATE TABLE IF NOT EXISTS fronts{local}{on_cluster} (
    address  String CODEC(ZSTD(3)),
    protocol UInt8  CODEC(ZSTD(3)),
    port     UInt16 CODEC(ZSTD(3)),
    at       Int64  CODEC(Delta, ZSTD(3)),
    leads    Tuple(UInt64, String, String, UInt16, Bool) CODEC(ZSTD(3)),
    told     Int64 MATERIALIZED toUnixTimestamp64Nano(now64(9)) CODEC(Delta, ZSTD(3)),
    time     DateTime64(9, 'UTC') ALIAS fromUnixTimestamp64Nano(at, 'UTC')
)
ENGINE = {replicated}MergeTree{path}
ORDER BY (address, protocol, port, at);
