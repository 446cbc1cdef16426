//! What a declared port does to a connection that was met in the middle.

use watershed_model::{ConnState, Edge, Endpoint, Summary, Timestamp, WorkloadKind};

use super::*;
use crate::inventory::fronts::{Front, FrontChange, FrontUpdate};
use crate::inventory::{FileFormat, FileInventory, Source};
use crate::testing::{address, batch, record};
use crate::{Aggregator, AggregatorConfig, FlowStore as _, MemoryStore, OpenInventory, StoreConfig};

const ASKING: &str = "10.0.0.1";
const API: &str = "10.0.0.2";

/// `api` declares 50051 of TCP and UDP, 40000 of TCP, and both ends 7000.
fn inventory() -> OpenInventory {
    let text = "\
- name: web
  address: 10.0.0.1
  ports: [7000]
- name: api
  address: 10.0.0.2
  ports: [50051, udp/50051, 40000, 7000]
";
    OpenInventory::from(FileInventory::parse("hosts", FileFormat::Yaml, text.as_bytes()).unwrap())
}

/// A connection met in the middle, of which only the first packet and the lower port tell; six packets there, four back.
fn middle(client: (&str, u16), server: (&str, u16)) -> FlowRecord {
    let mut middle = record(client.0, server.0, server.1, 10);
    middle.client.port = client.1;
    middle.state = ConnState::S2;
    middle.evidence = Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED;
    middle.evidence.set(Evidence::LOWER_PORT, server.1 < client.1);
    middle
}

/// The record as it is joined.
fn settled(mut record: FlowRecord) -> FlowRecord {
    let inventory = inventory();
    settle(&mut record, &inventory, (None, None));
    record
}

fn edges(records: Vec<FlowRecord>) -> Vec<Edge> {
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), inventory(), store);
    aggregator.ingest(batch("a", 0, records)).unwrap();
    aggregator.finish().unwrap().snapshot(None).unwrap().edges
}

#[test]
fn a_declared_port_is_evidence_and_turns_round_what_was_guessed_wrong() {
    let right = middle((ASKING, 45_000), (API, 50_051));
    let wrong = middle((API, 50_051), (ASKING, 45_000));
    let seen = edges(vec![right, wrong]);
    assert_eq!(seen.len(), 1, "{seen:?}");
    let edge = &seen[0];
    assert_eq!(edge.key.to_string(), "web -> api tcp/50051");
    assert_eq!((edge.connections, edge.evidence.of(Evidence::DECLARED_PORT)), (2, 2));
    assert_eq!((edge.to_server.packets, edge.to_client.packets), (10, 10), "its traffic is turned, too");
    assert_eq!((edge.states.of(ConnState::S2), edge.states.of(ConnState::S3)), (1, 1));
    assert_eq!(edge.evidence.of(Evidence::FIRST_PACKET), 1);
    assert_eq!(edge.evidence.of(Evidence::LOWER_PORT), 0);
}

#[test]
fn what_tells_more_than_a_guess_is_contradicted_and_not_turned() {
    let mut hello = middle((API, 50_051), (ASKING, 45_000));
    hello.evidence |= Evidence::TLS_CLIENT_HELLO;
    let hello = settled(hello);
    assert_eq!(hello.client.address, address(API));
    assert!(
        hello.evidence.contains(Evidence::CONTRADICTED) && !hello.evidence.contains(Evidence::DECLARED_PORT)
    );
    // Who sent the SYN is the client, whatever is declared.
    let mut opened = record(API, ASKING, 45_000, 10);
    opened.client.port = 50_051;
    assert_eq!(settled(opened.clone()), opened);
}

#[test]
fn ports_that_both_ends_have_say_nothing() {
    for same in [middle((ASKING, 7_000), (API, 7_000)), middle((API, 50_051), (ASKING, 50_051))] {
        assert_eq!(settled(same.clone()), same);
    }
    let both = middle((ASKING, 7_000), (API, 40_000));
    assert_eq!(settled(both.clone()), both);
}

#[test]
fn who_offers_datagrams_asks_others_from_the_same_port() {
    let mut asks = middle((API, 50_051), (ASKING, 45_000));
    asks.protocol = Protocol::UDP;
    assert_eq!(settled(asks.clone()), asks);
    let mut asked = middle((ASKING, 45_000), (API, 50_051));
    asked.protocol = Protocol::UDP;
    assert!(settled(asked).evidence.contains(Evidence::DECLARED_PORT));
}

#[test]
fn a_record_of_several_connections_counts_each() {
    let mut several = middle((ASKING, 0), (API, 50_051));
    several.summary = Some(Box::new(Summary { connections: 7, ..Summary::default() }));
    assert_eq!(settled(several).summary.unwrap().evidence.of(Evidence::DECLARED_PORT), 7);
}

#[test]
fn the_address_of_a_service_is_a_server_also_where_it_was_taken_for_the_client() {
    let mut inventory = inventory();
    let web =
        Arc::new(Workload { kind: WorkloadKind::Deployment, name: "pods".to_owned(), ..Workload::default() });
    let backend = Backend {
        service: Some("pods.shop.svc:80".into()),
        server: crate::inventory::fronts::Server::Workload(web),
        port: Some(8080),
        rewritten: true,
    };
    let front = Front::Address(address("10.96.0.7"), Protocol::TCP, 40_001);
    let change = FrontChange { at: Timestamp::default(), front, backend: Some(Arc::new(backend)) };
    inventory.follow_fronts(Source::Kubernetes).send(FrontUpdate::Changes(vec![change])).unwrap();
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), inventory, store);
    let mut wrong = middle(("10.96.0.7", 40_001), (ASKING, 39_000));
    wrong.server = Endpoint { port: 39_000, ..wrong.server };
    aggregator.ingest(batch("a", 0, vec![wrong])).unwrap();
    let edges = aggregator.finish().unwrap().snapshot(None).unwrap().edges;
    assert_eq!(edges[0].key.to_string(), "web -> pods tcp/8080");
}
