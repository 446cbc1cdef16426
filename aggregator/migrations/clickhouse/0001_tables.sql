-- Times are nanoseconds since the Unix epoch, UTC; an IPv4 address is kept as ::ffff:a.b.c.d. What is in braces
-- differs between one server and a cluster: engines, paths, and the suffix of the tables that each server has.
--
-- A delivery comes in this order: workloads, flows (and through the views the edges), names, losses, runs. Flows,
-- edges and losses know the tokens of the inserts they had; the other tables stay as they are when a row comes
-- again. So after a crash the same delivery may be given again, and a batch that is in `runs` is whole.

-- Who an address was, each version once: kind, name, namespace and labels as JSON. The number is made of the JSON.
CREATE TABLE IF NOT EXISTS workloads{local}{on_cluster} (
    id        UInt64,
    json      SimpleAggregateFunction(any, String) CODEC(ZSTD(3)),
    kind      String ALIAS JSONExtractString(json, 'kind'),
    namespace String ALIAS JSONExtractString(json, 'namespace'),
    name      String ALIAS JSONExtractString(json, 'name'),
    labels    Map(String, String) ALIAS JSONExtract(json, 'labels', 'Map(String, String)')
)
ENGINE = {replicated}AggregatingMergeTree{path}
ORDER BY id;

-- Flow records, one a row. `client_workload` and `server_workload` are numbers in `workloads`, 0 where the
-- inventory knew nobody. `answered` is 1 in the first record of a connection that shows an answer. `evidence` has a
-- bit for each kind. Durations are nanoseconds; a handshake that was not seen has 0. `agent`, `started` and
-- `sequence` name the batch.
CREATE TABLE IF NOT EXISTS flows{local}{on_cluster} (
    first_seen              DateTime64(9, 'UTC')   CODEC(Delta, ZSTD(3)),
    duration                UInt64                 CODEC(T64, ZSTD(3)),
    client_address          IPv6                   CODEC(ZSTD(3)),
    client_port             UInt16                 CODEC(ZSTD(3)),
    server_address          IPv6                   CODEC(ZSTD(3)),
    server_port             UInt16                 CODEC(ZSTD(3)),
    protocol                UInt8                  CODEC(ZSTD(3)),
    client_workload         UInt64                 CODEC(ZSTD(3)),
    server_workload         UInt64                 CODEC(ZSTD(3)),
    packets_to_server       UInt64                 CODEC(T64, ZSTD(3)),
    bytes_to_server         UInt64                 CODEC(T64, ZSTD(3)),
    payload_to_server       UInt64                 CODEC(T64, ZSTD(3)),
    retransmitted_to_server UInt32                 CODEC(T64, ZSTD(3)),
    flags_to_server         UInt8                  CODEC(ZSTD(3)),
    packets_to_client       UInt64                 CODEC(T64, ZSTD(3)),
    bytes_to_client         UInt64                 CODEC(T64, ZSTD(3)),
    payload_to_client       UInt64                 CODEC(T64, ZSTD(3)),
    retransmitted_to_client UInt32                 CODEC(T64, ZSTD(3)),
    flags_to_client         UInt8                  CODEC(ZSTD(3)),
    state                   LowCardinality(String) CODEC(ZSTD(3)),
    history                 LowCardinality(String) CODEC(ZSTD(3)),
    handshake_rtt           UInt64                 CODEC(T64, ZSTD(3)),
    evidence                UInt32                 CODEC(T64, ZSTD(3)),
    answered                UInt8                  CODEC(ZSTD(3)),
    names                   Array(LowCardinality(String)) CODEC(ZSTD(3)),
    dns_query               LowCardinality(String) CODEC(ZSTD(3)),
    encapsulation           LowCardinality(String) CODEC(ZSTD(3)),
    interface               UInt32                 CODEC(T64, ZSTD(3)),
    part                    UInt32                 CODEC(T64, ZSTD(3)),
    end                     LowCardinality(String) CODEC(ZSTD(3)),
    agent                   LowCardinality(String) CODEC(ZSTD(3)),
    started                 DateTime64(9, 'UTC')   CODEC(Delta, ZSTD(3)),
    sequence                UInt64                 CODEC(Delta, ZSTD(3)),
    last_seen               DateTime64(9, 'UTC')   ALIAS addNanoseconds(first_seen, duration)
)
ENGINE = {replicated}MergeTree{path}
PARTITION BY toYYYYMMDD(first_seen)
ORDER BY (toStartOfHour(first_seen), server_address, server_port, protocol, client_address, first_seen)
SETTINGS {window}, ttl_only_drop_parts = 1;

-- What one agent saw between two addresses on one service in one hour. A connection counts in the hour in which it
-- began; in the one in which it was last seen it has a row of zeroes. `states` and `evidence` are counts by state
-- and by number of bit.
CREATE TABLE IF NOT EXISTS edges_hourly{local}{on_cluster} (
    hour              DateTime64(0, 'UTC')   CODEC(Delta, ZSTD(3)),
    server_address    IPv6                   CODEC(ZSTD(3)),
    port              UInt16                 CODEC(ZSTD(3)),
    protocol          UInt8                  CODEC(ZSTD(3)),
    client_address    IPv6                   CODEC(ZSTD(3)),
    agent             LowCardinality(String) CODEC(ZSTD(3)),
    client_workload   UInt64                 CODEC(ZSTD(3)),
    server_workload   UInt64                 CODEC(ZSTD(3)),
    first_seen        SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(Delta, ZSTD(3)),
    last_seen         SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(Delta, ZSTD(3)),
    connections       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    answered          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    packets_to_server SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    bytes_to_server   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    packets_to_client SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    bytes_to_client   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    states            SimpleAggregateFunction(sumMap, Tuple(Array(String), Array(UInt64))) CODEC(ZSTD(3)),
    evidence          SimpleAggregateFunction(sumMap, Tuple(Array(UInt8), Array(UInt64))) CODEC(ZSTD(3)),
    names             SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(3))
)
ENGINE = {replicated}AggregatingMergeTree{path}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, server_address, port, protocol, client_address, agent, client_workload, server_workload)
SETTINGS {window};

-- The same by day. `hours` has a bit for each hour of the day in which it was seen.
CREATE TABLE IF NOT EXISTS edges_daily{local}{on_cluster} (
    day               DateTime64(0, 'UTC')   CODEC(Delta, ZSTD(3)),
    server_address    IPv6                   CODEC(ZSTD(3)),
    port              UInt16                 CODEC(ZSTD(3)),
    protocol          UInt8                  CODEC(ZSTD(3)),
    client_address    IPv6                   CODEC(ZSTD(3)),
    agent             LowCardinality(String) CODEC(ZSTD(3)),
    client_workload   UInt64                 CODEC(ZSTD(3)),
    server_workload   UInt64                 CODEC(ZSTD(3)),
    hours             SimpleAggregateFunction(groupBitOr, UInt32) CODEC(ZSTD(3)),
    first_seen        SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(Delta, ZSTD(3)),
    last_seen         SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(Delta, ZSTD(3)),
    connections       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    answered          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    packets_to_server SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    bytes_to_server   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    packets_to_client SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    bytes_to_client   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(3)),
    states            SimpleAggregateFunction(sumMap, Tuple(Array(String), Array(UInt64))) CODEC(ZSTD(3)),
    evidence          SimpleAggregateFunction(sumMap, Tuple(Array(UInt8), Array(UInt64))) CODEC(ZSTD(3)),
    names             SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(3))
)
ENGINE = {replicated}AggregatingMergeTree{path}
PARTITION BY toYYYYMM(day)
ORDER BY (day, server_address, port, protocol, client_address, agent, client_workload, server_workload)
SETTINGS {window};

CREATE MATERIALIZED VIEW IF NOT EXISTS edges_daily_view{local}{on_cluster} TO edges_daily{local} AS
WITH
    86400 AS length,
    toUnixTimestamp64Second(hour) AS second
SELECT
    fromUnixTimestamp64Second(second - positiveModulo(second, length), 'UTC') AS day,
    server_address,
    port,
    protocol,
    client_address,
    agent,
    client_workload,
    server_workload,
    groupBitOr(bitShiftLeft(toUInt32(1), intDiv(positiveModulo(second, length), 3600))) AS hours,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    sum(connections) AS connections,
    sum(answered) AS answered,
    sum(packets_to_server) AS packets_to_server,
    sum(bytes_to_server) AS bytes_to_server,
    sum(packets_to_client) AS packets_to_client,
    sum(bytes_to_client) AS bytes_to_client,
    sumMap(states) AS states,
    sumMap(evidence) AS evidence,
    groupUniqArrayArray(names) AS names
FROM edges_hourly{local}
GROUP BY day, server_address, port, protocol, client_address, agent, client_workload, server_workload;

-- Names that DNS answers gave to addresses.
CREATE TABLE IF NOT EXISTS names{local}{on_cluster} (
    address    IPv6   CODEC(ZSTD(3)),
    name       String CODEC(ZSTD(3)),
    first_seen SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(ZSTD(3)),
    last_seen  SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(ZSTD(3))
)
ENGINE = {replicated}AggregatingMergeTree{path}
ORDER BY (address, name);

-- The loss ledger.
CREATE TABLE IF NOT EXISTS losses{local}{on_cluster} (
    hour  DateTime64(0, 'UTC'),
    agent LowCardinality(String),
    kind  LowCardinality(String),
    count SimpleAggregateFunction(sum, Int64)
)
ENGINE = {replicated}AggregatingMergeTree{path}
ORDER BY (hour, agent, kind)
SETTINGS {window};

-- One start of an agent: how many batches are kept, which (JSON: first, last, and the hour for which what is missing
-- before them counts), the counters of the latest (JSON), and the latest packet or answer. More batches are the later
-- state.
CREATE TABLE IF NOT EXISTS runs{local}{on_cluster} (
    agent     LowCardinality(String),
    started   DateTime64(9, 'UTC'),
    state     SimpleAggregateFunction(max, Tuple(UInt64, String, String)),
    last_seen SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC')))
)
ENGINE = {replicated}AggregatingMergeTree{path}
ORDER BY (agent, started);

-- What retention has deleted so far.
CREATE TABLE IF NOT EXISTS deleted{local}{on_cluster} (
    what  LowCardinality(String),
    count SimpleAggregateFunction(sum, UInt64)
)
ENGINE = {replicated}AggregatingMergeTree{path}
ORDER BY what;
