//! nftables itself takes the export: loaded into a network namespace of its own, which vanishes with the test.

mod common;
#[path = "kernel/shell.rs"]
mod shell;

use std::net::IpAddr;
use std::process::Command;

use common::{edge, host, shop};
use watershed_model::{Edge, Protocol};
use watershed_policy::export::nftables::{self, Nftables};
use watershed_policy::nft::Hook;
use watershed_policy::{RuleSet, proof};

/// Loads `text` into an empty namespace and returns what nft then lists.
fn load(text: &str) -> String {
    let version = Command::new("nft").arg("--version").output();
    assert!(version.is_ok(), "nft is not installed: make deps");
    let script = "nft --check --file - <<'END' && nft --file - <<'END' && nft --numeric list ruleset";
    let script = format!("{script}\n{text}END\n{text}END\n");
    shell::run(&script)
}

fn export(edges: &[Edge], hook: Hook) -> Nftables {
    nftables::export(&RuleSet::from_edges(edges, &[]).expect("rules"), hook)
}

/// Not only the text that was written, but what the kernel made of it, is proven.
fn prove_listed(edges: &[Edge], files: &Nftables, listed: &str) {
    let held = Nftables { allow: listed.into(), ..files.clone() };
    let proven = proof::prove(edges, &held, "test").map(|certificate| certificate.edges_replayed);
    assert_eq!(proven.unwrap_or_else(|error| panic!("{error}\n{listed}")), edges.len() as u64);
}

#[test]
fn nft_loads_every_protocol_and_the_ends_of_every_range() {
    let v4 = ["0.0.0.0", "255.255.255.255"].map(|address| address.parse().expect("IPv4"));
    let v6 = ["::", "::ffff:1.2.3.4", "ffff::ffff"].map(|address| address.parse().expect("IPv6"));
    let all: Vec<IpAddr> = v4.into_iter().chain(v6).collect();
    let between = |protocol, port| edge((host("a\"}"), &all), (host("ü\n$b;"), &all), protocol, port);
    // IPv6 extension headers and both ends among them. Not all 256: without root's rights the kernel gives nft
    // a small buffer, and one transaction of more than some 300 sets is "too long" for it.
    let protocols = [0, 1, 2, 4, 6, 17, 33, 41, 43, 44, 46, 47, 50, 51, 58, 59, 60, 89, 132, 136, 254, 255];
    let protocols = protocols.map(|number| between(Protocol(number), 0)).into_iter();
    let ends = [Protocol::TCP, Protocol::UDP, Protocol::SCTP].map(|protocol| between(protocol, 65535));
    let types = [Protocol::ICMP, Protocol::ICMPV6].map(|protocol| between(protocol, 255));
    let edges: Vec<_> = protocols.chain(ends).chain(types).collect();
    for edges in [&edges[..], &[]] {
        let files = export(edges, Hook::Forward);
        prove_listed(edges, &files, &load(&files.allow));
    }
}

#[test]
fn nft_loads_what_is_exported() {
    for hook in [Hook::Forward, Hook::Input] {
        let files = export(&shop(), hook);
        let listed = load(&files.allow);
        prove_listed(&shop(), &files, &listed);
        assert_eq!(listed.matches("policy accept").count(), 1, "{listed}");
        let accepts = |text: &str| text.matches(" accept").count() - 1;
        assert_eq!(accepts(&listed), accepts(&files.allow), "{listed}");

        let enforced = format!("{}{}", files.allow, files.default_deny);
        assert_eq!(load(&enforced).matches("policy drop").count(), 1);
        assert_eq!(load(&format!("{enforced}{}", files.revert)), listed);
        assert_eq!(load(&format!("{0}{0}", files.allow)), listed);
    }
}
