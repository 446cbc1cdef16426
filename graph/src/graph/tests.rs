//! What holds for every snapshot.

use std::sync::Arc;

use proptest::prelude::*;
use watershed_model::{ConnState, EdgeKey, EdgeTraffic, Evidence, KnownName, Protocol, Timestamp, Workload};

use super::*;
use crate::Format;
use crate::testing::{START, snapshot, tcp, udp};

#[test]
fn nodes_that_look_alike_get_ids_of_their_own() {
    let named = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        Party::Workload(Arc::new(Workload { name: "web".to_owned(), labels, ..Workload::default() }))
    };
    let edge = tcp("10.0.0.1", "10.0.0.2", 80).edit(|edge| {
        (edge.key.client, edge.key.server) = (named(&[]), named(&[("env", "test")]));
    });
    let snapshot = snapshot([edge.build()]);
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    assert_eq!(graph.nodes().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["web", "web#2"]);
}

#[test]
fn nodes_carry_the_names_of_their_addresses() {
    let mut snapshot = snapshot([udp("10.0.0.1", "192.0.2.7", 443).build()]);
    let time = Timestamp::from_parts(START, 0);
    let known = |name: &str| KnownName {
        address: "192.0.2.7".parse().unwrap(),
        name: name.into(),
        first_seen: time,
        last_seen: time,
    };
    snapshot.names = vec![known("api.example"), known("www.example")];
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    let names: Vec<_> = graph.nodes().flat_map(|node| &node.names).map(AsRef::as_ref).collect();
    assert_eq!(names, ["api.example", "www.example"]);
}

#[test]
fn an_empty_snapshot_is_an_empty_graph() {
    let snapshot = snapshot([]);
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    assert_eq!((graph.nodes().count(), graph.edges().count(), graph.scans().len()), (0, 0, 0));
    assert!(Format::ALL.iter().all(|format| !format.render(&graph).is_empty()));
}

fn any_edge() -> impl Strategy<Value = Edge> {
    let protocols = prop::sample::select(vec![
        Protocol::TCP,
        Protocol::UDP,
        Protocol::ICMP,
        Protocol::SCTP,
        Protocol(47),
    ]);
    let traffic =
        || (0..12_u64, 0..2000_u64).prop_map(|(packets, ip_bytes)| EdgeTraffic { packets, ip_bytes });
    let state = prop::sample::select(ConnState::ALL.to_vec());
    let evidence = any::<u32>().prop_map(Evidence::from_bits_truncate);
    let addresses = (0..12_u8, prop_oneof![0..12_u8, Just(255)]);
    (addresses, protocols, 0..20_u16, (0..4_u64, 0..4_u64), (traffic(), traffic()), state, evidence).prop_map(
        |(
            (client, server),
            protocol,
            port,
            (connections, answered),
            (to_server, to_client),
            state,
            evidence,
        )| {
            let mut edge = tcp(&format!("10.0.0.{client}"), &format!("10.0.0.{server}"), port)
                .with(state, evidence)
                .answered(answered)
                .edit(|edge| edge.connections = connections)
                .build();
            edge.key = EdgeKey { protocol, ..edge.key };
            (edge.to_server, edge.to_client) = (to_server, to_client);
            edge
        },
    )
}

proptest! {
    #![proptest_config(crate::testing::seeded(200))]

    #[test]
    fn what_is_accepted_was_answered_and_what_was_tried_is_in_the_ledger(
        edges in prop::collection::vec(any_edge(), 0..150)
    ) {
        let snapshot = snapshot(edges);
        let graph = Graph::of(&snapshot, &GraphConfig::default());
        // What was read the wrong way round went to another edge, and nothing was lost on the way.
        prop_assert!(graph.edges().count() <= snapshot.edges.len());
        let sums = |edges: &mut dyn Iterator<Item = &Edge>| {
            edges.fold((0, 0), |(connections, packets), edge| {
                (connections + edge.connections, packets + edge.to_server.packets + edge.to_client.packets)
            })
        };
        let kept = sums(&mut graph.edges().map(|(edge, _)| edge));
        prop_assert_eq!(kept, sums(&mut snapshot.edges.iter()));
        prop_assert!(graph.accepted().all(|edge| edge.answered > 0 && edge.to_server.packets > 0));
        for (edge, verdict) in graph.edges() {
            let listed = graph.scans().iter().any(|scan| {
                (&scan.source, scan.protocol) == (&edge.key.client, edge.key.protocol)
                    && scan.targets.contains(&edge.key.server)
                    && scan.ports.contains(&edge.key.port)
            });
            prop_assert!(listed || !verdict.is_attempt(), "{} is {} and in no scan", edge.key, verdict);
        }
    }

    #[test]
    fn the_order_of_edges_changes_nothing(edges in prop::collection::btree_map(0..1000_u32, any_edge(), 0..60)) {
        let mut sorted = snapshot(edges.into_values());
        sorted.edges.dedup_by(|a, b| a.key == b.key);
        let mut reversed = sorted.clone();
        reversed.edges.reverse();
        let config = GraphConfig::default();
        let (one, other) = (Graph::of(&sorted, &config), Graph::of(&reversed, &config));
        for format in Format::ALL {
            prop_assert_eq!(format.render(&one), format.render(&other));
        }
    }
}
