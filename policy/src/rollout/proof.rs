//! Each step, read back from its text: what was observed passes, what was not does not, and taking it back
//! leaves nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Draft, Step, Traffic};
use crate::export::nftables::ALWAYS_ALLOWED_ICMPV6;
use crate::nft::{Action, Hook, Ruleset};
use crate::proof::{Admitted, DeniedEdge, Outermost, Refutation, Withheld};
use crate::{Error, Service, Tuple};

/// From networks for documentation (RFC 5737, RFC 3849): nobody that was seen, unless a laboratory plays it.
const STRANGERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfffe)),
];

pub(super) fn prove(step: &Step, draft: &Draft<'_>, traffic: &Traffic<'_>, hook: Hook) -> Result<(), Error> {
    let file = |name: &str| format!("{}/{name}", step.name);
    let (watch, apply, revert) = (file("watch.nft"), file("apply.nft"), file("revert.nft"));
    let files = &step.files;
    let enforced = Ruleset::read([(apply.as_str(), files.apply.as_str())])?;
    let watched = Ruleset::read([(watch.as_str(), files.watch.as_str())])?;
    let back = Ruleset::read([
        (watch.as_str(), files.watch.as_str()),
        (apply.as_str(), files.apply.as_str()),
        (revert.as_str(), files.revert.as_str()),
    ])?;
    let passes = |ruleset: &Ruleset, tuple: &Tuple| ruleset.evaluate(hook, tuple).action == Action::Accept;
    let mut refutation = Refutation { revert_differs: back != Ruleset::default(), ..Refutation::default() };

    for &server in &draft.addresses {
        for edge in traffic.to.get(&server).into_iter().flatten() {
            let Some(service) = Service::of(&edge.key) else { continue };
            for &client in edge.client_addresses.iter().filter(|&&client| service.connects(client, server)) {
                let tuple = Tuple { client, server, service };
                if !passes(&enforced, &tuple) || !passes(&watched, &tuple) {
                    refutation.denied.push(DeniedEdge { edge: edge.key.clone(), tuple });
                }
            }
        }
    }
    for rule in &draft.by_hand {
        for tuple in Outermost::of(rule).tuples().0 {
            if !passes(&enforced, &tuple) || !passes(&watched, &tuple) {
                refutation.withheld.push(Withheld { rule: rule.id.clone(), tuple });
            }
        }
    }
    for tuple in probes(draft) {
        let decision = enforced.evaluate(hook, &tuple);
        if decision.action == Action::Accept {
            refutation.admitted_count += 1;
            if refutation.admitted.len() < Refutation::MAX_ADMITTED {
                refutation.admitted.push(Admitted { tuple, rule: decision.rule });
            }
        }
        if !passes(&watched, &tuple) {
            // A file that is to watch drops something: as wrong as one that denies what was observed.
            refutation.revert_differs = true;
        }
    }
    if refutation == Refutation::default() { Ok(()) } else { Err(Error::Refuted(Box::new(refutation))) }
}

/// Strangers and members of the unit at each service, clients at the service beside it: whatever was not seen.
fn probes(draft: &Draft<'_>) -> Vec<Tuple> {
    let mut probes = Vec::new();
    for (&(service, server), clients) in &draft.allowed {
        let wrong_clients = STRANGERS.into_iter().chain(draft.addresses.iter().copied());
        probes.extend(wrong_clients.map(|client| Tuple { client, server, service }));
        if let (Service::Port { protocol, port }, Some(&client)) = (service, clients.first()) {
            let beside = [port.wrapping_sub(1), port.wrapping_add(1)];
            let tuple = |port| Tuple { client, server, service: Service::Port { protocol, port } };
            probes.extend(beside.map(tuple));
        }
    }
    let observed = |tuple: &Tuple| {
        let clients = draft.allowed.get(&(tuple.service, tuple.server));
        clients.is_some_and(|clients| clients.contains(&tuple.client))
            || draft.by_hand.iter().any(|rule| rule.allows(tuple))
            || matches!(tuple.service, Service::Icmp { message_type, .. } if ALWAYS_ALLOWED_ICMPV6.contains(&message_type))
    };
    probes.retain(|tuple| tuple.service.connects(tuple.client, tuple.server) && !observed(tuple));
    probes
}
