//! Several threads that capture: the kernel shares the packets of an interface out to them.

use std::fs;

use crate::namespaces::{self, Namespaces};
use crate::program::Program;
use crate::{OURS, edges_of, packets_in, told};

const SHARED: [&str; 7] = ["edges", "--interface", "eth0", "--capture-threads", "4", "--format", "json"];

#[test]
fn edges_are_those_of_one_thread_and_each_packet_is_read_once() {
    let hosts = Namespaces::new("shared");
    let alone = hosts.watershed(&["edges", "--interface", "eth0", "--format", "json"]);
    let shared = hosts.watershed(&SHARED);
    let server = hosts.in_b(&["python3", "-u", "-c", namespaces::SERVER]);
    let server = Program::start_heeding_stdout(server, "serving");
    hosts.send(20_000, 100);
    assert!(hosts.in_a(&["python3", "-c", namespaces::CLIENT, "10.77.0.2"]).status().unwrap().success());
    drop(server);
    let (edges, errors) = shared.end("TERM");
    let (edges_alone, errors_alone) = alone.end("TERM");
    assert_eq!(told(&errors, "eth0"), told(&errors_alone, "eth0"), "{errors}{errors_alone}");
    assert_eq!(edges_of(&edges), edges_of(&edges_alone));
    assert!(edges.contains("\"port\":8000") && edges.contains("\"SF\":3"), "{edges}");
}

#[test]
fn what_full_buffers_drop_and_an_interface_that_comes_back_are_counted_to_the_packet() {
    let hosts = Namespaces::new("sharing");
    let mut live = hosts.watershed(&[&SHARED[..], &["--filter", OURS, "--buffer", "1"]].concat());
    // Nothing is read meanwhile, so the kernel has to drop.
    live.signal("STOP");
    hosts.send(40_000, 600);
    live.signal("CONT");
    hosts.unlink();
    live.wait_for("eth0 went away");
    hosts.link();
    live.wait_for("eth0 is back");
    hosts.send(50, 100);
    let (edges, errors) = live.end("TERM");
    let (packets, dropped) = told(&errors, "eth0");
    assert!(dropped > 0 && packets > 50, "{errors}");
    assert_eq!(packets + dropped, 40_050, "{errors}");
    assert_eq!(packets_in(&edges), packets);
    assert!(errors.contains("went away once"), "{errors}");
}

#[test]
fn no_thread_has_more_privileges_than_capturing_needs() {
    let hosts = Namespaces::new("threads");
    let live = hosts.watershed(&SHARED);
    hosts.send(1, 100);
    let tasks = fs::read_dir(format!("/proc/{}/task", live.id())).unwrap();
    let rights: Vec<String> = tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim().to_owned()
        })
        .collect();
    // CAP_NET_RAW is number 13 in capabilities(7).
    let expected = format!("{:016x}", 1 << 13);
    assert!(rights.iter().filter(|&rights| *rights == expected).count() > 4, "{rights:?}");
    assert!(rights.iter().all(|rights| *rights == expected), "{rights:?}");
    live.end("TERM");
}
