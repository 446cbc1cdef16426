//! What every store must do with what it is told of who listens.

use watershed_model::{Batch, KnownListener, Listener, Owner, Protocol, Timestamp};

use super::{kept, seconds};
use crate::testing::{address, batch};
use crate::{FlowStore, OpenInventory};

/// That `process` listens on a port, `address:port`; nobody knows who where it has no name.
fn listener(end: &str, (first, last): (i64, i64), process: &str) -> Listener {
    let (host, port) = end.rsplit_once(':').unwrap();
    let unit = (process != "sshd").then(|| "web@1.service".into());
    Listener {
        address: address(host),
        protocol: if port == "53" { Protocol::UDP } else { Protocol::TCP },
        port: port.parse().unwrap(),
        first_seen: Timestamp::from_parts(first, 0),
        last_seen: Timestamp::from_parts(last, 0),
        user: if process.is_empty() { u32::MAX } else { 33 },
        owner: (!process.is_empty()).then(|| Owner { process: process.into(), unit }),
    }
}

fn told(agent: &str, sequence: u64, listeners: &[Listener]) -> Batch {
    Batch { listeners: listeners.to_vec(), ..batch(agent, sequence, vec![]) }
}

pub(in crate::store) fn who_listens_is_told_as_it_was_kept<S: FlowStore>(new: impl Fn() -> S) {
    let first = listener("10.0.0.1:80", (1_000, 1_000), "nginx");
    let second = listener("10.0.0.1:80", (2_005, 2_005), "caddy\u{fffd}");
    let beside = listener("10.0.0.1:80", (2_005, 2_005), "nginx");
    let dns = listener("2001:db8::1:53", (1_500, 1_500), "");
    let ssh = listener("10.0.0.1:22", (0, 0), "sshd");
    let seen_until = |listener: &Listener, last: i64| Listener {
        last_seen: Timestamp::from_parts(last, 0),
        ..listener.clone()
    };
    let known = |listener: Listener, agent: &str| KnownListener { listener, agent: agent.into() };
    let batches = [
        told("a", 0, &[first.clone(), dns.clone(), ssh.clone()]),
        told("a", 1, &[seen_until(&first, 2_000), second.clone(), beside.clone()]),
        told("a", 2, &[seen_until(&second, 9_000), first.clone()]),
        told("b", 0, &[first.clone(), seen_until(&first, 8_000)]),
    ];
    let all = [
        known(ssh, "a"),
        known(seen_until(&first, 2_000), "a"),
        known(seen_until(&first, 8_000), "b"),
        known(beside, "a"),
        known(seen_until(&second, 9_000), "a"),
        known(dns, "a"),
    ];
    let forwards = kept(new(), OpenInventory::default(), batches.clone());
    assert_eq!(forwards.snapshot(None).unwrap().listeners, all, "in order, each with its last time");
    let backwards = kept(new(), OpenInventory::default(), batches.iter().rev().cloned());
    assert_eq!(backwards.snapshot(None).unwrap().listeners, all, "in whatever order");
    let again = kept(forwards, OpenInventory::default(), batches);
    assert_eq!(again.snapshot(None).unwrap().listeners, all, "and each once");

    let ports = |start, end| {
        let listeners = again.snapshot(seconds(start, end)).unwrap().listeners.into_iter();
        listeners.map(|known| (known.listener.port, known.agent.to_string())).collect::<Vec<_>>()
    };
    let port = |port, agent: &str| (port, agent.to_owned());
    assert_eq!(ports(999, 999), [], "ssh was last seen longer before than it is told of again");
    assert_eq!(ports(600, 999), [port(22, "a")]);
    assert_eq!(ports(1_000, 1_200), [port(80, "a"), port(80, "b")]);
    assert_eq!(ports(2_601, 2_700), [port(80, "b"), port(80, "a"), port(80, "a")]);
    assert_eq!(ports(9_600, 9_600), [port(80, "a")]);
}
