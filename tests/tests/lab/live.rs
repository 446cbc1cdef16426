//! The lab for real: recorded anew, and with the exported rules in force.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::observed::Observed;
use crate::truth::{Truth, Use};
use crate::{check, lab};

/// There is one lab on a machine.
static LAB: Mutex<()> = Mutex::new(());

/// The namespace whose bridges forward everything that the shop says.
const FABRIC: &str = "ws-fabric";

#[test]
fn a_new_recording_is_understood() {
    let _lab = the_lab();
    let out = tempfile::tempdir().unwrap();
    succeeds(script(&["record", "--out", out.path().to_str().unwrap()]), "recording the lab");
    println!("lab: new recording: {}", check(out.path()));
}

/// With default deny in force, real programs can do what the rules allow, and nothing else.
#[test]
fn the_rules_hold_in_force() {
    let _lab = the_lab();
    let recording = lab("recording");
    let observed = Observed::of(&recording, true, 1);
    let expected = Truth::read(&recording.join("truth.json"));

    let _up = Up::new();
    let folder = tempfile::tempdir().unwrap();
    let ruleset = folder.path().join("ruleset.nft");
    let parts = ["rules.nft", "default-deny.nft"].map(|file| observed.files[file].as_str());
    fs::write(&ruleset, parts.concat()).unwrap();
    enforce(&ruleset);
    // Ends with 1, since not everything may work.
    let drive = script(&["drive", "--keep-going", "--rounds", "1", "--without-scans", "--json"]);
    let driven = Truth::parse(std::str::from_utf8(&drive.stdout).unwrap_or_default());

    let accepted: BTreeSet<&Use> = expected.accepted().map(|edge| &edge.usage).collect();
    let (mut worked, mut complaints) = (0, Vec::new());
    for edge in driven.edges.iter().filter(|edge| passes_the_fabric(&edge.usage)) {
        let allowed = accepted.contains(&edge.usage);
        worked += u32::from(edge.succeeded);
        if edge.succeeded != allowed {
            let (now, told) = (works(edge.succeeded), works(allowed));
            complaints.push(format!("{} {now}, although by the rules it {told}", edge.usage));
        }
    }
    for attempt in driven.refused.iter().filter(|attempt| attempt.succeeded) {
        complaints.push(format!("{} came through to be refused", attempt.usage));
    }
    assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n"), errors(&drive));
    println!("lab: with the rules in force, {worked} edges work and nothing else does");
}

/// The overlay and its nodes have a link of their own, past the shop's bridges.
fn passes_the_fabric(usage: &Use) -> bool {
    !["172.16.0.", "10.30.0."].iter().any(|network| usage.client.starts_with(network))
}

const fn works(it: bool) -> &'static str {
    if it { "works" } else { "does not work" }
}

/// The lab's network and programs, up until this is dropped.
struct Up;

impl Up {
    fn new() -> Self {
        let up = Self;
        succeeds(script(&["up"]), "starting the lab");
        up
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        script(&["down"]);
    }
}

/// A failed test leaves nothing behind that matters to the next.
fn the_lab() -> MutexGuard<'static, ()> {
    LAB.lock().unwrap_or_else(PoisonError::into_inner)
}

fn script(arguments: &[&str]) -> Output {
    let script = lab("lab.py");
    let started = Command::new("/usr/bin/python3").arg(&script).args(arguments).output();
    started.unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()))
}

/// Loads the rules where the shop's bridges forward; bridged packets come there by way of `br_netfilter`.
fn enforce(ruleset: &Path) {
    let bridged = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    let loaded = bridged.is_ok_and(|setting| setting.trim() == "1");
    assert!(loaded, "the kernel does not show bridged packets to nftables: modprobe br_netfilter");
    let command = ["netns", "exec", FABRIC, "nft", "-f"];
    let loaded = Command::new("ip").args(command).arg(ruleset).output();
    succeeds(loaded.unwrap_or_else(|error| panic!("cannot run ip: {error}")), "loading rules.nft");
}

#[expect(clippy::needless_pass_by_value, reason = "the end of the output")]
fn succeeds(output: Output, what: &str) {
    assert!(
        output.status.success(),
        "{what} failed: {}\nThe lab needs root and network namespaces; to run the tests without it: \
         cargo test --workspace -- --skip live::",
        errors(&output)
    );
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}
