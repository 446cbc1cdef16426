//! `serve`: the page and the API over a store, for clients as they come.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{capture, folder, stderr, watershed};

/// A server on a store of the capture; killed when dropped.
pub(crate) struct Served {
    process: Child,
    /// `127.0.0.1:12345`.
    address: String,
    pub(crate) folder: tempfile::TempDir,
}

fn serve() -> Served {
    serve_in(store(), &["--listen", "127.0.0.1:0"])
}

/// A folder with a store of the capture.
pub(crate) fn store() -> tempfile::TempDir {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    watershed(&folder).args(["discover", "shop.pcap", "--store", "sqlite:edges.db"]).assert().success();
    folder
}

pub(crate) fn serve_in(folder: tempfile::TempDir, arguments: &[&str]) -> Served {
    let mut process = Command::new(env!("CARGO_BIN_EXE_watershed"))
        .args(["serve", "--store", "sqlite:edges.db"])
        .args(arguments)
        .env_clear()
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    Served { process, address, folder }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    /// The status line's number, the head and the body.
    fn ask(&self, method: &str, target: &str, host: &str) -> (u16, String, String) {
        self.send(&format!("{method} {target} HTTP/1.1\r\nhost: {host}"), "")
    }

    /// The same of a request with any head.
    pub(crate) fn send(&self, head: &str, body: &str) -> (u16, String, String) {
        // Where it listens on all addresses, loopback is one of them.
        let mut stream = TcpStream::connect(self.address.replace("0.0.0.0", "127.0.0.1")).unwrap();
        // HTTP/1.0 ends with the connection, so no answer comes in chunks.
        let head = head.replace(" HTTP/1.1", " HTTP/1.0");
        // It may answer before it has read everything.
        let _ = write!(stream, "{head}\r\n\r\n{body}");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    pub(crate) fn get(&self, target: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", target, &self.address);
        (status, body)
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        let (status, body) = self.get(target);
        assert_eq!(status, 200, "{target}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn the_page_and_its_data_are_there() {
    let served = serve();
    let (status, head, page) = served.ask("GET", "/", &served.address);
    assert_eq!(status, 200);
    assert!(head.contains("x-frame-options: DENY") && head.contains("text/html"), "{head}");
    assert!(page.contains("<title>Watershed</title>") && page.contains(">null</script>"));
    let map = served.json("/api/v1/map");
    assert_eq!(map["schema_version"], 1);
    assert_eq!(map["edges"].as_array().unwrap().len(), 14);
    assert_eq!(served.get("/readyz"), (200, "ready\n".to_owned()));
}

#[test]
fn lists_come_in_pages() {
    let served = serve();
    let (mut offset, mut edges) = (Value::from(0), Vec::new());
    while !offset.is_null() {
        let page = served.json(&format!("/api/v1/edges?limit=5&offset={offset}"));
        assert_eq!(page["total"], 14);
        edges.extend(page["items"].as_array().unwrap().clone());
        offset = page["next"].clone();
    }
    assert_eq!(edges.len(), 14);
    assert!(edges.iter().any(|edge| edge["verdict"] == "accepted" && edge["port"] == 80));
    for list in ["nodes", "scans", "rules"] {
        assert!(served.json(&format!("/api/v1/{list}"))["total"].as_u64() > Some(0), "{list}");
    }
    assert_eq!(served.json("/api/v1/loss")["total"], 0);
}

#[test]
fn exports_are_the_files_that_the_map_writes() {
    let served = serve();
    let maps = ["map", "--store", "sqlite:edges.db", "--out", "map"];
    watershed(&served.folder).args(maps).assert().success();
    for (target, file) in [("edges.ndjson", "edges.jsonl"), ("edges.csv", "edges.csv")] {
        let written = fs::read_to_string(served.folder.path().join("map").join(file)).unwrap();
        assert_eq!(served.get(&format!("/api/v1/{target}")), (200, written));
        let (status, body) = served.get(&format!("/api/v1/{target}?from=2026-02-01&to=2026-01-01"));
        assert!(status == 400 && body.contains("ends before it starts"), "{status} {body}");
    }
    // Nothing was seen then.
    assert_eq!(served.get("/api/v1/edges.ndjson?to=1971-01-01"), (200, String::new()));
    let (status, head, _) = served.ask("GET", "/api/v1/edges.ndjson", &served.address);
    assert!(status == 200 && head.contains("content-type: application/x-ndjson"), "{head}");
}

#[test]
fn a_period_that_is_too_large_is_refused_before_it_is_read() {
    let folder = store();
    let served = serve_in(folder, &["--listen", "127.0.0.1:0", "--set", "store.max_edges=3"]);
    for target in ["map", "edges", "edges.ndjson"] {
        let (status, body) = served.get(&format!("/api/v1/{target}"));
        assert!(status == 400 && body.contains("more than 3 edges") && body.contains("shorter"), "{body}");
    }
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let served = serve();
    for (target, expected) in [
        ("/api/v1/edges?limit=0", "limit: write a number from 1 to 1000"),
        ("/api/v1/edges?limit=1001", "limit: write a number from 1 to 1000"),
        ("/api/v1/edges?offset=-1", "offset"),
        ("/api/v1/map?since=week", "since: "),
        ("/api/v1/map?from=yesterday", "from: write a time such as"),
        ("/api/v1/map?since=7d&to=2026-01-01", "since stands alone"),
        ("/api/v1/map?from=2026-02-01&to=2026-01-01", "the period ends before it starts"),
    ] {
        let (status, body) = served.get(target);
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 400, "{target}: {body}");
        assert!(problem["error"].as_str().unwrap().contains(expected), "{target}: {body}");
    }
    for target in ["/api/v1/", "/api/v1/map/../../edges.db", "/..%2f..%2fedges.db", "/edges.db"] {
        assert_eq!(served.get(target).0, 404, "{target}");
    }
}

#[test]
fn nothing_is_written_and_no_other_name_is_answered() {
    let served = serve();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for target in ["/", "/api/v1/map", "/api/v1/edges", "/api/v1/rules"] {
            assert_eq!(served.ask(method, target, &served.address).0, 405, "{method} {target}");
        }
    }
    assert_eq!(served.ask("GET", "/api/v1/map", "evil.example").0, 421);
    assert_eq!(served.ask("GET", "/", "localhost").0, 200);
}

#[test]
fn the_description_has_every_list_and_its_limits() {
    let served = serve();
    let description = served.json("/api/v1/openapi.json");
    let paths: Vec<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        paths,
        [
            "/api/v1/decisions",
            "/api/v1/edges",
            "/api/v1/edges.csv",
            "/api/v1/edges.ndjson",
            "/api/v1/loss",
            "/api/v1/map",
            "/api/v1/nodes",
            "/api/v1/rules",
            "/api/v1/rules/{id}/decision",
            "/api/v1/scans"
        ]
    );
    for path in paths {
        let methods: Vec<_> = description["paths"][&path].as_object().unwrap().keys().cloned().collect();
        if path.ends_with("decision") {
            assert_eq!(methods, ["post"], "{path}");
        } else {
            assert_eq!((methods, served.get(&path).0), (vec!["get".to_owned()], 200), "{path}");
        }
    }
    let schemas = description["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("EdgeItem") && schemas.contains_key("Problem"));
}

#[test]
fn a_store_that_is_not_there_is_told_at_once() {
    let folder = folder();
    let run = watershed(&folder).args(["serve", "--store", "sqlite:none.db"]).assert().code(1).stdout("");
    assert!(stderr(&run).contains("none.db"), "{}", stderr(&run));
}

#[test]
fn run_serves_the_map_of_what_it_keeps() {
    let folder = folder();
    let line = ["run", "-", "--store", "sqlite:run.db", "--set", "metrics.listen=127.0.0.1:0"];
    let mut process = Command::new(env!("CARGO_BIN_EXE_watershed"))
        .args(line)
        .env_clear()
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It begins with the first octets of a capture; what stays open never ends.
    process.stdin.as_mut().unwrap().write_all(&capture::bytes_from(capture::START)).unwrap();
    let log = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = log.into_iter().find_map(|line| Some(line.split_once("address=")?.1.trim().to_owned()));
    let served = Served { process, address: address.unwrap(), folder };
    let (status, page) = served.get("/");
    assert!(status == 200 && page.contains("<title>Watershed</title>"), "{status}");
    assert_eq!(served.json("/api/v1/map")["schema_version"], 1);
    assert!(served.get("/metrics").1.contains("watershed_build_info"));
}
