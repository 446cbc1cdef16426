//! What happens in a cluster every day: each change is known, at its time, as of whom it is.

use serde_json::json;
use watershed_aggregator::inventory::kubernetes::Kind;
use watershed_tests::kubernetes::ControlPlane;

use crate::cluster::{Cluster, Pod, Watcher, now};

/// ReplicaSet of Deployment `web`, for one of its rollouts.
pub(crate) fn replica_set(cluster: &Cluster, name: &str) {
    let labels = json!({"app": "web", "pod-template-hash": name});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none"}]}});
    let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web", "controller": true}]);
    cluster.ask(
        "POST",
        "/apis/apps/v1/namespaces/shop/replicasets",
        &json!({"metadata": {"name": name, "ownerReferences": owner},
            "spec": {"selector": {"matchLabels": labels}, "template": template}}),
    );
}

pub(crate) fn slice(port: u16, addresses: &[&str]) -> serde_json::Value {
    let endpoints: Vec<_> =
        addresses.iter().map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})).collect();
    json!({"metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}], "endpoints": endpoints})
}

pub(crate) const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

#[test]
fn what_happens_in_a_cluster_is_known() {
    let plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    cluster.namespace("shop");
    let mut watcher = Watcher::start(&plane.kubeconfig());
    rollout(&cluster, &mut watcher);
    services(&cluster, &mut watcher);
    nodes(&cluster, &mut watcher);
    reuse(&cluster, &mut watcher);
    let status = watcher.status();
    assert!(status.synced && status.troubles == [0; 6], "{status:#?}");
}

/// A rollout and more replicas change nobody's identity; a label that people set does.
fn rollout(cluster: &Cluster, watcher: &mut Watcher) {
    for (set, name, address) in [
        ("web-5d4", "web-5d4-a", "10.1.0.1"),
        ("web-7c9", "web-7c9-a", "10.1.0.2"),
        ("web-7c9", "web-7c9-b", "10.1.0.3"),
    ] {
        if name.ends_with("-a") {
            replica_set(cluster, set);
        }
        let mut pod = Pod::new("shop", name, address).owned_by("apps/v1", "ReplicaSet", set);
        pod.labels = json!({"app": "web", "pod-template-hash": set.trim_start_matches("web-")});
        pod.addresses.push(address.replace("10.1.0.", "fd00:1::"));
        cluster.pod(&pod);
        watcher.until_who(address, Some("deployment shop/web"));
        watcher.until_who(&pod.addresses[1], Some("deployment shop/web"));
    }
    let owners: Vec<_> =
        ["10.1.0.1", "10.1.0.2", "fd00:1::3"].map(|ip| watcher.inventory.identify_at_now(ip)).into();
    assert!(
        owners.iter().all(|owner| *owner == owners[0]),
        "one workload with one set of labels: {owners:?}"
    );
    cluster.delete("/api/v1/namespaces/shop/pods/web-5d4-a");
    watcher.until_who("10.1.0.1", None);

    cluster.ask(
        "PATCH",
        "/api/v1/namespaces/shop/pods/web-7c9-b",
        &json!({"metadata": {"labels": {"tier": "front"}}}),
    );
    watcher.until("the label is known", |watcher| {
        watcher.inventory.identify_at_now("10.1.0.3").is_some_and(|labels| labels.contains("tier=front"))
    });
    cluster.ask(
        "PATCH",
        "/api/v1/namespaces/shop/pods/web-7c9-b",
        &json!({"metadata": {"labels": {"tier": null}}}),
    );
}

trait IdentifyNow {
    /// Who has an address now, with labels.
    fn identify_at_now(&self, address: &str) -> Option<String>;
}

impl IdentifyNow for watershed_aggregator::OpenInventory {
    fn identify_at_now(&self, address: &str) -> Option<String> {
        use watershed_aggregator::Inventory as _;
        let workload = self.identify_at(address.parse().unwrap(), now())?;
        let labels: Vec<_> = workload.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Some(format!("{workload} {}", labels.join(" ")))
    }
}

/// A Service with another target port, by name; with a node port; a headless one; one without pods.
fn services(cluster: &Cluster, watcher: &mut Watcher) {
    let made = cluster.ask(
        "POST",
        "/api/v1/namespaces/shop/services",
        &json!({"metadata": {"name": "web"}, "spec": {"type": "NodePort", "selector": {"app": "web"}, "ipFamilyPolicy": "PreferDualStack",
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}),
    );
    let addresses: Vec<String> = serde_json::from_value(made["spec"]["clusterIPs"].clone()).unwrap();
    let node_port = made["spec"]["ports"][0]["nodePort"].as_u64().unwrap() as u16;
    assert_eq!(addresses.len(), 2, "dual stack");
    cluster.ask("POST", SLICES, &slice(8080, &["10.1.0.2", "10.1.0.3"]));
    for address in &addresses {
        watcher.until("the Service leads to the pods", |watcher| {
            watcher.leads(address, 80).as_deref() == Some("web.shop.svc:80 shop/web:8080")
        });
        watcher.until_who(address, Some("service shop/web"));
    }
    assert_eq!(watcher.leads(&addresses[0], 81), None);

    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.10"}]}});
    cluster.ask("POST", "/api/v1/nodes", &json!({"metadata": {"name": "n1"}}));
    cluster.ask("PATCH", "/api/v1/nodes/n1/status", &status);
    watcher.until_who("192.0.2.10", Some("node n1"));
    watcher.until("the node port leads there, too", |watcher| {
        watcher.leads("192.0.2.10", node_port).as_deref() == Some("web.shop.svc:80 shop/web:8080")
    });

    let (fronts, services) = (watcher.inventory.fronts().len(), watcher.status().objects);
    let headless = json!({"metadata": {"name": "direct"}, "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 8080}]}});
    cluster.ask("POST", "/api/v1/namespaces/shop/services", &headless);
    let mut direct = slice(8080, &["10.1.0.2", "10.1.0.3"]);
    direct["metadata"] = json!({"name": "direct-1", "labels": {"kubernetes.io/service-name": "direct"}});
    cluster.ask("POST", SLICES, &direct);
    watcher.until("both are known", |watcher| {
        let known = watcher.status().objects;
        [Kind::Services, Kind::EndpointSlices]
            .map(|kind| kind as usize)
            .iter()
            .all(|&kind| known[kind] > services[kind])
    });

    // Another port for the same name: a rollout that moves the pods to it.
    let mut moved = slice(9090, &["10.1.0.3"]);
    moved["metadata"]["name"] = json!("web-1");
    cluster.ask("PUT", &format!("{SLICES}/web-1"), &moved);
    watcher.until("the target port is another", |watcher| {
        watcher.leads(&addresses[0], 80).as_deref() == Some("web.shop.svc:80 shop/web:9090")
    });
    // What was known before that has been said before it.
    assert_eq!(watcher.leads("10.1.0.2", 8080), None, "a headless Service leads nowhere else");
    assert_eq!(watcher.who("10.1.0.2", now()).as_deref(), Some("deployment shop/web"));
    assert_eq!(
        watcher.inventory.fronts().len(),
        fronts + 1,
        "only the port that the pods moved to is declared"
    );
}

/// Pods in the node's network are known by their ports.
fn nodes(cluster: &Cluster, watcher: &mut Watcher) {
    let mut pod = Pod::new("shop", "exporter-x", "192.0.2.10").owned_by("apps/v1", "DaemonSet", "exporter");
    pod.on_host = true;
    pod.ports = json!([{"containerPort": 9100, "hostPort": 9100}]);
    cluster.pod(&pod);
    watcher.until("the port of the node is the pod's", |watcher| {
        watcher.leads("192.0.2.10", 9100).as_deref() == Some("- shop/exporter:9100")
    });
    assert_eq!(watcher.who("192.0.2.10", now()).as_deref(), Some("node n1"), "the address stays the node's");
}

/// A new pod takes a dead pod's address at once: each is right at its time.
fn reuse(cluster: &Cluster, watcher: &mut Watcher) {
    cluster.pod(&Pod::new("shop", "db-0", "10.1.0.9").owned_by("apps/v1", "StatefulSet", "db"));
    watcher.until_who("10.1.0.9", Some("statefulset shop/db"));
    let before = now();
    cluster.delete("/api/v1/namespaces/shop/pods/db-0");
    cluster.pod(&Pod::new("shop", "cache-0", "10.1.0.9").owned_by("apps/v1", "StatefulSet", "cache"));
    watcher.until_who("10.1.0.9", Some("statefulset shop/cache"));
    assert_eq!(watcher.who("10.1.0.9", before).as_deref(), Some("statefulset shop/db"));
    let held: Vec<_> = watcher.inventory.tenures("10.1.0.9".parse().unwrap());
    assert!(held.windows(2).all(|pair| pair[0].until <= pair[1].from), "{held:?}");
}
