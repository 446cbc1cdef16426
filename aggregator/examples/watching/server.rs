//! Stands in for an API server of a large cluster: lists, page by page, and then changes at a steady rate.

use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Pods of one Deployment; and one Service and one EndpointSlice for each.
const PER_DEPLOYMENT: usize = 50;

/// Changes are sent so often.
const EVERY: Duration = Duration::from_millis(20);

/// Serves until it is killed, and says where on standard output.
pub(crate) fn serve(pods: usize, changes: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    println!("{}", listener.local_addr().expect("it listens").port());
    for stream in listener.incoming().flatten() {
        // Whoever hangs up has heard enough.
        thread::spawn(move || drop(answer(&stream, pods, changes)));
    }
}

fn answer(stream: &TcpStream, pods: usize, changes: usize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut out = BufWriter::new(stream);
    write!(out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
    if first.contains("watch=true") {
        return if first.contains("/pods?") { watch(&mut out, pods, changes) } else { idle(&mut out) };
    }
    let count = if first.contains("/nodes?") { pods / 100 } else { pods / PER_DEPLOYMENT };
    let (count, object): (usize, fn(usize) -> Value) = match () {
        () if first.contains("/pods?") => (pods, |number| pod(number, 0)),
        () if first.contains("/services?") => (count, service),
        () if first.contains("/endpointslices?") => (count, slice),
        () if first.contains("/replicasets?") => (count, replica_set),
        () if first.contains("/nodes?") => (count, node),
        () => (0, node),
    };
    let number = |key: &str| {
        let value = first.split(['?', '&', ' ']).find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
        value.and_then(|value| value.parse::<usize>().ok())
    };
    let start = number("continue").unwrap_or(0);
    let end = number("limit").map_or(count, |limit| count.min(start + limit));
    let next = if end < count { end.to_string() } else { String::new() };
    let items: Vec<Value> = (start..end).map(object).collect();
    let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "continue": next}, "items": items});
    serde_json::to_writer(&mut out, &list)?;
    out.flush()
}

fn idle(out: &mut impl Write) -> std::io::Result<()> {
    out.flush()?;
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

/// Pods go, and others come that have their addresses: a rollout of everything, one after the other.
fn watch(out: &mut impl Write, pods: usize, changes: usize) -> std::io::Result<()> {
    let (started, mut sent) = (Instant::now(), 0);
    loop {
        let due = (started.elapsed().as_secs_f64() * changes as f64) as usize;
        while sent < due {
            let (number, generation) = (sent / 2 % pods, sent / 2 / pods);
            let (kind, mut object) =
                if sent % 2 == 0 { ("DELETED", pod(number, generation)) } else { ("ADDED", pod(number, generation + 1)) };
            object["metadata"]["resourceVersion"] = json!((sent + 2).to_string());
            serde_json::to_writer(&mut *out, &json!({"type": kind, "object": object}))?;
            out.write_all(b"\n")?;
            sent += 1;
        }
        out.flush()?;
        thread::sleep(EVERY);
    }
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number / 65_536, number / 256 % 256, number % 256)
}

fn deployment(number: usize) -> String {
    format!("app-{}", number / PER_DEPLOYMENT)
}

/// As large as a plain pod is: some 5 KB, most of it for other readers.
fn pod(number: usize, generation: usize) -> Value {
    let app = deployment(number);
    let fields: Value = (0..40).map(|field| (format!("f:field-{field}"), json!({".": {}, "f:value": {}}))).collect();
    json!({
        "metadata": {"name": format!("{app}-5d4-{number}-{generation}"), "namespace": format!("team-{}", number / 1_000),
            "uid": format!("{number:032}"), "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "estate", "pod-template-hash": "5d4"},
            "annotations": {"checksum/config": "a".repeat(64), "note": "x".repeat(600)},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-5d4"), "uid": "1", "controller": true}]},
        "spec": {"nodeName": format!("node-{}", number / 100), "containers": [{"name": "c", "image": "registry.example/app:1",
            "env": (0..20).map(|name| json!({"name": format!("VARIABLE_{name}"), "value": "value"})).collect::<Vec<_>>(),
            "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": address(number), "podIPs": [{"ip": address(number)}], "hostIP": "172.16.0.1",
            "startTime": "2026-01-01T00:00:00Z", "conditions": (0..5).map(|kind| json!({"type": format!("Condition{kind}"), "status": "True"})).collect::<Vec<_>>()}
    })
}

fn replica_set(index: usize) -> Value {
    let app = format!("app-{index}");
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": format!("{app}-5d4"), "namespace": format!("team-{}", index * PER_DEPLOYMENT / 1_000), "resourceVersion": "1",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": app, "uid": "1", "controller": true}]}})
}

fn service(index: usize) -> Value {
    json!({"metadata": {"name": format!("app-{index}"), "namespace": format!("team-{}", index * PER_DEPLOYMENT / 1_000), "resourceVersion": "1"},
        "spec": {"clusterIP": format!("10.96.{}.{}", index / 256, index % 256), "selector": {"app.kubernetes.io/name": format!("app-{index}")},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}})
}

fn slice(index: usize) -> Value {
    let pods = index * PER_DEPLOYMENT..(index + 1) * PER_DEPLOYMENT;
    json!({"metadata": {"name": format!("app-{index}-1"), "namespace": format!("team-{}", index * PER_DEPLOYMENT / 1_000), "resourceVersion": "1",
            "labels": {"kubernetes.io/service-name": format!("app-{index}")}},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": pods.map(|pod| json!({"addresses": [address(pod)]})).collect::<Vec<_>>()})
}

fn node(index: usize) -> Value {
    json!({"metadata": {"name": format!("node-{index}"), "resourceVersion": "1"},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("172.16.{}.{}", index / 256, index % 256)}]}})
}
