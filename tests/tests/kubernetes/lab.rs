//! Pods in namespaces under a real API server: what they send through a rolling restart comes to exactly the edges that
//! it was.

mod node;

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::json;
use watershed_aggregator::{FlowStore as _, HistoryStore as _, SqliteStore, StoreConfig, Wanted};
use watershed_model::{Edge, Evidence};
use watershed_tests::kubernetes::ControlPlane;

use self::node::{NODE, Node};
use crate::cluster::{Cluster, Pod};
use crate::events::{SLICES, replica_set, slice};

const SHOP: &str = "10.60.0.10";
const BATCH: &str = "10.60.0.11";
/// Of the first pod of `web`, and of `cache` after it.
const OLD: &str = "10.60.0.20";
/// Of the second pod of `web`.
const NEW: &str = "10.60.0.21";
const DNS: &str = "10.60.0.30";
const OUTSIDE: [&str; 3] = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];

/// Ten names on three addresses.
fn names() -> Vec<(String, &'static str)> {
    (0..10).map(|number| (format!("api{number}.example"), OUTSIDE[number % OUTSIDE.len()])).collect()
}

/// What the program under test has kept.
struct Kept(PathBuf);

impl Kept {
    fn store(&self) -> SqliteStore {
        SqliteStore::open_existing(&self.0, &StoreConfig::default()).unwrap()
    }

    /// Whether it knows that an address is this workload's now.
    fn is_whose(&self, address: &str, name: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let told = self.store().history(&Wanted { address: Some(address), ..Wanted::ALL }).unwrap();
        let last = told.last().and_then(|told| told.change.workload.as_ref());
        last.is_some_and(|workload| workload.name == name)
    }
}

/// A pod of a rollout of Deployment `web`.
fn web_pod<'a>(rollout: &'a str, address: &str) -> Pod<'a> {
    let mut pod =
        Pod::new("shop", &format!("{rollout}-a"), address).owned_by("apps/v1", "ReplicaSet", rollout);
    pod.labels = json!({"app": "web", "pod-template-hash": rollout.trim_start_matches("web-")});
    pod
}

fn alone<'a>(name: &'a str, address: &str) -> Pod<'a> {
    let mut pod = Pod::new("shop", &format!("{name}-0"), address).owned_by("apps/v1", "StatefulSet", name);
    pod.labels = json!({"app": name});
    pod
}

/// The cluster as it is before anything is sent; the address of Service `web`.
fn deploy(cluster: &Cluster) -> String {
    cluster.namespace("shop");
    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": NODE}]}});
    cluster.ask("POST", "/api/v1/nodes", &json!({"metadata": {"name": "n1"}}));
    cluster.ask("PATCH", "/api/v1/nodes/n1/status", &status);
    for (name, address) in [("shop", SHOP), ("batch", BATCH), ("dns", DNS)] {
        cluster.pod(&alone(name, address));
    }
    replica_set(cluster, "web-5d4");
    cluster.pod(&web_pod("web-5d4", OLD));
    let mut exporter = alone("exporter", NODE).owned_by("apps/v1", "DaemonSet", "exporter");
    exporter.on_host = true;
    exporter.on_node = NODE;
    exporter.ports = json!([{"containerPort": 9100, "hostPort": 9100}]);
    cluster.pod(&exporter);
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}});
    let made = cluster.ask("POST", "/api/v1/namespaces/shop/services", &service);
    cluster.ask("POST", SLICES, &slice(8080, &[OLD]));
    made["spec"]["clusterIP"].as_str().unwrap().to_owned()
}

/// The node with what the cluster runs on it.
fn start(plane: &ControlPlane, service: &str) -> Node {
    let mut node = Node::new();
    for (name, address) in [("shop", SHOP), ("batch", BATCH), ("web", OLD), ("web2", NEW), ("dns", DNS)] {
        node.pod(name, &[address]);
    }
    node.pod("outside", &OUTSIDE);
    for (name, port) in [("web", 8080), ("web2", 8080), ("node", 9100), ("outside", 443)] {
        node.serve(name, port);
    }
    node.serve_names(("dns", DNS), &names());
    node.lead(service, 80, "10.60.0.20:8080");
    node.carry(plane.port());
    node
}

#[test]
fn every_edge_is_the_right_workloads_at_the_right_time_through_a_rolling_restart() {
    let plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    let service = deploy(&cluster);
    let mut node = start(&plane, &service);

    let kept = Kept(node.folder().join("edges.db"));
    let (store, kubeconfig) = (format!("sqlite:{}", kept.0.display()), plane.kubeconfig());
    let arguments = ["--store", &store, "--kubernetes", kubeconfig.to_str().unwrap()];
    // Of the clients alone: where a Service led is known from its address, not from what is behind it.
    let clients = ["shop", "batch"];
    let mut watershed =
        node.watershed(&clients, &[&arguments[..], &["--set", "metrics.listen=none"]].concat());
    watershed.until(|| kept.is_whose(OLD, "web"), "it knows the pods");

    let all = names();
    let all: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    node.connect("shop", (&service, 80), 4);
    node.connect("batch", (OLD, 8080), 2);
    node.connect("shop", (NODE, 9100), 3);
    node.visit("shop", DNS, 443, &all);
    node.visit("batch", DNS, 443, &all[..1]);

    // A new pod is there, the old one goes, and another workload's takes its address at once.
    replica_set(&cluster, "web-7c9");
    cluster.pod(&web_pod("web-7c9", NEW));
    cluster.ask("PUT", &format!("{SLICES}/web-1"), &slice(8080, &[NEW]));
    node.lead(&service, 80, "10.60.0.21:8080");
    node.end("web");
    cluster.delete("/api/v1/namespaces/shop/pods/web-5d4-a");
    cluster.pod(&alone("cache", OLD));
    node.pod("cache", &[OLD]);
    node.serve("cache", 8080);
    watershed.until(|| kept.is_whose(OLD, "cache") && kept.is_whose(NEW, "web"), "it knows the change");
    node.connect("shop", (&service, 80), 4);
    node.connect("batch", (OLD, 8080), 5);
    node.connect("batch", (NEW, 8080), 1);
    watershed.end();

    let edges = kept.store().snapshot(None).unwrap().edges;
    let found: Vec<String> = edges.iter().map(|edge| format!("{} {}", edge.key, edge.connections)).collect();
    let mut truth = [
        "shop/shop -> shop/web tcp/8080 8",
        "shop/batch -> shop/web tcp/8080 3",
        "shop/batch -> shop/cache tcp/8080 5",
        "shop/shop -> shop/exporter tcp/9100 3",
        "shop/shop -> shop/dns udp/53 10",
        "shop/batch -> shop/dns udp/53 1",
        "shop/shop -> 198.51.100.1 tcp/443 4",
        "shop/shop -> 198.51.100.2 tcp/443 3",
        "shop/shop -> 198.51.100.3 tcp/443 3",
        "shop/batch -> 198.51.100.1 tcp/443 1",
    ]
    .map(str::to_owned);
    let mut sorted = found;
    sorted.sort();
    truth.sort();
    assert_eq!(sorted, truth);
    tell_of_the_way(&edges, &service);
}

/// What an edge says beside its ends: the Service that led there, and by which names the world was known to each client.
fn tell_of_the_way(edges: &[Edge], service: &str) {
    let edge = |client: &str, server: &str| {
        let mut of_these = edges.iter().filter(|edge| {
            (edge.key.client.to_string(), edge.key.server.to_string())
                == (client.to_owned(), server.to_owned())
        });
        of_these.next().unwrap()
    };
    let led = edge("shop/shop", "shop/web");
    assert_eq!(led.evidence.of(Evidence::VIA_SERVICE), 8);
    assert!(led.names.contains("web.shop.svc:80"), "{:?}", led.names);
    assert_eq!(led.server_addresses, [service.parse().unwrap()].into());
    let direct = edge("shop/batch", "shop/web");
    assert_eq!(direct.evidence.of(Evidence::VIA_SERVICE), 0);
    assert_eq!(direct.server_addresses, [OLD, NEW].map(|address| address.parse().unwrap()).into());
    for outside in OUTSIDE {
        let of_address: Vec<String> =
            names().into_iter().filter(|(_, address)| *address == outside).map(|(name, _)| name).collect();
        let known: Vec<&str> = edge("shop/shop", outside).names.iter().map(AsRef::as_ref).collect();
        assert_eq!(known, of_address, "{outside}");
    }
    let known: Vec<&str> = edge("shop/batch", OUTSIDE[0]).names.iter().map(AsRef::as_ref).collect();
    assert_eq!(known, ["api0.example"], "whoever asked for one name knows one");
    assert!(edges.iter().all(|edge| edge.evidence.of(Evidence::HANDED_OVER) == 0));
}
