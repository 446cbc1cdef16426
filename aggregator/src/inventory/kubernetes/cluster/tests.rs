//! What the objects of a cluster come to, without a server.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_parts(second, 0)
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A pod of ReplicaSet `web-5d4`, which Deployment `web` made.
fn web_pod(name: &str, ip: &str, labels: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "labels": labels,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "1", "controller": true}]},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.1", "startTime": "1970-01-01T00:00:10Z"}
    })
}

fn pod(value: Value) -> Object {
    Object::Pod(Box::new(read(value)))
}

fn labels() -> Value {
    json!({"app": "web", "pod-template-hash": "5d4"})
}

fn service(value: Value) -> Object {
    Object::Service(Box::new(read(value)))
}

fn web_service(spec: &Value) -> Object {
    service(
        json!({"metadata": {"name": "web", "namespace": "shop", "creationTimestamp": "1970-01-01T00:00:05Z"}, "spec": spec}),
    )
}

fn slice(name: &str, port: u16, addresses: &[&str]) -> Object {
    let endpoints: Vec<Value> =
        addresses.iter().map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})).collect();
    Object::EndpointSlice(read(json!({
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}], "endpoints": endpoints
    })))
}

fn between(kind: &str, name: &str, owner: Option<(&str, &str, &str)>) -> Object {
    let owners: Vec<Value> = owner
        .map(|(version, kind, name)| json!({"apiVersion": version, "kind": kind, "name": name, "uid": "1", "controller": true}))
        .into_iter()
        .collect();
    let metadata = read(json!({"name": name, "namespace": "shop", "ownerReferences": owners}));
    let between = Between { metadata };
    if kind == "Job" { Object::Job(between) } else { Object::ReplicaSet(between) }
}

/// `10 10.0.0.1/32 deployment shop/web app=web`.
fn told(changed: &Changed) -> Vec<String> {
    let one = |change: &Change| {
        let seconds = change.at.as_secs_f64();
        match &change.workload {
            None => format!("{seconds} {} nobody", change.prefix),
            Some(who) => {
                let labels: Vec<_> = who.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{seconds} {} {} {who} {}", change.prefix, who.kind.as_str(), labels.join(","))
            }
        }
    };
    changed.addresses.iter().map(one).collect()
}

/// `10 10.0.0.1:8080 declared`, `20 10.0.0.1:8080 nobody`.
fn declared(changed: &Changed) -> Vec<String> {
    let one = |change: &FrontChange| {
        let Front::Address(address, _, port) = change.front else { return None };
        let what = match change.backend.as_deref() {
            None => "nobody",
            Some(backend) => backend.declared_by().map(|_| "declared")?,
        };
        Some(format!("{} {address}:{port} {what}", change.at.as_secs_f64()))
    };
    changed.fronts.iter().filter_map(one).collect()
}

/// `5 10.96.0.7:80 -> shop/web:8080`; what is only declared is left out.
fn fronts(changed: &Changed) -> Vec<String> {
    let is_declared = |change: &&FrontChange| {
        change.backend.as_ref().is_some_and(|backend| backend.declared_by().is_some())
    };
    let one = |change: &FrontChange| {
        let front = match change.front {
            Front::Address(address, _, port) => format!("{address}:{port}"),
            Front::EveryNode(_, port) => format!("node:{port}"),
        };
        let backend = change.backend.as_ref().map_or("nobody".to_owned(), |backend| {
            let port = backend.port.map_or("?".to_owned(), |port| port.to_string());
            match &backend.server {
                Server::Workload(who) => format!("{} {who}:{port}", who.kind.as_str()),
                Server::Address(address) => format!("{address}:{port}"),
                Server::Declared(_) => unreachable!("left out"),
            }
        });
        format!("{} {front} -> {backend}", change.at.as_secs_f64())
    };
    changed.fronts.iter().filter(|change| !is_declared(change)).map(one).collect()
}

#[test]
fn a_pod_belongs_to_what_people_deployed_whichever_is_told_first() {
    let mut cluster = Cluster::default();
    cluster.apply(&pod(web_pod("web-5d4-a", "10.0.0.1", &labels())), at(12));
    // Guessed by the hash, and then told the same.
    assert_eq!(told(&cluster.settle(at(12))), ["10 10.0.0.1/32 deployment shop/web app=web"]);
    cluster.apply(&between("ReplicaSet", "web-5d4", Some(("apps/v1", "Deployment", "web"))), at(13));
    assert_eq!(told(&cluster.settle(at(13))), [""; 0]);

    let mut job = web_pod("nightly-17-x", "10.0.0.2", &json!({"job-name": "nightly-17"}));
    job["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "nightly-17", "uid": "2", "controller": true}]);
    cluster.apply(&pod(job), at(14));
    cluster.apply(&between("Job", "nightly-17", Some(("batch/v1", "CronJob", "nightly"))), at(15));
    assert_eq!(
        told(&cluster.settle(at(15))),
        ["10 10.0.0.2/32 job shop/nightly-17 ", "10 10.0.0.2/32 cronjob shop/nightly "],
        "the second takes the place of the first, from the same time on"
    );

    let mut bare = web_pod("tool", "10.0.0.3", &json!({}));
    bare["metadata"]["ownerReferences"] = Value::Null;
    cluster.apply(&pod(bare), at(16));
    let mut rollout = web_pod("canary-7f-a", "10.0.0.4", &json!({"rollouts-pod-template-hash": "7f"}));
    rollout["metadata"]["ownerReferences"][0]["name"] = json!("canary-7f");
    cluster.apply(&pod(rollout), at(16));
    assert_eq!(
        told(&cluster.settle(at(16))),
        ["10 10.0.0.3/32 pod shop/tool ", "10 10.0.0.4/32 custom shop/canary "]
    );
}

#[test]
fn an_address_is_whose_it_was_last_said_to_be() {
    let mut cluster = Cluster::default();
    let old = pod(web_pod("web-5d4-a", "10.0.0.1", &labels()));
    cluster.apply(&old, at(12));
    cluster.delete(&old, at(20));
    let mut new = web_pod("db-0", "10.0.0.1", &json!({"app": "db"}));
    new["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "2", "controller": true}]);
    new["status"]["startTime"] = json!("1970-01-01T00:00:19Z");
    cluster.apply(&pod(new.clone()), at(21));
    // Only its labels change; then it is over, and its address anybody's.
    new["metadata"]["labels"] = json!({"app": "db", "tier": "1"});
    cluster.apply(&pod(new.clone()), at(30));
    new["status"]["phase"] = json!("Succeeded");
    cluster.apply(&pod(new), at(40));
    assert_eq!(
        told(&cluster.settle(at(40))),
        [
            "10 10.0.0.1/32 deployment shop/web app=web",
            "20 10.0.0.1/32 nobody",
            "20 10.0.0.1/32 statefulset shop/db app=db",
            "30 10.0.0.1/32 statefulset shop/db app=db,tier=1",
            "40 10.0.0.1/32 nobody",
        ]
    );
}

#[test]
fn a_list_that_does_not_name_a_pod_says_that_it_is_gone() {
    let mut cluster = Cluster::default();
    let (one, two) = (web_pod("a", "10.0.0.1", &labels()), web_pod("b", "10.0.0.2", &labels()));
    cluster.begin(Kind::Pods);
    cluster.apply(&pod(one.clone()), at(11));
    cluster.apply(&pod(two), at(11));
    cluster.end(Kind::Pods, at(11));
    assert_eq!(cluster.settle(at(11)).addresses.len(), 2);
    cluster.begin(Kind::Pods);
    cluster.apply(&pod(one.clone()), at(50));
    // It broke off, and began again.
    cluster.begin(Kind::Pods);
    cluster.apply(&pod(one), at(51));
    cluster.end(Kind::Pods, at(51));
    assert_eq!(told(&cluster.settle(at(51))), ["51 10.0.0.2/32 nobody"]);
    assert_eq!(cluster.count(Kind::Pods), 1);
}

#[test]
fn a_service_leads_to_the_target_port_of_the_workload_behind_it() {
    let mut cluster = Cluster::default();
    for (name, ip) in [("a", "10.0.0.1"), ("b", "10.0.0.2")] {
        cluster.apply(&pod(web_pod(name, ip, &labels())), at(11));
    }
    cluster.apply(
        &web_service(&json!({"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"], "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"}]})),
        at(11),
    );
    cluster.apply(&slice("web-1", 8080, &["10.0.0.1", "10.0.0.2"]), at(11));
    let changed = cluster.settle(at(12));
    assert_eq!(
        fronts(&changed),
        [
            "5 10.96.0.7:80 -> deployment shop/web:8080",
            "5 fd00::7:80 -> deployment shop/web:8080",
            "5 node:30080 -> deployment shop/web:8080",
        ]
    );
    assert!(told(&changed).contains(&"5 10.96.0.7/32 service shop/web app=web".to_owned()));
    // A rollout changes the pods and leaves where the Service leads as it is, also with none in between.
    cluster.apply(&slice("web-1", 8080, &[]), at(20));
    assert_eq!(fronts(&cluster.settle(at(20))), [""; 0]);
    cluster.apply(&slice("web-1", 9090, &["10.0.0.1"]), at(21));
    assert_eq!(fronts(&cluster.settle(at(21))).len(), 3, "the port is another");
    // One of another workload is behind it as well: what is behind it as a whole.
    let mut other = web_pod("c", "10.0.0.3", &json!({"app": "web", "track": "canary"}));
    other["metadata"]["ownerReferences"][0] = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "canary", "uid": "2", "controller": true});
    cluster.apply(&pod(other), at(22));
    cluster.apply(&slice("web-2", 8081, &["10.0.0.3"]), at(22));
    assert_eq!(fronts(&cluster.settle(at(22)))[0], "22 10.96.0.7:80 -> service shop/web:?");
    cluster.delete(&web_service(&json!({})), at(30));
    let changed = cluster.settle(at(30));
    assert_eq!(fronts(&changed)[0], "30 10.96.0.7:80 -> nobody");
    assert!(told(&changed).contains(&"30 10.96.0.7/32 nobody".to_owned()));
}

#[test]
fn a_service_of_no_pods_leads_to_the_address_that_people_gave_it() {
    let mut cluster = Cluster::default();
    cluster.apply(
        &web_service(&json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80}]})),
        at(11),
    );
    cluster.apply(&slice("web-1", 5432, &["203.0.113.9"]), at(11));
    assert_eq!(fronts(&cluster.settle(at(12))), ["5 10.96.0.7:80 -> 203.0.113.9:5432"]);
    // A headless one has no address of its own: clients go to the pods'.
    let mut cluster = Cluster::default();
    cluster.apply(
        &web_service(
            &json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"name": "http", "port": 80}]}),
        ),
        at(11),
    );
    assert_eq!(cluster.settle(at(12)), Changed::default());
}

#[test]
fn a_service_leads_from_outside_as_from_inside() {
    let mut cluster = Cluster::default();
    cluster.apply(&pod(web_pod("web-5d4-a", "10.0.0.1", &labels())), at(11));
    let balanced = json!({"metadata": {"name": "web", "namespace": "shop", "creationTimestamp": "1970-01-01T00:00:05Z"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.7", "externalIPs": ["203.0.113.7"], "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30_080}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}, {"hostname": "lb.example"}]}}});
    cluster.apply(&service(balanced.clone()), at(11));
    cluster.apply(&slice("web-1", 8080, &["10.0.0.1"]), at(11));
    let changed = cluster.settle(at(12));
    let leads = "-> deployment shop/web:8080";
    let ways = ["10.96.0.7:80", "198.51.100.7:80", "203.0.113.7:80", "node:30080"];
    assert_eq!(fronts(&changed), ways.map(|way| format!("5 {way} {leads}")));
    let owned = told(&changed);
    for address in ["10.96.0.7", "198.51.100.7", "203.0.113.7"] {
        assert!(owned.contains(&format!("5 {address}/32 service shop/web app=web")), "{owned:?}");
    }

    // The load balancer is taken away; the rest stays.
    let mut without = balanced;
    without["status"] = json!({});
    cluster.apply(&service(without), at(20));
    let changed = cluster.settle(at(21));
    assert_eq!(told(&changed), ["20 198.51.100.7/32 nobody"]);
    assert_eq!(fronts(&changed), ["21 198.51.100.7:80 -> nobody"]);
}

#[test]
fn pods_in_the_nodes_network_are_known_by_their_ports_and_the_address_is_the_nodes() {
    let mut cluster = Cluster::default();
    cluster.apply(
        &Object::Node(read(json!({"metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1", "pool": "a"}},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "n1"}]}}))),
        at(11),
    );
    let mut exporter = web_pod("exporter-x", "192.0.2.1", &json!({"app": "exporter"}));
    exporter["spec"]["hostNetwork"] = json!(true);
    exporter["spec"]["containers"][0]["ports"] = json!([{"containerPort": 9100, "hostPort": 9100}]);
    cluster.apply(&pod(exporter), at(12));
    let mut proxy = web_pod("web-5d4-a", "10.0.0.1", &labels());
    proxy["spec"]["containers"][0]["ports"] = json!([{"containerPort": 8443, "hostPort": 443}]);
    cluster.apply(&pod(proxy), at(12));
    let changed = cluster.settle(at(12));
    assert_eq!(
        told(&changed),
        ["11 192.0.2.1/32 node n1 pool=a", "10 10.0.0.1/32 deployment shop/web app=web"]
    );
    assert_eq!(
        fronts(&changed),
        [
            "10 192.0.2.1:9100 -> hostnetwork shop/web-5d4:9100",
            "10 192.0.2.1:443 -> deployment shop/web:8443"
        ]
    );
    assert!(changed.fronts[1].backend.as_ref().unwrap().rewritten);
    assert!(!changed.fronts[0].backend.as_ref().unwrap().rewritten);
}

#[test]
fn what_makes_no_sense_is_refused_and_what_was_known_stays() {
    let mut cluster = Cluster::default();
    cluster.apply(&pod(web_pod("a", "10.0.0.1", &labels())), at(11));
    cluster.settle(at(11));
    let mut lie = web_pod("a", "10.0.0.9", &labels());
    lie["metadata"]["labels"] = json!({"app": "x".repeat(64)});
    cluster.apply(&pod(lie), at(12));
    let nowhere = web_pod("b", "127.0.0.1", &labels());
    cluster.apply(&pod(nowhere), at(12));
    assert_eq!(cluster.settle(at(12)), Changed::default());
    assert_eq!((cluster.refused(), cluster.count(Kind::Pods)), (1, 2));
}

#[test]
fn declared_ports_are_those_of_containers_and_of_what_is_behind_services() {
    let mut cluster = Cluster::default();
    cluster.apply(&pod(web_pod("web-5d4-a", "10.0.0.1", &labels())), at(11));
    let mut silent = web_pod("web-5d4-b", "10.0.0.2", &labels());
    silent["spec"]["containers"][0]["ports"] = json!([]);
    cluster.apply(&pod(silent), at(12));
    assert_eq!(declared(&cluster.settle(at(12))), ["10 10.0.0.1:8080 declared"]);
    // A target port that no container declares, and one that a pod does.
    cluster.apply(&slice("web-1", 9090, &["10.0.0.1", "10.0.0.2"]), at(13));
    cluster.apply(&slice("web-2", 8080, &["10.0.0.1"]), at(13));
    let changed = cluster.settle(at(13));
    assert_eq!(declared(&changed), ["13 10.0.0.1:9090 declared", "13 10.0.0.2:9090 declared"]);
    cluster.delete(&slice("web-2", 8080, &[]), at(20));
    assert_eq!(declared(&cluster.settle(at(20))), [""; 0], "the pod still declares it");
    cluster.apply(&slice("web-1", 9090, &["10.0.0.2"]), at(21));
    cluster.delete(&pod(web_pod("web-5d4-a", "10.0.0.1", &labels())), at(22));
    let gone = declared(&cluster.settle(at(22)));
    assert_eq!(gone, ["21 10.0.0.1:9090 nobody", "22 10.0.0.1:8080 nobody"]);
    assert_eq!(declared(&cluster.everything(at(30))), ["13 10.0.0.2:9090 declared"]);
}

#[test]
fn a_port_of_a_node_that_leads_to_a_pod_is_not_merely_declared() {
    let mut cluster = Cluster::default();
    let mut exporter = web_pod("exporter-x", "192.0.2.1", &json!({"app": "exporter"}));
    exporter["spec"]["hostNetwork"] = json!(true);
    cluster.apply(&slice("web-1", 8080, &["192.0.2.1"]), at(9));
    assert_eq!(declared(&cluster.settle(at(9))), ["9 192.0.2.1:8080 declared"]);
    cluster.apply(&pod(exporter.clone()), at(12));
    assert_eq!(fronts(&cluster.settle(at(12))), ["10 192.0.2.1:8080 -> hostnetwork shop/web-5d4:8080"]);
    cluster.delete(&pod(exporter), at(20));
    assert_eq!(declared(&cluster.settle(at(20))), ["20 192.0.2.1:8080 declared"], "and is again");
}
