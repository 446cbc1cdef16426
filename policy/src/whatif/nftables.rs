//! History against an nftables ruleset.

use std::net::IpAddr;

use watershed_model::Edge;

use super::{MissingRule, Outcome, Verdict};
use crate::nft::{Action, Hook, Ruleset};
use crate::{Service, Tuple};

/// Pairs of addresses asked about for one edge: 64 clients on 64 servers. Of more, every address is asked about
/// once, and the rest is counted in [`Outcome::not_asked`].
const MAX_PAIRS: usize = 1 << 12;

pub(super) fn replay(ruleset: &Ruleset, hook: Hook, edges: &[&Edge], outcome: &mut Outcome) {
    for edge in edges {
        let verdict = match Service::of(&edge.key) {
            Some(service) => verdict(ruleset, hook, edge, service, &mut outcome.not_asked),
            None => Verdict::NotCovered,
        };
        outcome.count(edge, verdict);
    }
}

fn verdict(ruleset: &Ruleset, hook: Hook, edge: &Edge, service: Service, not_asked: &mut u64) -> Verdict {
    let mut covered = false;
    for (client, server) in pairs(edge, not_asked) {
        if !service.connects(client, server) || !ruleset.is_about(hook, server) {
            continue;
        }
        covered = true;
        let tuple = Tuple { client, server, service };
        let decision = ruleset.evaluate(hook, &tuple);
        if decision.action == Action::Drop {
            let refused = match decision.rule {
                Some(place) => format!("{}:{}", place.file, place.line),
                None => format!("the policy of {}", hook.as_str()),
            };
            return Verdict::Denied { refused_by: vec![refused], missing: vec![MissingRule::Path(tuple)] };
        }
    }
    if covered { Verdict::Allowed } else { Verdict::NotCovered }
}

fn pairs(edge: &Edge, not_asked: &mut u64) -> Vec<(IpAddr, IpAddr)> {
    let (clients, servers) = (&edge.client_addresses, &edge.server_addresses);
    let all = clients.len().saturating_mul(servers.len());
    if all <= MAX_PAIRS {
        return clients
            .iter()
            .flat_map(|&client| servers.iter().map(move |&server| (client, server)))
            .collect();
    }
    let longest = clients.len().max(servers.len());
    *not_asked = not_asked.saturating_add((all - longest) as u64);
    clients.iter().copied().cycle().zip(servers.iter().copied().cycle()).take(longest).collect()
}
