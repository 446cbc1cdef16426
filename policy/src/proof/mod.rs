//! Proof of an export: what was observed passes, what was not is dropped, according to the exported text.
//!
//! The edges are replayed against what [`crate::nft`] reads from the text; the rules that the text was made
//! from play no part, so a mistake anywhere between edges and text shows. The text is proven as it will be
//! enforced: allow rules and default deny loaded one after the other.

mod certificate;

mod expectation;

mod probe;

mod refutation;

mod hosts;

pub mod kubernetes;

pub mod calico;

pub mod istio;

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use watershed_model::Edge;

pub use certificate::Certificate;
pub(crate) use expectation::digest_of;
use expectation::{Expectation, Group};
pub use hosts::HostProof;
pub(crate) use probe::Outermost;
pub use refutation::{Admitted, DeniedEdge, Refutation, Withheld};

use crate::export::nftables::{self, Nftables};
use crate::nft::{Action, Hook, Ruleset};
use crate::{Error, Rule, Service, Tuple};

/// Pairs of addresses replayed for one edge or rule and IP version; beyond it every address is replayed at
/// least once and the rest is counted in [`Certificate::tuples_not_replayed`]. It is a thousand clients on a
/// thousand servers, which takes about a second.
const MAX_PAIRS: u64 = 1 << 20;

/// Proves that `export` allows all of `edges` and nothing that they do not explain.
///
/// `edges` are those that the rules were made from; `tool_version` is written into the certificate.
///
/// # Errors
/// [`Error::Read`] when the text is not fully understood, [`Error::Refuted`] with everything that speaks
/// against it, [`Error::Unanswered`] for an edge that must not be a rule.
pub fn prove<'a>(
    edges: impl IntoIterator<Item = &'a Edge>,
    export: &Nftables,
    tool_version: &str,
) -> Result<Certificate, Error> {
    prove_decided(edges, &[], export, tool_version)
}

/// The same of an export that has rules which people made: these allow what they say, and explain it.
///
/// # Errors
/// As [`prove`].
pub fn prove_decided<'a>(
    edges: impl IntoIterator<Item = &'a Edge>,
    by_hand: &'a [Rule],
    export: &Nftables,
    tool_version: &str,
) -> Result<Certificate, Error> {
    let allow = (nftables::ALLOW, export.allow.as_str());
    let deny = (nftables::DEFAULT_DENY, export.default_deny.as_str());
    let revert = (nftables::REVERT, export.revert.as_str());
    let enforced = Ruleset::read([allow, deny])?;

    let expectation = Expectation::of(edges, by_hand)?;
    let mut certificate = Certificate::new(&expectation, export, tool_version);
    let mut refutation = Refutation {
        revert_differs: Ruleset::read([allow, deny, revert])? != Ruleset::read([allow])?,
        ..Refutation::default()
    };
    let judge = Judge { ruleset: &enforced, hook: export.hook };
    for group in &expectation.groups {
        replay(&judge, group, &mut certificate, &mut refutation);
    }
    for rule in by_hand {
        try_by_hand(&judge, rule, &mut certificate, &mut refutation);
    }
    for tuple in probe::probes(&expectation) {
        judge.probe(tuple, &expectation, &mut certificate, &mut refutation);
    }
    // The edges cannot know of an address or a port that only the text has.
    for corners in enforced.corners() {
        for &service in &corners.services {
            let pairs = Pairs::of(&corners.clients, &corners.servers, service);
            certificate.tuples_not_replayed += pairs.skipped;
            for (client, server) in pairs.list {
                let tuple = Tuple { client, server, service };
                judge.probe(tuple, &expectation, &mut certificate, &mut refutation);
            }
        }
    }
    if refutation.is_empty() { Ok(certificate) } else { Err(Error::Refuted(Box::new(refutation))) }
}

struct Judge<'a> {
    ruleset: &'a Ruleset,
    hook: Hook,
}

impl Judge<'_> {
    fn accepts(&self, tuple: &Tuple) -> bool {
        self.ruleset.evaluate(self.hook, tuple).action == Action::Accept
    }

    /// What no edge explains must be dropped.
    fn probe(
        &self,
        tuple: Tuple,
        expectation: &Expectation<'_>,
        certificate: &mut Certificate,
        refutation: &mut Refutation,
    ) {
        if expectation.explains(&tuple) {
            certificate.probes_explained += 1;
            return;
        }
        let decision = self.ruleset.evaluate(self.hook, &tuple);
        match decision.action {
            Action::Drop => certificate.probes_denied += 1,
            Action::Accept => refutation.admit(Admitted { tuple, rule: decision.rule }),
        }
    }
}

/// Every edge of one rule, then what the rule allows beyond them: clients of one edge on servers of another.
fn replay(judge: &Judge<'_>, group: &Group<'_>, certificate: &mut Certificate, refutation: &mut Refutation) {
    let service = group.service;
    let mut observed = HashSet::new();
    for edge in &group.edges {
        let pairs = Pairs::of(&edge.client_addresses, &edge.server_addresses, service);
        certificate.edges_replayed += 1;
        certificate.tuples_not_replayed += pairs.skipped;
        let mut denied = None;
        for (client, server) in pairs.list {
            let tuple = Tuple { client, server, service };
            observed.insert((client, server));
            if !judge.accepts(&tuple) {
                denied.get_or_insert(tuple);
            }
        }
        refutation.denied.extend(denied.map(|tuple| DeniedEdge { edge: edge.key.clone(), tuple }));
    }
    certificate.tuples_observed += observed.len() as u64;
    let beyond = Pairs::of(&group.clients, &group.servers, service);
    let allowed = |&&(client, server): &&(IpAddr, IpAddr)| {
        !observed.contains(&(client, server)) && judge.accepts(&Tuple { client, server, service })
    };
    certificate.tuples_unobserved += beyond.list.iter().filter(allowed).count() as u64;
    certificate.tuples_not_replayed += beyond.skipped;
}

/// The outermost connections of a rule that a person made.
fn try_by_hand(judge: &Judge<'_>, rule: &Rule, certificate: &mut Certificate, refutation: &mut Refutation) {
    certificate.rules_by_hand += 1;
    let (tuples, skipped) = Outermost::of(rule).tuples();
    certificate.tuples_not_replayed += skipped;
    for tuple in tuples {
        if judge.accepts(&tuple) {
            certificate.tuples_by_hand += 1;
        } else {
            refutation.withheld.push(Withheld { rule: rule.id.clone(), tuple });
        }
    }
}

/// Clients and servers that can connect, each with each, up to [`MAX_PAIRS`] for an IP version.
pub(crate) struct Pairs {
    pub(crate) list: Vec<(IpAddr, IpAddr)>,
    pub(crate) skipped: u64,
}

impl Pairs {
    pub(crate) fn of(clients: &BTreeSet<IpAddr>, servers: &BTreeSet<IpAddr>, service: Service) -> Self {
        let mut pairs = Self { list: Vec::new(), skipped: 0 };
        for v4 in [true, false] {
            let of_version = |addresses: &BTreeSet<IpAddr>| -> Vec<IpAddr> {
                addresses.iter().copied().filter(|address| address.is_ipv4() == v4).collect()
            };
            let (clients, servers) = (of_version(clients), of_version(servers));
            let (Some(&client), Some(&server)) = (clients.first(), servers.first()) else { continue };
            if !service.connects(client, server) {
                continue;
            }
            let all = (clients.len() as u64).saturating_mul(servers.len() as u64);
            if all <= MAX_PAIRS {
                let each = |&client: &IpAddr| servers.iter().map(move |&server| (client, server));
                pairs.list.extend(clients.iter().flat_map(each));
            } else {
                let longest = clients.len().max(servers.len());
                let some = clients.iter().copied().cycle().zip(servers.iter().copied().cycle());
                pairs.list.extend(some.take(longest));
                pairs.skipped = pairs.skipped.saturating_add(all - longest as u64);
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_pairs_are_counted_not_forgotten() {
        let addresses = |net: u8, count: u32| -> BTreeSet<IpAddr> {
            (0..count).map(|host| IpAddr::from((u32::from(net) << 24 | host).to_be_bytes())).collect()
        };
        let service = Service::Port { protocol: watershed_model::Protocol::TCP, port: 1 };
        let (clients, servers) = (addresses(10, 2000), addresses(11, 1000));
        let pairs = Pairs::of(&clients, &servers, service);
        assert_eq!(pairs.list.len(), 2000);
        assert_eq!(pairs.list.len() as u64 + pairs.skipped, 2_000_000);
        assert!(servers.iter().all(|server| pairs.list.iter().any(|pair| pair.1 == *server)));
        assert_eq!(Pairs::of(&clients, &addresses(11, 3), service).list.len(), 6000);
    }
}
