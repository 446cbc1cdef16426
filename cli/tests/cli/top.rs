//! `top`: what a store comes to hold while somebody looks.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::{capture, folder, stderr, watershed};

/// A `top` that looks at a store; killed when dropped.
struct Looking {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Looking {
    fn start(folder: &TempDir) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_watershed"))
            .args(["top", "--store", "sqlite:edges.db", "--every", "50ms"])
            .env_clear()
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// Reads on until a line has all of these; the line.
    fn until(&mut self, wanted: &[&str]) -> String {
        let (mut line, mut all) = (String::new(), String::new());
        loop {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended without {wanted:?}:\n{all}");
            all.push_str(&line);
            if wanted.iter().all(|text| line.contains(text)) {
                return line;
            }
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn add(folder: &TempDir, name: &str, start: u32, more: &[&str]) {
    fs::write(folder.path().join(name), capture::bytes_from(start)).unwrap();
    let line = ["discover", name, "--store", "sqlite:edges.db"];
    watershed(folder).args(line).args(more).assert().success();
}

#[test]
fn edges_appear_as_they_are_stored_and_so_does_loss() {
    let folder = folder();
    add(&folder, "first.pcap", capture::START, &[]);
    let mut looking = Looking::start(&folder);
    let head = looking.until(&["edges: 14 (0 new)"]);
    assert!(head.contains("0 B/s   nothing lost"), "{head}");
    let web = looking.until(&["10.0.0.2", "tcp/80 http"]);
    assert!(!web.starts_with("new") && web.contains("  2  "), "{web}");

    // The same edges again, a minute later, with more of some than can be followed.
    add(&folder, "second.pcap", capture::START + 60, &["--set", "flow.max_flows=2"]);
    let head = looking.until(&["LOST: "]);
    assert!(!head.contains("  0 B/s"), "{head}");
    // Other names for the same addresses are other edges.
    fs::write(folder.path().join("hosts.yaml"), "- {address: 10.0.0.2, name: web1}\n").unwrap();
    add(&folder, "third.pcap", capture::START + 120, &["--inventory", "hosts.yaml"]);
    let web = looking.until(&["web1", "tcp/80 http"]);
    assert!(web.starts_with("new "), "{web}");

    // Asked to end, it ends well.
    let id = looking.process.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert!(looking.process.wait().unwrap().success());
}

#[test]
fn a_reader_that_has_enough_ends_it() {
    let folder = folder();
    add(&folder, "first.pcap", capture::START, &[]);
    let line =
        format!("{} top --store sqlite:edges.db --every 50ms | head -1", env!("CARGO_BIN_EXE_watershed"));
    let mut shell = Command::new("sh");
    let ended = shell.args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert!(ended.status.success());
    assert!(String::from_utf8_lossy(&ended.stdout).contains("edges: 14"), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn what_is_not_there_is_told_at_once() {
    let folder = folder();
    let run = watershed(&folder).args(["top", "--store", "sqlite:none.db"]).assert().code(1);
    assert!(stderr(&run).contains("none.db"), "{}", stderr(&run));
    watershed(&folder).args(["top", "--store", "sqlite:x.db", "--every", "0s"]).assert().code(2);
}
