-- What an agent's host listened on from `first_seen` to `last_seen`, and who: `user` is the number of the socket's user,
-- `process` the name of who had it open, empty where the agent may not see that, `unit` its systemd unit or container.
CREATE TABLE IF NOT EXISTS listeners{local}{on_cluster} (
    address    IPv6                   CODEC(ZSTD(3)),
    protocol   UInt8                  CODEC(ZSTD(3)),
    port       UInt16                 CODEC(ZSTD(3)),
    agent      LowCardinality(String) CODEC(ZSTD(3)),
    first_seen DateTime64(9, 'UTC')   CODEC(ZSTD(3)),
    user       UInt32                 CODEC(ZSTD(3)),
    process    LowCardinality(String) CODEC(ZSTD(3)),
    unit       LowCardinality(String) CODEC(ZSTD(3)),
    last_seen  SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(ZSTD(3))
)
ENGINE = {replicated}AggregatingMergeTree{path}
ORDER BY (address, protocol, port, agent, first_seen, user, process, unit);
