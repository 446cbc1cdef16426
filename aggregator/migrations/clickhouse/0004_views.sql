-- For people, dashboards and other programs; Watershed itself asks the tables.

-- Who used which service of whom, by hour and pair of addresses, with names in place of numbers. What several agents
-- saw counts as often as the best of them saw it in that hour. A party is `namespace/name`, the name alone, or an
-- address that the inventory did not know; labels of such are empty. For ICMP the port is the type that was sent,
-- and `control` is 1 for signals of the network itself, such as errors and neighbour discovery, which use no service.
-- Always ask for a range of `hour`: everything else is worked out after it.
CREATE VIEW IF NOT EXISTS dependencies{on_cluster} AS
WITH
    who AS (
        SELECT
            id,
            any(workloads.json) AS text,
            JSONExtractString(text, 'namespace') AS namespace,
            JSONExtractString(text, 'name') AS name,
            JSONExtract(text, 'labels', 'Map(String, String)') AS labels
        FROM workloads
        GROUP BY id
    ),
    by_agent AS (
        SELECT
            hour, client_address, client_workload, server_address, server_workload, protocol, port, agent,
            min(edges.first_seen) AS first,
            max(edges.last_seen) AS last,
            sum(edges.connections) AS begun,
            sum(edges.answered) AS replied,
            sum(edges.packets_to_server + edges.packets_to_client) AS sent,
            sum(edges.bytes_to_server) AS up,
            sum(edges.bytes_to_client) AS down,
            sumMap(edges.states) AS ended,
            groupUniqArrayArray(edges.names) AS called,
            -- No two agents are alike, so that every total is of the same one.
            (replied, begun, sent, agent) AS quality
        FROM edges_hourly AS edges
        GROUP BY hour, client_address, client_workload, server_address, server_workload, protocol, port, agent
    ),
    -- One column each, so that what is not asked for is not worked out.
    seen AS (
        SELECT
            hour, client_address, client_workload, server_address, server_workload, protocol, port,
            min(first) AS first_seen,
            max(last) AS last_seen,
            argMax(begun, quality) AS connections,
            argMax(replied, quality) AS answered,
            argMax(sent, quality) AS packets,
            argMax(up, quality) AS bytes_to_server,
            argMax(down, quality) AS bytes_to_client,
            argMax(ended, quality) AS states,
            arraySort(groupUniqArrayArray(called)) AS names,
            arraySort(groupUniqArray(toString(agent))) AS agents
        FROM by_agent
        GROUP BY hour, client_address, client_workload, server_address, server_workload, protocol, port
    )
SELECT
    seen.hour AS hour,
    multiIf(
        seen.client_workload = 0, replaceOne(toString(seen.client_address), '::ffff:', ''),
        client.namespace = '', client.name,
        concat(client.namespace, '/', client.name)
    ) AS client,
    client.namespace AS client_namespace,
    client.labels AS client_labels,
    seen.client_address AS client_address,
    multiIf(
        seen.server_workload = 0, replaceOne(toString(seen.server_address), '::ffff:', ''),
        server.namespace = '', server.name,
        concat(server.namespace, '/', server.name)
    ) AS server,
    server.namespace AS server_namespace,
    server.labels AS server_labels,
    seen.server_address AS server_address,
    seen.protocol AS protocol,
    seen.port AS port,
    concat(
        transform(
            seen.protocol,
            [1, 2, 6, 17, 33, 47, 50, 51, 58, 89, 103, 112, 132],
            ['icmp', 'igmp', 'tcp', 'udp', 'dccp', 'gre', 'esp', 'ah', 'icmpv6', 'ospf', 'pim', 'vrrp', 'sctp'],
            toString(seen.protocol)
        ),
        if(seen.protocol IN (1, 6, 17, 33, 58, 132), concat('/', toString(seen.port)), '')
    ) AS service,
    (seen.protocol = 1 AND seen.port NOT IN (8, 13, 15, 17)) OR (seen.protocol = 58 AND seen.port NOT IN (128, 139))
        AS control,
    seen.connections AS connections,
    seen.answered AS answered,
    seen.packets AS packets,
    seen.bytes_to_server AS bytes_to_server,
    seen.bytes_to_client AS bytes_to_client,
    mapFromArrays(tupleElement(seen.states, 1), tupleElement(seen.states, 2)) AS states,
    seen.first_seen AS first_seen,
    seen.last_seen AS last_seen,
    seen.names AS names,
    seen.agents AS agents
FROM seen
LEFT JOIN who AS client ON client.id = seen.client_workload
LEFT JOIN who AS server ON server.id = seen.server_workload;
