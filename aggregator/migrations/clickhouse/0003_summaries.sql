-- A row of `flows` may stand for several connections of one client to one service: `end` is then 'summary', and
-- `connections`, `answered`, `states` (counts by state) and `evidence_counts` (counts by number of bit) say how they
-- went. In other rows they are 0 and empty, but for `answered`.
ALTER TABLE flows{local}{on_cluster}
    MODIFY COLUMN answered UInt64 CODEC(T64, ZSTD(3)),
    ADD COLUMN IF NOT EXISTS connections UInt64 CODEC(T64, ZSTD(3)),
    ADD COLUMN IF NOT EXISTS states Tuple(Array(LowCardinality(String)), Array(UInt64)) CODEC(ZSTD(3)),
    ADD COLUMN IF NOT EXISTS evidence_counts Tuple(Array(UInt8), Array(UInt64)) CODEC(ZSTD(3));

-- Made anew and not by MODIFY QUERY: a view whose query was modified has other tokens until the server starts again
-- (seen with version 26.9), and an insert that is repeated across that start would count twice.
DROP VIEW IF EXISTS edges_hourly_view{local}{on_cluster} SYNC;
CREATE MATERIALIZED VIEW edges_hourly_view{local}{on_cluster} TO edges_hourly{local} AS
WITH
    3600000000000 AS length,
    toUnixTimestamp64Nano(flows.first_seen) AS first,
    first + toInt64(flows.duration) AS last,
    intDiv(first - positiveModulo(first, length), length) AS first_hour,
    intDiv(last - positiveModulo(last, length), length) AS last_hour,
    flow AS (
        SELECT
            flows.*,
            arrayJoin(arrayDistinct([first_hour, last_hour])) AS hour,
            hour = first_hour AS began,
            if(began, first, last) AS earliest,
            if(hour = last_hour, last, first) AS latest,
            flows.end = 'summary' AS several,
            NOT several AND flows.part = 0 AS one_began,
            NOT several AND flows.end != 'active' AS one_ended
        FROM flows{local} AS flows
    )
SELECT
    fromUnixTimestamp64Second(flow.hour * 3600, 'UTC') AS hour,
    server_address,
    if(protocol IN (1, 58), client_port, server_port) AS port,
    protocol,
    client_address,
    agent,
    client_workload,
    server_workload,
    fromUnixTimestamp64Nano(min(earliest), 'UTC') AS first_seen,
    fromUnixTimestamp64Nano(max(latest), 'UTC') AS last_seen,
    sumIf(if(several, flow.connections, toUInt64(one_began)), began) AS connections,
    sumIf(flow.answered, began) AS answered,
    sumIf(flow.packets_to_server, began) AS packets_to_server,
    sumIf(flow.bytes_to_server, began) AS bytes_to_server,
    sumIf(flow.packets_to_client, began) AS packets_to_client,
    sumIf(flow.bytes_to_client, began) AS bytes_to_client,
    sumMapIf(
        if(one_ended, [toString(flow.state)], arrayMap(name -> toString(name), tupleElement(flow.states, 1))),
        if(one_ended, [toUInt64(1)], tupleElement(flow.states, 2)),
        began
    ) AS states,
    sumMapIf(
        if(one_began, arrayMap(bit -> toUInt8(bit), bitPositionsToArray(flow.evidence)), tupleElement(flow.evidence_counts, 1)),
        if(one_began, arrayWithConstant(bitCount(flow.evidence), toUInt64(1)), tupleElement(flow.evidence_counts, 2)),
        began
    ) AS evidence,
    groupUniqArrayArrayIf(flow.names, began) AS names
FROM flow
GROUP BY hour, server_address, port, protocol, client_address, agent, client_workload, server_workload;
