//! `watershed run` and `discover --store` on real interfaces: killed, without room on the disk, with a new inventory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespaces::{self, Namespaces};
use crate::program::Program;
use crate::{OURS, packets_in, told};

/// How often to look, and how long to wait in between: what takes longer than a minute will never come.
const LOOKS: (u32, Duration) = (600, Duration::from_millis(100));

/// Prints what a URL answers, whatever its status.
const FETCH: &str = "
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1]).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
";

/// Fills the disk that a file is on.
const FILL: &str = "
import errno, sys
with open(sys.argv[1], 'wb', buffering=0) as file:
    for size in (65536, 4096, 1):
        try:
            while file.write(b'x' * size) == size:
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
";

/// A store and a `watershed run` that fills it.
pub(crate) struct Running<'a> {
    hosts: &'a Namespaces,
    pub(crate) program: Program,
    address: String,
}

impl<'a> Running<'a> {
    pub(crate) fn start(hosts: &'a Namespaces, store: &str, more: &[&str]) -> Self {
        let arguments = ["run", "--interface", "eth0", "--filter", OURS, "--store", store];
        // Flows without a packet end soon, so that all that was sent is soon in the store.
        let settings = ["--set", "metrics.listen=127.0.0.1:0", "--set", "flow.idle=500ms"];
        let mut program =
            Program::spawn(hosts.watershed_command(&[&arguments[..], &settings, more].concat()));
        let line = program.wait_for("serving /metrics");
        let address = line.trim().rsplit_once("address=").expect(&line).1.to_owned();
        Self { hosts, program, address }
    }

    fn fetch(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.address);
        namespaces::run(&mut self.hosts.in_b(&["python3", "-c", FETCH, &url]))
    }

    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.fetch("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect(&text);
        line.parse().unwrap()
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let (looks, pause) = LOOKS;
    let came = (0..looks).any(|look| {
        thread::sleep(if look == 0 { Duration::ZERO } else { pause });
        is_so()
    });
    assert!(came, "it never came that {what}");
}

pub(crate) fn store_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("edges.db").display())
}

/// The edges that a store holds, one a line.
pub(crate) fn edges(hosts: &Namespaces, store: &str) -> String {
    let out = tempfile::tempdir().unwrap();
    hosts.watershed_run(&["map", "--store", store, "--out", out.path().to_str().unwrap()]);
    fs::read_to_string(out.path().join("edges.jsonl")).unwrap()
}

#[test]
fn what_was_stored_before_a_kill_stays_once_and_the_gap_is_in_the_ledger() {
    let hosts = Namespaces::new("kill");
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let mut sent = 0;
    for datagrams in [200, 100, 50] {
        let running = Running::start(&hosts, &store, &[]);
        hosts.send(datagrams, 100);
        sent += u64::from(datagrams);
        eventually("all is stored", || packets_in(&edges(&hosts, &store)) == sent);
        assert!(running.fetch("/readyz").starts_with("ready"));
        assert_eq!(running.metric("watershed_packets_total"), u64::from(datagrams));
        running.program.kill();
    }
    let running = Running::start(&hosts, &store, &[]);
    hosts.send(30, 100);
    // What was captured is stored before it ends, without waiting for flows to end.
    eventually("all is read", || running.metric("watershed_packets_total") == 30);
    running.program.end("TERM");
    assert_eq!(packets_in(&edges(&hosts, &store)), sent + 30);

    let status = hosts.watershed_run(&["status", "--store", &store]);
    let count = |what: &str| {
        let lines = status.lines().filter(|line| line.ends_with(what));
        lines
            .map(|line| line.split_whitespace().rev().nth(what.split(' ').count()).unwrap())
            .fold(0, |sum, number| sum + number.parse::<u64>().expect(&status))
    };
    assert_eq!(count("restarts of the agent"), 3, "{status}");
    assert!(count("seconds at most that the agent was down") >= 3, "{status}");
}

/// A small disk.
struct Disk(PathBuf);

impl Disk {
    fn new(folder: &TempDir) -> Self {
        let disk = Self(folder.path().join("disk"));
        fs::create_dir(&disk.0).unwrap();
        namespaces::run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&disk.0));
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that fails has another message already.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let hosts = Namespaces::new("full");
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(&folder);
    let store = store_in(&disk.0);
    let running = Running::start(&hosts, &store, &[]);
    hosts.send(100, 100);
    eventually("all is stored", || packets_in(&edges(&hosts, &store)) == 100);

    let filler = disk.0.join("filler");
    namespaces::run(Command::new("python3").args(["-c", FILL]).arg(&filler));
    hosts.send(200, 100);
    eventually("the store refuses", || running.metric("watershed_store_refusing") == 1);
    let readiness = running.fetch("/readyz");
    assert!(readiness.starts_with("503 store: cannot keep a block"), "{readiness}");
    assert!(running.fetch("/healthz").starts_with("alive"));

    fs::remove_file(filler).unwrap();
    eventually("the store takes what waited", || running.metric("watershed_store_refusing") == 0);
    hosts.send(50, 100);
    eventually("all is read", || running.metric("watershed_packets_total") == 350);
    let (_, errors) = running.program.end("TERM");
    assert_eq!(packets_in(&edges(&hosts, &store)), 350, "{errors}");
    assert!(errors.contains("the store takes nothing; trying again"), "{errors}");
}

#[test]
fn a_new_inventory_is_taken_and_a_wrong_one_refused() {
    let hosts = Namespaces::new("reload");
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let inventory = folder.path().join("hosts.yaml");
    let write = |text: &str| fs::write(&inventory, text).unwrap();
    let name = |name: &str| write(&format!("- address: 10.77.0.2\n  name: {name}\n"));
    name("before");
    let running = Running::start(&hosts, &store, &["--inventory", inventory.to_str().unwrap()]);
    hosts.send(10, 100);
    eventually("the name is stored", || edges(&hosts, &store).contains("before"));
    write("- address: nowhere\n  name: wrong\n");
    let reloads = |result| format!("watershed_inventory_reloads_total{{result=\"{result}\"}}");
    eventually("it is refused", || running.metric(&reloads("refused")) == 1);
    name("afterwards");
    eventually("it is taken", || running.metric(&reloads("read")) == 1);
    hosts.send(10, 100);
    eventually("the new name is stored", || edges(&hosts, &store).contains("afterwards"));
    running.program.signal("HUP");
    eventually("it is read again when asked", || running.metric(&reloads("read")) == 2);
    let (_, errors) = running.program.end("TERM");
    assert!(errors.contains("hosts.yaml: line 1, column 12: `nowhere` is no address"), "{errors}");
}

#[test]
fn an_interface_that_goes_away_is_told_at_once() {
    let hosts = Namespaces::new("runaway");
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let running = Running::start(&hosts, &store, &[]);
    hosts.unlink();
    eventually("it is not ready", || running.fetch("/readyz").contains("capture: interface eth0 is away"));
    hosts.link();
    eventually("it is ready again", || running.fetch("/readyz").starts_with("ready"));
    eventually("it is in the ledger", || {
        running.metric("watershed_loss_total{kind=\"interface_away\"}") == 1
    });
    running.program.kill();
    let status = hosts.watershed_run(&["status", "--store", &store]);
    assert!(status.contains("1  times that an interface was away"), "{status}");
}

#[test]
fn discover_adds_what_it_captures_to_a_store() {
    let hosts = Namespaces::new("discover");
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    for total in [40, 80] {
        let arguments = ["discover", "--interface", "eth0", "--filter", OURS, "--store", &store];
        let live = hosts.watershed(&arguments);
        hosts.send(40, 100);
        let (summary, errors) = live.end("TERM");
        assert_eq!(told(&errors, "eth0"), (40, 0));
        assert!(summary.contains(&format!("Added to {store} as seen by agent local")), "{summary}");
        assert_eq!(packets_in(&edges(&hosts, &store)), total);
    }
}
