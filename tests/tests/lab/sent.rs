//! The lab's exported rules in a kernel of their own: what was accepted is sent through them, and around each of it what
//! was not.

#[path = "../../../policy/tests/kernel/mod.rs"]
mod kernel;

use std::collections::BTreeSet;
use std::net::IpAddr;

use watershed_model::Protocol;
use watershed_policy::{Service, Tuple};

use crate::lab;
use crate::observed::Observed;
use crate::truth::{Truth, Use};

#[test]
fn the_kernel_passes_what_was_accepted_in_the_lab_and_nothing_around_it() {
    let recording = lab("recording");
    let observed = Observed::of(&recording, true, 1);
    let rules = ["rules.nft", "default-deny.nft"].map(|file| observed.files[file].as_str()).concat();
    let truth = Truth::read(&recording.join("truth.json"));
    let accepted: BTreeSet<Tuple> = truth.accepted().filter_map(|edge| tuple(&edge.usage)).collect();
    let allowed: BTreeSet<Tuple> = observed
        .allowed(|party| crate::observed::texts(&party["addresses"]).into_iter().collect())
        .iter()
        .filter_map(tuple)
        .collect();
    let hosts: BTreeSet<IpAddr> = allowed.iter().flat_map(|tuple| [tuple.client, tuple.server]).collect();
    let mut probes = BTreeSet::new();
    for &one in &accepted {
        probes.insert(Tuple { client: one.server, server: one.client, ..one });
        if let Service::Port { protocol, port } = one.service {
            probes.extend(
                [port - 1, port.saturating_add(1)]
                    .map(|port| Tuple { service: Service::Port { protocol, port }, ..one }),
            );
        }
        let others = hosts.iter().filter(|host| host.is_ipv4() == one.server.is_ipv4());
        probes.extend(others.filter(|host| **host != one.server).map(|&client| Tuple { client, ..one }));
    }
    let probes: BTreeSet<Tuple> = probes.difference(&allowed).copied().collect();
    let (passed, dropped) = (send(&rules, &accepted), send(&rules, &probes));
    let refused: Vec<_> = passed.iter().filter(|(_, passes)| !passes).collect();
    let admitted: Vec<_> = dropped.iter().filter(|(_, passes)| *passes).collect();
    assert!(refused.is_empty(), "what was accepted is dropped: {refused:?}");
    assert!(admitted.is_empty(), "what was not accepted passes: {admitted:?}");
    assert!(!accepted.is_empty() && probes.len() > 5 * accepted.len(), "{}", probes.len());
    println!(
        "lab: the kernel passes all {} accepted connections and drops all {} probes around them",
        accepted.len(),
        probes.len()
    );
}

/// Through the same rules in parts, so that each packet has a place that fits into its head.
fn send(rules: &str, tuples: &BTreeSet<Tuple>) -> Vec<(Tuple, bool)> {
    let all: Vec<Tuple> = tuples.iter().copied().collect();
    let cases: Vec<_> = all.chunks(1_000).map(|part| (rules.to_owned(), part.to_vec())).collect();
    let passed = kernel::ask(&cases).concat();
    all.into_iter().zip(passed).collect()
}

/// What a packet can be: both ends of one IP version, and not the link's own addresses.
fn tuple(usage: &Use) -> Option<Tuple> {
    let (client, server) = (usage.client.parse().ok()?, usage.server.parse().ok()?);
    let is_routed = |address: IpAddr| match address {
        IpAddr::V4(four) => !four.is_link_local() && !four.is_multicast() && !four.is_broadcast(),
        IpAddr::V6(six) => !six.is_unicast_link_local() && !six.is_multicast(),
    };
    let protocol = Protocol::parse(&usage.protocol)?;
    let service = match protocol {
        Protocol::ICMP | Protocol::ICMPV6 => {
            Service::Icmp { protocol, message_type: usage.port.try_into().ok()? }
        }
        Protocol::TCP | Protocol::UDP | Protocol::SCTP => Service::Port { protocol, port: usage.port },
        other => Service::Protocol(other),
    };
    (is_routed(client) && is_routed(server) && service.connects(client, server)).then_some(Tuple {
        client,
        server,
        service,
    })
}
