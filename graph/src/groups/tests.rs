//! Groups, roles, and the file that is fed back.

use std::sync::Arc;

use proptest::prelude::*;
use watershed_model::{Party, Workload};

use super::*;
use crate::Graph;
use crate::testing::{snapshot, tcp, udp};

fn host(n: u8) -> String {
    format!("10.0.0.{n}")
}

/// Two applications of two web servers, an app and a database each; all use one resolver and are watched by one
/// monitor, and the first application's web server once asked the second's app.
fn estate() -> watershed_model::Snapshot {
    let mut edges = Vec::new();
    for base in [10, 20] {
        let [web1, web2, app, db] = [base, base + 1, base + 2, base + 3].map(host);
        edges.push(tcp("203.0.113.9", &web1, 443).build());
        edges.push(tcp("203.0.113.9", &web2, 443).build());
        edges.push(tcp(&web1, &app, 8000).edit(|edge| edge.answered = 50).build());
        edges.push(tcp(&web2, &app, 8000).edit(|edge| edge.answered = 50).build());
        edges.push(tcp(&app, &db, 5432).edit(|edge| edge.answered = 50).build());
        for node in [&web1, &web2, &app, &db] {
            edges.push(udp(node, &host(53), 53).build());
            edges.push(tcp(&host(60), node, 9100).build());
        }
    }
    edges.push(tcp(&host(10), &host(22), 8000).build());
    edges.push(udp(&host(99), &host(53), 53).build());
    snapshot(edges)
}

/// Node, application and role, in order.
fn told(snapshot: &watershed_model::Snapshot) -> Vec<(String, Option<String>, Option<&'static str>)> {
    let graph = Graph::of(snapshot, &GraphConfig::default());
    let nodes: Vec<_> = graph.nodes().collect();
    let proposals = graph.proposals();
    let told = proposals.entries().iter().map(|proposal| {
        let app = proposal.app.as_ref().map(|guess| guess.value.clone());
        (nodes[proposal.node].id.clone(), app, proposal.role.as_ref().map(|guess| guess.value.as_str()))
    });
    told.collect()
}

#[test]
fn applications_are_told_apart_and_shared_services_are_in_none() {
    let told = told(&estate());
    let of = |n: u8| {
        let (_, app, role) = told.iter().find(|(id, ..)| *id == host(n)).unwrap();
        (app.as_deref(), *role)
    };
    let (one, two) = (Some("with-10.0.0.10"), Some("with-10.0.0.20"));
    assert_eq!([10, 11, 12, 13].map(|n| of(n).0), [one; 4]);
    assert_eq!([20, 21, 22, 23].map(|n| of(n).0), [two; 4]);
    assert_eq!([11, 12, 13].map(|n| of(n).1), [Some("web"), Some("app"), Some("database")]);
    assert_eq!((of(53), of(60)), ((Some("dns"), Some("dns")), (Some("monitoring"), Some("monitoring"))));
    assert_eq!(of(99), (None, None), "who only looks up names belongs nowhere");
}

#[test]
fn stray_connections_take_nobody_out_of_an_application() {
    let mut snapshot = estate();
    let mut edges = std::mem::take(&mut snapshot.edges);
    // A web server of the first application tries its luck with hosts that have nothing to do with each other.
    for stray in 101..=104_u8 {
        edges.push(tcp(&host(11), &host(stray), 8000 + u16::from(stray)).build());
        edges.push(tcp(&host(stray), &host(stray + 50), 9000).edit(|edge| edge.answered = 50).build());
    }
    let told = told(&crate::testing::snapshot(edges));
    let app = |n: u8| told.iter().find(|(id, ..)| *id == host(n)).unwrap().1.clone();
    assert_eq!(app(11), app(12), "where its work is");
    assert_ne!(app(101), app(102));
}

#[test]
fn a_group_takes_the_label_that_some_of_it_have_and_keeps_it() {
    let mut snapshot = estate();
    let known = Party::Workload(Arc::new(Workload {
        name: "db: \"main\"".to_owned(),
        labels: [("app".to_owned(), "shop".to_owned())].into(),
        ..Workload::default()
    }));
    for edge in &mut snapshot.edges {
        for end in [&mut edge.key.client, &mut edge.key.server] {
            if *end == Party::Address("10.0.0.13".parse().unwrap()) {
                *end = known.clone();
            }
        }
    }
    snapshot.edges.sort_by(|a, b| a.key.cmp(&b.key));
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    let text = graph.proposals().to_yaml(&graph);
    assert_eq!(text.matches("\"app\": \"shop\"").count(), 4, "{text}");
    let entry = text.split("- addresses").find(|entry| entry.contains("db: ")).unwrap();
    assert_eq!(
        entry,
        ": [\"10.0.0.13\"]  # role 1.00\n  name: \"db: \\\"main\\\"\"\n  labels: {\"app\": \"shop\", \"role\": \"database\"}\n"
    );
}

#[test]
fn an_empty_graph_proposes_nothing() {
    let snapshot = snapshot([]);
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    assert_eq!(graph.proposals().entries(), []);
}

#[test]
fn the_order_of_edges_changes_nothing() {
    let mut reversed = estate();
    reversed.edges.reverse();
    assert_eq!(told(&estate()), told(&reversed));
}

/// The service that most edges of a node are of, by looking at every edge for the node alone; of several the lowest.
fn offered_most(graph: &Graph<'_>, node: NodeIndex) -> Option<String> {
    let mut services: Vec<(usize, Service)> = Vec::new();
    for (_, _, service, _) in used(graph.inner()).filter(|&(_, server, ..)| server == node) {
        match services.iter_mut().find(|(_, known)| *known == service) {
            Some((count, _)) => *count += 1,
            None => services.push((1, service)),
        }
    }
    services.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let (_, most) = services.first()?;
    Some(most.name().map_or_else(|| most.to_string(), str::to_owned))
}

proptest! {
    #![proptest_config(crate::testing::seeded(64))]

    #[test]
    fn what_is_set_apart_is_named_as_if_each_were_looked_at_alone(
        uses in proptest::collection::vec((1_u8..20, 1_u8..20, 0_usize..4), 0..120),
    ) {
        let ports = [53, 80, 5432, 9999];
        let edges = uses.iter().filter(|(client, server, _)| client != server);
        let mut edges: Vec<_> =
            edges.map(|&(client, server, port)| tcp(&host(client), &host(server), ports[port]).build()).collect();
        edges.sort_by(|a, b| a.key.cmp(&b.key));
        edges.dedup_by(|a, b| a.key == b.key);
        let snapshot = snapshot(edges);
        let graph = Graph::of(&snapshot, &GraphConfig::default());
        let apart: BTreeSet<NodeIndex> = graph.inner().node_indices().step_by(2).collect();
        let offers = Offers::of(graph.inner(), &apart);
        for &node in &apart {
            let expected = offered_most(&graph, node).unwrap_or_else(|| "shared".to_owned());
            prop_assert_eq!(offers.name(node, None), expected);
        }
    }
}
