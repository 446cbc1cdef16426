//! What every store must do with what it is told of the inventory.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Evidence, FlowRecord, Protocol, Snapshot, TimeRange, Timestamp, Workload};

use super::{kept, seconds};
use crate::inventory::fronts::{Backend, Front, FrontChange, FrontUpdate, Server};
use crate::inventory::{Source, Update};
use crate::testing::{address, batch, record};
use crate::{Aggregator, AggregatorConfig, Change, FlowStore, OpenInventory, Told, Wanted};

pub(in crate::store) const ALWAYS: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };

pub(in crate::store) fn said(source: Source, at: i64, network: &str, name: &str) -> Told {
    let workload = (!name.is_empty()).then(|| {
        let labels = [("role".to_owned(), name.to_owned())].into();
        Arc::new(Workload { name: name.to_owned(), labels, ..Workload::default() })
    });
    let prefix = network.parse().unwrap_or_else(|_| IpNet::from(network.parse::<IpAddr>().unwrap()));
    let at = if at == i64::MIN { Timestamp::MIN } else { Timestamp::from_parts(at, 0) };
    Told { source, change: Change { at, prefix, workload } }
}

pub(in crate::store) fn an_inventory_is_told_as_it_was_kept<S: FlowStore>(new: impl Fn() -> S) {
    let (file, pods) = (Source::File, Source::Kubernetes);
    let all = [
        said(file, i64::MIN, "10.0.0.0/8", "site"),
        said(file, 7, "10.0.0.0/8", "place"),
        said(file, i64::MIN, "2001:db8::1", "six"),
        said(pods, 1, "10.0.0.1", "a"),
        said(pods, 3, "10.0.0.1", ""),
        said(pods, 5, "10.0.0.1", "b"),
        said(pods, 5, "10.0.0.2", "c"),
    ];
    let mut store = new();
    store.remember(&[]).unwrap();
    assert_eq!(store.history(&Wanted::ALL).unwrap(), []);
    for told in all.iter().rev() {
        store.remember(std::slice::from_ref(told)).unwrap();
    }
    store.remember(&[said(pods, 5, "10.0.0.2", "d"), said(pods, 5, "10.0.0.2", "e")]).unwrap();
    store.remember(&[said(pods, 5, "10.0.0.2", "e"), said(pods, 5, "10.0.0.2", "c")]).unwrap();
    store.remember(&all).unwrap();
    assert_eq!(store.history(&Wanted::ALL).unwrap(), all, "in order, each once, the later told one");

    let wanted = |(start, end), address: Option<&str>| {
        let address = address.map(|address| address.parse().unwrap());
        store.history(&Wanted { period: seconds(start, end).unwrap(), address }).unwrap()
    };
    let [site, _, six, a, gone, b, c] = all.clone();
    assert_eq!(
        wanted((2, 3), None),
        [site.clone(), six, a.clone(), gone.clone()],
        "and whose each was before"
    );
    assert_eq!(wanted((4, 5), Some("10.0.0.1")), [site.clone(), gone, b]);
    assert_eq!(wanted((6, 6), Some("10.0.0.2")), [site, c]);
    assert_eq!(wanted((0, 9), Some("192.0.2.1")), []);
}

/// The history that a store keeps of what watchers said while flows came in joins the same flows the same way.
pub(in crate::store) fn flows_joined_again_with_the_history_kept_are_joined_as_they_were<S: FlowStore>(
    new: impl Fn() -> S,
) {
    let flow = |from: &str, at: i64, until: i64| {
        let mut flow = record(from, "10.0.0.9", 443, at.unsigned_abs());
        flow.last_seen = Timestamp::from_parts(until, 0);
        flow
    };
    let mut inventory = OpenInventory::default();
    let (pods, file) = (inventory.follow(Source::Kubernetes), inventory.follow(Source::File));
    let changes = |told: Vec<Told>| Update::Changes(told.into_iter().map(|told| told.change).collect());
    let pod = |at, address: &str, name: &str| said(Source::Kubernetes, at, address, name);
    let steps = [
        (vec![pod(0, "10.0.0.1", "a"), pod(0, "10.0.0.9", "db")], vec![flow("10.0.0.1", 1, 2)]),
        // The next one takes the address within two seconds, and is told of before the end of the first.
        (vec![pod(6, "10.0.0.1", "b")], vec![flow("10.0.0.1", 3, 7), flow("10.0.0.1", 6, 8)]),
        (vec![pod(5, "10.0.0.1", "")], vec![flow("10.0.0.1", 5, 5), flow("10.0.0.7", 8, 9)]),
    ];
    let mut live = Aggregator::new(AggregatorConfig::default(), inventory, new());
    let mut batches = Vec::new();
    for (number, (changed, flows)) in steps.into_iter().enumerate() {
        pods.send(changes(changed)).unwrap();
        if number == 2 {
            let owned = vec![said(Source::File, i64::MIN, "10.0.0.0/29", "rest").change];
            file.send(Update::Everything { at: Timestamp::from_parts(8, 0), owned }).unwrap();
        }
        batches.push(batch("a", number as u64, flows));
        live.ingest(batches[number].clone()).unwrap();
    }
    let live = live.finish().unwrap();
    let history = live.history(&Wanted::ALL).unwrap();
    let period = TimeRange { start: Timestamp::from_parts(1, 0), end: Timestamp::from_parts(9, 0) };
    let of_the_time = live.history(&Wanted { period, address: None }).unwrap();
    let live = live.snapshot(None).unwrap();
    for history in [history, of_the_time] {
        let again: Snapshot =
            kept(new(), history.into_iter().collect(), batches.clone()).snapshot(None).unwrap();
        assert_eq!(again, live);
    }
    let edges: Vec<String> = live.edges.iter().map(|edge| edge.key.to_string()).collect();
    assert_eq!(edges, ["a -> db tcp/443", "b -> db tcp/443", "rest -> db tcp/443"]);
    let handed_over: u32 = live.edges.iter().map(|edge| edge.evidence.of(Evidence::HANDED_OVER)).sum();
    assert_eq!(handed_over, 1);
}

const SERVICE: &str = "10.96.0.7";

/// That a port of a Service leads to this workload, or to nobody, at 8000 more than its own.
pub(in crate::store) fn led(at: i64, port: u16, name: &str) -> FrontChange {
    let workload = said(Source::Kubernetes, at, SERVICE, name).change.workload;
    let backend = workload.map(|workload| {
        Arc::new(Backend {
            service: Some("web.shop.svc".into()),
            server: Server::Workload(workload),
            port: Some(8_000 + port),
            rewritten: true,
        })
    });
    let front = Front::Address(address(SERVICE), Protocol::TCP, port);
    FrontChange { at: Timestamp::from_parts(at, 0), front, backend }
}

pub(in crate::store) fn where_services_led_is_told_as_it_was_kept<S: FlowStore>(new: impl Fn() -> S) {
    let external = Backend {
        service: None,
        server: Server::Address(address("2001:db8::1")),
        port: None,
        rewritten: false,
    };
    let front = Front::EveryNode(Protocol::UDP, 30_080);
    let all = [
        led(1, 80, "a"),
        led(3, 80, ""),
        led(5, 80, "b"),
        led(5, 81, "c"),
        FrontChange { at: Timestamp::from_parts(2, 0), front, backend: Some(Arc::new(external)) },
    ];
    let declared = FrontChange {
        at: Timestamp::from_parts(12, 0),
        front: Front::Address(address("10.0.0.9"), Protocol::UDP, 53),
        backend: Some(Arc::new(Backend::declared(Source::Docker, 53))),
    };
    let mut store = new();
    store.remember_fronts(&[]).unwrap();
    assert_eq!(store.fronts(ALWAYS).unwrap(), []);
    for change in all.iter().rev() {
        store.remember_fronts(std::slice::from_ref(change)).unwrap();
    }
    store.remember_fronts(&[led(5, 81, "d"), led(5, 81, "e")]).unwrap();
    store.remember_fronts(&[led(5, 81, "e"), led(5, 81, "c")]).unwrap();
    store.remember_fronts(&all).unwrap();
    assert_eq!(store.fronts(ALWAYS).unwrap(), all, "in order, each once, the later told one");
    let [_, gone, b, c, node] = all;
    let wanted = |start, end| store.fronts(seconds(start, end).unwrap()).unwrap();
    assert_eq!(wanted(4, 5), [gone, b.clone(), c.clone(), node.clone()], "and where each led before");
    assert_eq!(wanted(6, 9), [b, c, node]);
    store.remember_fronts(std::slice::from_ref(&declared)).unwrap();
    let kept = store.fronts(seconds(12, 12).unwrap()).unwrap();
    assert_eq!(kept.iter().find(|change| change.at == declared.at), Some(&declared));
}

/// What is kept of where Services led brings the same flows to the same pods, also for a process that starts again.
pub(in crate::store) fn flows_to_services_joined_again_are_joined_as_they_were<S: FlowStore>(
    new: impl Fn() -> S,
) {
    let flow = |port: u16, at: i64| record("10.0.0.1", SERVICE, port, at.unsigned_abs());
    let mut store = new();
    let mut batches = Vec::new();
    let steps: [(Vec<FrontChange>, Vec<FlowRecord>); 3] = [
        (vec![led(0, 80, "web"), led(0, 81, "api")], vec![flow(80, 1), flow(81, 2)]),
        // The Service is led elsewhere, then nowhere.
        (vec![led(4, 80, "shop"), led(6, 81, "")], vec![flow(80, 3), flow(80, 5), flow(81, 7)]),
        // What is there after a stop is said anew: one as before, one that came meanwhile.
        (vec![led(0, 80, "shop"), led(8, 82, "db")], vec![flow(80, 9), flow(82, 10), flow(81, 11)]),
    ];
    for (number, (changed, flows)) in steps.into_iter().enumerate() {
        let mut inventory = OpenInventory::default();
        inventory.restore(store.history(&Wanted::ALL).unwrap());
        inventory.restore_fronts(store.fronts(ALWAYS).unwrap());
        let owned =
            [said(Source::Kubernetes, 0, "10.0.0.1", "shop"), said(Source::Kubernetes, 0, SERVICE, "svc")];
        let owned = owned.map(|told| told.change).to_vec();
        let at = Timestamp::from_parts(8, 0);
        inventory.follow(Source::Kubernetes).send(Update::Everything { at, owned }).unwrap();
        let update = match number {
            2 => FrontUpdate::Everything { at, led: changed },
            _ => FrontUpdate::Changes(changed),
        };
        inventory.follow_fronts(Source::Kubernetes).send(update).unwrap();
        batches.push(batch("a", number as u64, flows));
        store = kept(store, inventory, batches.last().cloned());
    }
    let live = store.snapshot(None).unwrap();
    let edges: Vec<String> =
        live.edges.iter().map(|edge| format!("{} {}", edge.key, edge.connections)).collect();
    let right = [
        "shop -> api tcp/8081 1",
        "shop -> db tcp/8082 1",
        "shop -> shop tcp/8080 2",
        "shop -> svc tcp/81 2",
        "shop -> web tcp/8080 2",
    ];
    assert_eq!(edges, right);
    let mut again: OpenInventory = store.history(&Wanted::ALL).unwrap().into_iter().collect();
    again.restore_fronts(store.fronts(ALWAYS).unwrap());
    assert_eq!(kept(new(), again, batches).snapshot(None).unwrap(), live);
}
