//! Live capture on real interfaces: two network namespaces with a pair of interfaces between them. Needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod engines;
mod listening;
mod namespaces;
mod owners;
mod program;
mod run;
mod shared;

use std::fs;

use serde_json::Value;

use crate::namespaces::Namespaces;
use crate::program::Program;

/// Packets of the tests' own, not what hosts say by themselves.
const OURS: &str = "udp and dst portrange 9000-9009";

/// `(packets read, packets dropped)` as told at the end: `watershed: eth0: 5 packets, 1 dropped by the kernel, ...`.
fn told(errors: &str, interface: &str) -> (u64, u64) {
    let start = format!("watershed: {interface}: ");
    let line = errors.lines().find_map(|line| line.strip_prefix(&start)).expect(errors);
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    (numbers[0], numbers[1] + numbers[2])
}

/// Edges as `--format json` writes them, without times: each tap of an interface has its own, microseconds apart.
fn edges_of(text: &str) -> Vec<Value> {
    let mut edges: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for edge in &mut edges {
        let fields = edge.as_object_mut().unwrap();
        assert!(fields.remove("first_seen").is_some() && fields.remove("last_seen").is_some());
    }
    edges
}

/// The sum of `packets_to_server` over all edges.
fn packets_in(edges: &str) -> u64 {
    edges_of(edges).iter().map(|edge| edge["packets_to_server"].as_u64().unwrap()).sum()
}

#[test]
fn edges_of_an_interface_are_those_of_a_capture_of_it() {
    let hosts = Namespaces::new("edges");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("same.pcap");
    let path = file.to_str().unwrap();
    let tcpdump = hosts.in_b(&["tcpdump", "-i", "eth0", "-U", "--immediate-mode", "-w", "-"]);
    let mut tcpdump = Program::start(tcpdump, "listening on");
    let live = hosts.watershed(&["edges", "--interface", "eth0", "--format", "json"]);

    let server = hosts.in_b(&["python3", "-u", "-c", namespaces::SERVER]);
    let server = Program::start_heeding_stdout(server, "serving");
    hosts.send(200, 100);
    assert!(hosts.in_a(&["python3", "-c", namespaces::CLIENT, "10.77.0.2"]).status().unwrap().success());
    assert!(hosts.in_a(&["ping", "-q", "-c2", "-i0.2", "10.77.0.2"]).output().unwrap().status.success());

    drop(server);

    // tcpdump drops what it has not read when it ends, so the last packet is waited for.
    assert!(hosts.in_a(&["python3", "-c", namespaces::LAST]).status().unwrap().success());
    fs::write(path, tcpdump.read_until(b"the last packet")).unwrap();
    let (edges, errors) = live.end("TERM");
    let of_file = hosts.watershed_run(&["edges", path, "--format", "json"]);
    assert_eq!(edges_of(&edges), edges_of(&of_file), "{errors}");
    assert!(edges.contains("\"port\":8000") && edges.contains("\"SF\":3"), "{edges}");
    assert!(packets_in(&edges) > 200, "{edges}");
}

#[test]
fn an_interface_may_go_away_and_come_back() {
    let hosts = Namespaces::new("away");
    let mut live = hosts.watershed(&["edges", "--interface", "eth0", "--filter", OURS, "--format", "json"]);
    hosts.send(100, 100);
    hosts.unlink();
    live.wait_for("eth0 went away");
    hosts.link();
    live.wait_for("eth0 is back");
    hosts.send(50, 100);
    let (edges, errors) = live.end("TERM");
    let (packets, dropped) = told(&errors, "eth0");
    assert_eq!(packets + dropped, 150, "{errors}");
    assert_eq!(packets_in(&edges), packets);
    assert!(packets >= 50, "what came after is read: {errors}");
    assert!(errors.contains("went away once"), "{errors}");
}

#[test]
fn what_a_full_buffer_drops_is_counted_to_the_packet() {
    let hosts = Namespaces::new("drops");
    let arguments = ["edges", "--interface", "eth0", "--filter", OURS, "--buffer", "1", "--format", "json"];
    let live = hosts.watershed(&arguments);
    // Nothing is read meanwhile, so the kernel has to drop.
    live.signal("STOP");
    hosts.send(20_000, 600);
    live.signal("CONT");
    let (edges, errors) = live.end("TERM");
    let (packets, dropped) = told(&errors, "eth0");
    assert!(dropped > 0, "{errors}");
    assert_eq!(packets + dropped, 20_000, "{errors}");
    assert_eq!(packets_in(&edges), packets);
}

#[test]
fn any_is_all_interfaces_and_several_are_read_together() {
    let hosts = Namespaces::new("several");
    let any = hosts.watershed(&["edges", "--interface", "any", "--filter", OURS, "--format", "json"]);
    let two = ["edges", "--interface", "lo", "--interface", "eth0", "--filter", OURS, "--format", "json"];
    let two = hosts.watershed(&two);
    hosts.send(30, 100);
    let to_itself = hosts.in_b(&["python3", "-c", namespaces::SENDER, "127.0.0.1", "20", "100"]).status();
    assert!(to_itself.unwrap().success());
    let (edges, errors) = any.end("TERM");
    assert_eq!(told(&errors, "any"), (50, 0));
    assert_eq!(packets_in(&edges), 50);
    let (same_edges, errors) = two.end("TERM");
    assert_eq!((told(&errors, "lo"), told(&errors, "eth0")), ((20, 0), (30, 0)));
    assert_eq!(edges_of(&edges), edges_of(&same_edges));
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let hosts = Namespaces::new("time");
    let mut live = hosts.watershed(&["discover", "--interface", "eth0", "--for", "1s"]);
    let (summary, errors) = live.finish();
    assert!(summary.starts_with("interface eth0"), "{summary}{errors}");
}

#[test]
fn a_signal_ends_a_run_with_the_whole_summary_and_loss_in_it() {
    let hosts = Namespaces::new("signal");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("map");
    let arguments = ["discover", "--interface", "eth0", "--buffer", "1", "--out", out.to_str().unwrap()];
    for signal in ["INT", "TERM"] {
        let live = hosts.watershed(&arguments);
        live.signal("STOP");
        hosts.send(20_000, 600);
        live.signal("CONT");
        let (summary, errors) = live.end(signal);
        assert!(summary.contains("packets dropped by the kernel"), "{summary}{errors}");
        assert!(summary.contains("udp 9000-9009"), "{summary}{errors}");
        assert!(out.join("certificate.json").is_file() && out.join("flows.jsonl").is_file());
    }
}

#[test]
fn only_the_privilege_to_capture_is_kept() {
    let hosts = Namespaces::new("rights");
    let live = hosts.watershed(&["edges", "--interface", "eth0"]);
    let status = fs::read_to_string(format!("/proc/{}/status", live.id())).unwrap();
    let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
    // CAP_NET_RAW is number 13 in capabilities(7).
    let only_raw = format!("{:016x}", 1 << 13);
    assert_eq!((value("CapEff:"), value("CapPrm:")), (only_raw.clone(), only_raw));
    assert_eq!((value("CapBnd:"), value("CapInh:")), (format!("{:016x}", 0), format!("{:016x}", 0)));
    assert_eq!(value("NoNewPrivs:"), "1");
    live.end("TERM");
}

/// The lines of /proc/PID/status of a process that has become user 964 of group 965, with CAP_NET_RAW alone.
fn is_nobody_but_may_capture(id: u32) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // CAP_NET_RAW is number 13 in capabilities(7).
    let only_raw = format!("{:016x}", 1 << 13);
    assert_eq!((value("Uid:"), value("Gid:")), ("964 964 964 964".into(), "965 965 965 965".into()));
    assert_eq!(value("Groups:"), "");
    assert_eq!((value("CapEff:"), value("CapPrm:")), (only_raw.clone(), only_raw));
    let none = format!("{:016x}", 0);
    assert_eq!((value("CapBnd:"), value("CapInh:"), value("CapAmb:")), (none.clone(), none.clone(), none));
    assert_eq!(value("NoNewPrivs:"), "1");
}

#[test]
fn another_user_captures_and_owns_what_is_written() {
    let hosts = Namespaces::new("user");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("map");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::chown(&out, Some(964), Some(965)).unwrap();
    // The way to it is open.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let arguments = ["discover", "--interface", "eth0", "--filter", OURS, "--user", "964:965"];
    let mut live = hosts.watershed(&[&arguments[..], &["--out", out.to_str().unwrap()]].concat());
    is_nobody_but_may_capture(live.id());
    hosts.send(100, 100);
    // It may open an interface that comes back.
    hosts.unlink();
    live.wait_for("eth0 went away");
    hosts.link();
    live.wait_for("eth0 is back");
    is_nobody_but_may_capture(live.id());
    hosts.send(50, 100);
    let (_, errors) = live.end("TERM");
    let (packets, dropped) = told(&errors, "eth0");
    assert_eq!(packets + dropped, 150, "{errors}");
    assert!(packets >= 50, "what came after is read: {errors}");
    for file in fs::read_dir(&out).unwrap() {
        let file = file.unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&file.metadata().unwrap());
        assert_eq!(owner, 964, "{}", file.path().display());
    }
    assert!(out.join("report.html").is_file());
}

#[test]
fn nobody_becomes_another_user_who_may_not() {
    let hosts = Namespaces::new("nouser");
    let folder = tempfile::tempdir().unwrap();
    for (before, user, code, expected) in [
        (&[][..], "nobody-of-this-name", 2, "there is no user `nobody-of-this-name`"),
        // What containers keep of root's privileges where nothing is said.
        (&["setpriv", "--bounding-set", "-setuid"], "964:965", 1, "cannot become user 964"),
    ] {
        let binary = watershed_tests::binary::watershed().unwrap().to_str().unwrap();
        let command = ["edges", "--interface", "eth0", "--user", user];
        let all = [before, &[binary][..], &command[..]].concat();
        let done = hosts.in_b(&all).current_dir(folder.path()).output().unwrap();
        let errors = String::from_utf8(done.stderr).unwrap();
        assert!(errors.contains(expected), "{errors}");
        assert_eq!(done.status.code(), Some(code), "{errors}");
    }
}

#[test]
fn what_cannot_be_captured_on_is_told_before_anything_starts() {
    let hosts = Namespaces::new("wrong");
    for (arguments, expected) in [
        (&["edges", "--interface", "eth7"][..], "cannot capture on eth7: there is no such interface"),
        (&["edges", "--interface", "eth0", "--filter", "prot 5"], "cannot filter eth0 by `prot 5`"),
        (&["edges", "--interface", "eth0", "a.pcap"], "cannot be used with"),
    ] {
        let done = hosts.watershed_command(arguments).output().unwrap();
        let errors = String::from_utf8(done.stderr).unwrap();
        assert!(errors.contains(expected), "{errors}");
        assert_eq!(done.status.code(), Some(2), "{errors}");
    }
}
