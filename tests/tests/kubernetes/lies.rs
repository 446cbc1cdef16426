//! An API server that lies: what was known stays in force, each lie is counted, and once it tells the truth again it is
//! believed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use watershed_aggregator::inventory::kubernetes::{Kind, Trouble};
use watershed_aggregator::{FlowStore as _, Inventory as _, SqliteStore, StoreConfig};
use watershed_model::Timestamp;
use watershed_tests::binary;
use watershed_tests::capture::{CaptureWriter, WHOLE};
use watershed_tests::process::Process;

use crate::cluster::{Watcher, now};

/// How a server behaves from now on.
#[derive(Clone, Debug, PartialEq)]
enum Manner {
    /// It tells of these pods.
    Truth(Vec<Value>),
    /// It answers every request with this status.
    Refuses(u16),
    /// It answers every request for Services with this status.
    RefusesServices(u16),
    /// It lists as ever, and answers who wants to hear of changes with this status.
    RefusesWatches(u16),
    /// It lists as ever, and tells this to who wants to hear of changes.
    Says(String),
    /// It lists this, and has who wants to hear of changes list again.
    Lists(String),
}

/// A server, until the test ends.
struct Liar {
    manner: Arc<Mutex<(u64, Manner)>>,
    port: u16,
}

fn pod(name: &str, address: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": "5", "labels": {"app": name}},
        "spec": {}, "status": {"phase": "Running", "podIP": address, "startTime": "2026-01-01T00:00:00Z"}})
}

fn list(pods: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "7"}, "items": pods})
        .to_string()
}

impl Liar {
    fn start(pods: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let manner = Arc::new(Mutex::new((0, Manner::Truth(pods.to_vec()))));
        let shared = Arc::clone(&manner);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let manner = Arc::clone(&shared);
                // Whoever hangs up has heard enough.
                thread::spawn(move || drop(answer(stream, &manner)));
            }
        });
        Self { manner, port }
    }

    /// Writes a kubeconfig for it into a folder.
    fn kubeconfig(&self, folder: &Path) -> PathBuf {
        let kubeconfig = folder.join("kubeconfig");
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "t",
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}], "users": [{"name": "t", "user": {}}],
            "clusters": [{"name": "t", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}]});
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        kubeconfig
    }

    fn turn(&self, manner: Manner) {
        let mut current = self.manner.lock().unwrap();
        *current = (current.0 + 1, manner);
    }
}

fn answer(mut stream: TcpStream, manner: &Mutex<(u64, Manner)>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (turn, now) = manner.lock().unwrap().clone();
    let (is_watch, of_pods) = (first.contains("watch=true"), first.contains("/api/v1/pods?"));
    let pods = |pods: &[Value]| list(if of_pods { pods } else { &[] });
    let (status, body) = match &now {
        Manner::Refuses(status) => (*status, refusal(*status)),
        Manner::RefusesServices(status) if first.contains("/api/v1/services?") => (*status, refusal(*status)),
        Manner::RefusesWatches(status) if is_watch => (*status, refusal(*status)),
        Manner::Says(text) if is_watch && of_pods => (200, text.clone()),
        Manner::Lists(_) if of_pods && is_watch => (410, refusal(410)),
        Manner::Lists(text) if of_pods => (200, text.clone()),
        _ if is_watch => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
            )?;
            while manner.lock().unwrap().0 == turn {
                thread::sleep(Duration::from_millis(10));
            }
            return Ok(());
        }
        Manner::Truth(told) => (200, pods(told)),
        _ => (200, pods(&[pod("a", "10.1.0.1")])),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
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
    let mut watcher = Watcher::start(&liar.kubeconfig(folder.path()));
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
        liar.turn(lie);
        watcher.until(&format!("{text} is counted"), |watcher| count(watcher) > before);
        watcher.until_who("10.1.0.1", Some("pod shop/a"));
        watcher.until_who("10.1.0.2", None);
    }
    let mut nonsense = pod("b", "10.1.0.2");
    nonsense["metadata"]["labels"] = json!({"app": "x".repeat(100)});
    liar.turn(Manner::RefusesWatches(410));
    liar.turn(Manner::Truth(vec![
        pod("a", "10.1.0.1"),
        pod("c", "10.1.0.3"),
        pod("d", "not an address"),
        nonsense,
    ]));
    watcher.until_who("10.1.0.3", Some("pod shop/c"));
    watcher.until("nothing fails any more", |watcher| watcher.status().failing.iter().all(Option::is_none));
    assert_eq!(watcher.who("10.1.0.2", now()), None);
    assert!(watcher.status().refused >= 1);
}

/// A list of pods is not said to be everything while another kind cannot be listed for the moment.
#[test]
fn nothing_is_said_before_all_that_may_be_seen_is_listed() {
    let liar = Liar::start(&[pod("a", "10.1.0.1")]);
    liar.turn(Manner::RefusesServices(500));
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::start(&liar.kubeconfig(folder.path()));
    let pods = |watcher: &mut Watcher| watcher.status().lists[Kind::Pods as usize] > 0;
    watcher.until("pods are listed", pods);
    let twice = |watcher: &mut Watcher| watcher.status().troubles[Trouble::Refused as usize] > 1;
    watcher.until("Services are asked for again", twice);
    let status = watcher.status();
    assert!(!status.synced && !status.is_settled() && status.changes == 0, "{status:#?}");
    assert_eq!(watcher.who("10.1.0.1", now()), None);

    // What this account may not see is not waited for.
    liar.turn(Manner::RefusesServices(403));
    watcher.until("all that may be seen is said", |watcher| watcher.status().synced);
    // Once it is said that it is, it is there.
    watcher.inventory.catch_up();
    assert_eq!(watcher.who("10.1.0.1", now()).as_deref(), Some("pod shop/a"));
}

/// Gets a page of a program.
fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    // One that ends meanwhile has said nothing.
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    answer
}

/// A datagram from 10.1.0.1 to 192.0.2.9, port 5000, in an Ethernet frame.
fn datagram() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 192, 0, 2, 9]);
    frame.extend([0x9c, 0x40, 0x13, 0x88, 0, 12, 0, 0, 1, 2, 3, 4]);
    frame
}

#[test]
fn the_program_says_what_is_wrong_and_goes_on_with_what_it_knows() {
    let liar = Liar::start(&[pod("a", "10.1.0.1")]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (pipe, store, port) = (path("pipe"), path("edges.db"), free_port());
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut program = Command::new("sh");
    program.args(["-c", "exec \"$@\" < \"$0\"", &pipe]).arg(binary::watershed().unwrap()).args(["run", "-"]);
    program.args(["--store", &format!("sqlite:{store}"), "--kubernetes"]).arg(liar.kubeconfig(folder.path()));
    let mut program = Process::start({
        program.args(["--set", &format!("metrics.listen=127.0.0.1:{port}")]);
        program
    });
    let pipe = File::options().write(true).open(&pipe).unwrap();
    let mut capture = CaptureWriter::new(pipe, WHOLE).unwrap();
    let mut time = Timestamp::from_parts(1_780_000_000, 0);
    // Its time passes with the packets that it gets.
    let mut until = |what: &str, page: &str, holds: &dyn Fn(&str) -> bool| {
        let sends_and_looks = || {
            time = time.plus(Duration::from_secs(2));
            capture.write(time, &datagram()).unwrap();
            holds(&get(port, page))
        };
        program.until(sends_and_looks, what);
    };
    let metric = |text: &str, name: &str| {
        text.lines().any(|line| line.strip_prefix(name).is_some_and(|value| !value.ends_with(" 0")))
    };
    let pods = "watershed_kubernetes_objects{kind=\"pods\"}";
    until("it knows the pod", "/metrics", &|text| metric(text, pods));
    let lies = [
        (Manner::Says(huge()), "too_large", "it sent more than 4194304 bytes in one object"),
        (Manner::Says("no JSON at all\n".to_owned()), "malformed", "cannot watch: "),
        (Manner::Refuses(403), "denied", "cannot watch: not for you"),
        (Manner::RefusesWatches(410), "expired", "cannot watch: "),
    ];
    for (lie, trouble, said) in lies {
        liar.turn(lie);
        let name = format!("watershed_kubernetes_troubles_total{{trouble=\"{trouble}\"}}");
        until("it counts the lie", "/metrics", &|text| metric(text, &name));
        until("it tells of it", "/readyz", &|text| text.contains(said));
    }
    liar.turn(Manner::Truth(vec![pod("a", "10.1.0.1")]));
    until("nothing fails any more", "/readyz", &|text| {
        text.contains("200 OK") && !text.contains("cannot watch")
    });
    drop(capture);
    let said = program.ended_by_itself();
    assert!(said.contains("what is known stays in force, trying again"), "{said}");
    assert!(said.contains("watching again"), "{said}");
    let store = SqliteStore::open_existing(Path::new(&store), &StoreConfig::default()).unwrap();
    let edges: Vec<_> = store.snapshot(None).unwrap().edges.iter().map(|edge| edge.key.to_string()).collect();
    assert_eq!(edges, ["shop/a -> 192.0.2.9 udp/5000"], "never without its name");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
