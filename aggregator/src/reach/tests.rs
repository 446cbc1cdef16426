//! What a flow to a Service becomes, whichever side of the rewriting was seen.

use watershed_model::{Edge, FlowRecord, Timestamp, WorkloadKind};

use super::*;
use crate::inventory::fronts::{Front, FrontChange, FrontUpdate};
use crate::inventory::{Change, Source, Update};
use crate::testing::{address, batch, record};
use crate::{Aggregator, AggregatorConfig, FlowStore as _, MemoryStore, OpenInventory, StoreConfig};

const CLIENT: &str = "10.0.0.1";
const POD: &str = "10.0.0.2";
const NODE: &str = "192.0.2.1";
const SERVICE: &str = "10.96.0.7";

fn workload(kind: WorkloadKind, name: &str) -> Arc<Workload> {
    let namespace = Some("shop".to_owned()).filter(|_| kind != WorkloadKind::Node);
    Arc::new(Workload { kind, name: name.to_owned(), namespace, ..Workload::default() })
}

/// A Service `web` at 80 and, on every node, at 30080, that leads to 8080 of Deployment `web`.
fn inventory() -> OpenInventory {
    let at = Timestamp::default();
    let web = workload(WorkloadKind::Deployment, "web");
    let owned = [
        (CLIENT, workload(WorkloadKind::Deployment, "shop")),
        (POD, Arc::clone(&web)),
        (NODE, workload(WorkloadKind::Node, "n1")),
        (SERVICE, workload(WorkloadKind::Service, "web")),
    ];
    let owned =
        owned.map(|(ip, workload)| Change { at, prefix: address(ip).into(), workload: Some(workload) });
    let backend = Arc::new(Backend {
        service: Some("web.shop.svc:80".into()),
        server: Server::Workload(web),
        port: Some(8080),
        rewritten: true,
    });
    let fronts =
        [Front::Address(address(SERVICE), Protocol::TCP, 80), Front::EveryNode(Protocol::TCP, 30_080)];
    let mut inventory = OpenInventory::default();
    inventory.follow(Source::Kubernetes).send(Update::Everything { at, owned: owned.into() }).unwrap();
    let changes = fronts.map(|front| FrontChange { at, front, backend: Some(Arc::clone(&backend)) });
    inventory.follow_fronts(Source::Kubernetes).send(FrontUpdate::Changes(changes.into())).unwrap();
    inventory
}

/// The edges of what these agents saw.
fn edges(seen: &[(&str, Vec<FlowRecord>)]) -> Vec<Edge> {
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), inventory(), store);
    for (agent, records) in seen {
        aggregator.ingest(batch(agent, 0, records.clone())).unwrap();
    }
    aggregator.finish().unwrap().snapshot(None).unwrap().edges
}

fn told(edges: &[Edge]) -> Vec<(String, u64)> {
    edges.iter().map(|edge| (edge.key.to_string(), edge.connections)).collect()
}

const EDGE: &str = "shop/shop -> shop/web tcp/8080";

#[test]
fn a_flow_to_a_service_has_the_target_port_also_where_only_the_clients_side_was_seen() {
    let edges = edges(&[("client", vec![record(CLIENT, SERVICE, 80, 10), record(CLIENT, NODE, 30_080, 11)])]);
    assert_eq!(told(&edges), [(EDGE.to_owned(), 2)]);
    let edge = &edges[0];
    assert_eq!(edge.evidence.of(Evidence::VIA_SERVICE), 2);
    assert!(edge.names.contains("web.shop.svc:80"), "{:?}", edge.names);
    assert_eq!(edge.server_addresses, [address(SERVICE), address(NODE)].into());
}

#[test]
fn what_both_nodes_saw_counts_once() {
    let through = |second| record(CLIENT, SERVICE, 80, second);
    let direct = |second| record(CLIENT, POD, 8080, second);
    // The node of the client sees both sides of the rewriting, that of the server the one behind it.
    let client = ("client", vec![through(10), through(11), direct(10), direct(11)]);
    let server = ("server", vec![direct(10), direct(11), direct(12)]);
    assert_eq!(told(&edges(&[client.clone(), server])), [(EDGE.to_owned(), 3)]);
    assert_eq!(told(&edges(&[client])), [(EDGE.to_owned(), 2)]);
}

#[test]
fn a_service_port_that_is_not_declared_leads_nowhere() {
    let edges = edges(&[("client", vec![record(CLIENT, SERVICE, 81, 10), record(CLIENT, NODE, 80, 10)])]);
    let told: Vec<_> = told(&edges).into_iter().map(|(key, _)| key).collect();
    assert_eq!(told, ["shop/shop -> shop/web tcp/81", "shop/shop -> n1 tcp/80"]);
}

#[test]
fn what_stays_within_a_pod_is_no_edge_and_a_tunnel_has_no_known_port() {
    let within = vec![
        record("127.0.0.6", POD, 8080, 10),
        record(POD, "127.0.0.1", 15_001, 10),
        record(POD, POD, 15_006, 10),
        record(CLIENT, POD, 15_008, 10),
    ];
    let edges = edges(&[("client", within)]);
    assert_eq!(told(&edges), [("shop/shop -> shop/web tcp/15008".to_owned(), 1)]);
    assert_eq!(edges[0].evidence.of(Evidence::PORT_UNKNOWN), 1);
}
