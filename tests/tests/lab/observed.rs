//! What `watershed` says about a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;
use watershed_tests::binary;

use crate::truth::Use;

/// Everything that `edges` prints and `discover --out` writes.
#[derive(PartialEq, Eq)]
pub(crate) struct Observed {
    edges: String,
    /// Of `discover --out`, by name.
    pub(crate) files: BTreeMap<String, String>,
}

impl Observed {
    pub(crate) fn of(recording: &Path, inventory: bool, threads: u8) -> Self {
        let (capture, known) = (recording.join("shop.pcapng"), recording.join("inventory.yaml"));
        let threads = threads.to_string();
        let mut shared = vec![capture.as_os_str(), OsStr::new("--threads"), OsStr::new(&threads)];
        if inventory {
            shared.extend([OsStr::new("--inventory"), known.as_os_str()]);
        }
        let out = tempfile::tempdir().unwrap();
        let edges = watershed("edges", &shared, ["--format", "json"].map(OsStr::new));
        watershed("discover", &shared, [OsStr::new("--out"), out.path().as_os_str()]);
        let files = fs::read_dir(&out).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        });
        Self { edges, files: files.collect() }
    }

    /// The lines of `edges`, by what makes an edge.
    pub(crate) fn edges(&self) -> BTreeMap<Use, Value> {
        by_use(self.edges.lines().map(|line| serde_json::from_str(line).unwrap()))
    }

    /// The edges of `graph.json`, which have verdicts.
    pub(crate) fn judged(&self) -> BTreeMap<Use, Value> {
        by_use(list(&self.graph()["edges"]).iter().cloned())
    }

    pub(crate) fn graph(&self) -> Value {
        serde_json::from_str(&self.files["graph.json"]).unwrap()
    }

    pub(crate) fn flows(&self) -> Vec<Value> {
        self.files["flows.jsonl"].lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Everything that the rules allow; `ends` tells what a rule's party stands for.
    pub(crate) fn allowed(&self, ends: impl Fn(&Value) -> Vec<String>) -> BTreeSet<Use> {
        let rules: Value = serde_json::from_str(&self.files["rules.json"]).unwrap();
        let mut allowed = BTreeSet::new();
        for rule in list(&rules["rules"]) {
            let service = &rule["service"];
            let port = service.get("port").or(service.get("icmp_type")).unwrap_or(&Value::Null);
            for client in list(&rule["peers"]).iter().flat_map(&ends) {
                allowed.extend(ends(&rule["subject"]).into_iter().map(|server| Use {
                    client: client.clone(),
                    server,
                    protocol: text(&service["protocol"]).to_owned(),
                    port: u16::try_from(number(port)).unwrap(),
                }));
            }
        }
        allowed
    }

    /// What no rule was written for until a person decides.
    pub(crate) fn held_back(&self) -> BTreeSet<Use> {
        let rules: Value = serde_json::from_str(&self.files["rules.json"]).unwrap();
        by_use(list(&rules["held_back"]).iter().cloned()).into_keys().collect()
    }
}

fn watershed(verb: &str, shared: &[&OsStr], flags: [&OsStr; 2]) -> String {
    let binary = binary::watershed().unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(binary).arg(verb).args(shared).args(flags).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb} ended with {}: {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn by_use(values: impl Iterator<Item = Value>) -> BTreeMap<Use, Value> {
    let mut found = BTreeMap::new();
    for value in values {
        let usage = Use::deserialize(&value).unwrap_or_else(|error| panic!("{error} in {value}"));
        assert!(found.insert(usage, value.clone()).is_none(), "listed twice: {value}");
    }
    found
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

pub(crate) fn texts(value: &Value) -> BTreeSet<String> {
    list(value).iter().map(|item| text(item).to_owned()).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}
