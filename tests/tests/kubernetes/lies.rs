//! An API server that lies: what was known stays in force, each lie is counted, and once it tells the truth again it is
//! believed.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use watershed_aggregator::inventory::kubernetes::Trouble;

use crate::cluster::Watcher;

/// How a server behaves from now on.
#[derive(Clone, Debug, PartialEq)]
enum Manner {
    /// It tells of these pods.
    Truth(Vec<Value>),
    /// It answers every request with this status.
    Refuses(u16),
    /// It lists as ever, and answers who wants to hear of changes with this status.
    RefusesWatches(u16),
    /// It lists as ever, and tells this to who wants to hear of changes.
    Says(String),
    /// It lists this.
    Lists(String),
}

/// A server, until the test ends.
struct Liar {
    manner: Arc<Mutex<(u64, Manner)>>,
    requests: Arc<AtomicUsize>,
    port: u16,
}

fn pod(name: &str, address: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": "5", "labels": {"app": name}},
        "spec": {}, "status": {"phase": "Running", "podIP": address, "startTime": "2026-01-01T00:00:00Z"}})
}

fn list(pods: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "7"}, "items": pods}).to_string()
}

impl Liar {
    fn start(pods: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let manner = Arc::new(Mutex::new((0, Manner::Truth(pods.to_vec()))));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&manner), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, requests) = (Arc::clone(&shared), Arc::clone(&counted));
                // Whoever hangs up has heard enough.
                thread::spawn(move || drop(answer(stream, &manner, &requests)));
            }
        });
        Self { manner, requests, port }
    }

    fn turn(&self, manner: Manner) {
        let mut current = self.manner.lock().unwrap();
        *current = (current.0 + 1, manner);
    }
}

fn answer(
    mut stream: TcpStream,
    manner: &Mutex<(u64, Manner)>,
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    requests.fetch_add(1, Ordering::Relaxed);
    let (turn, now) = manner.lock().unwrap().clone();
    let (is_watch, of_pods) = (first.contains("watch=true"), first.contains("/api/v1/pods?"));
    let pods = |pods: &[Value]| list(if of_pods { pods } else { &[] });
    let (status, body) = match &now {
        Manner::Refuses(status) => (*status, refusal(*status)),
        Manner::RefusesWatches(status) if is_watch => (*status, refusal(*status)),
        Manner::Says(text) if is_watch && of_pods => (200, text.clone()),
        Manner::Lists(text) if of_pods && !is_watch => (200, text.clone()),
        _ if is_watch => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
            while manner.lock().unwrap().0 == turn {
                thread::sleep(Duration::from_millis(10));
            }
            return Ok(());
        }
        Manner::Truth(told) => (200, pods(told)),
        _ => (200, pods(&[pod("a", "10.1.0.1")])),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn refusal(status: u16) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "not for you", "reason": "X", "code": status})
        .to_string()
}

/// 10 MB in one object, of which nothing is ever read.
fn huge() -> String {
    let mut pod = pod("b", "10.1.0.2");
    pod["metadata"]["annotations"] = json!({"a": "x".repeat(10_000_000)});
    json!({"type": "ADDED", "object": pod}).to_string() + "\n"
}

#[test]
fn what_a_lying_server_says_changes_nothing_and_is_counted() {
    let truth = [pod("a", "10.1.0.1")];
    let liar = Liar::start(&truth);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "t",
        "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}], "users": [{"name": "t", "user": {}}],
        "clusters": [{"name": "t", "cluster": {"server": format!("http://127.0.0.1:{}", liar.port)}}]});
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let mut watcher = Watcher::start(&kubeconfig);
    watcher.until_who("10.1.0.1", Some("pod shop/a"));

    let gone = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}}"#;
    let lies = [
        (Manner::Says(huge()), Trouble::TooLarge),
        (Manner::Says("{\"type\": \"ADDED\", \"object\": 7}\n".to_owned()), Trouble::Malformed),
        (Manner::Says("no JSON at all\n".to_owned()), Trouble::Malformed),
        (Manner::Says(format!("{gone}\n")), Trouble::Expired),
        (Manner::RefusesWatches(410), Trouble::Expired),
        (Manner::Lists("[]".to_owned()), Trouble::Malformed),
        (Manner::Refuses(403), Trouble::Denied),
        (Manner::Refuses(500), Trouble::Refused),
    ];
    for (lie, trouble) in lies {
        let count = |watcher: &Watcher| watcher.status().troubles[trouble as usize];
        let (before, text) = (count(&watcher), format!("{lie:?}").chars().take(60).collect::<String>());
        // A list is only asked for by who has to start again.
        if matches!(lie, Manner::Lists(_)) {
            liar.turn(Manner::RefusesWatches(410));
            watcher.until("it starts again", |watcher| watcher.status().troubles[Trouble::Expired as usize] > 0);
        }
        liar.turn(lie);
        watcher.until(&format!("{text} is counted"), |watcher| count(watcher) > before);
        watcher.until_who("10.1.0.1", Some("pod shop/a"));
        watcher.until_who("10.1.0.2", None);
    }
    let mut nonsense = pod("b", "10.1.0.2");
    nonsense["metadata"]["labels"] = json!({"app": "x".repeat(100)});
    liar.turn(Manner::RefusesWatches(410));
    liar.turn(Manner::Truth(vec![pod("a", "10.1.0.1"), pod("c", "10.1.0.3"), pod("d", "not an address"), nonsense]));
    watcher.until_who("10.1.0.3", Some("pod shop/c"));
    watcher.until("nothing fails any more", |watcher| watcher.status().failing.iter().all(Option::is_none));
    assert_eq!(watcher.who("10.1.0.2", crate::cluster::now()), None);
    assert!(watcher.status().refused >= 1);
    println!("{} requests, troubles {:?}", liar.requests.load(Ordering::Relaxed), watcher.status().troubles);
}
