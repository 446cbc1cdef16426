//! History against NetworkPolicies.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::{Edge, Party, Workload};

use super::{MissingRule, Outcome, Verdict};
use crate::Service;
use crate::check::{Observed, cast::Cast};
use crate::k8s::{Blocks, Direction, End, Indexed, Manifests, PROTOCOLS};

pub(super) fn replay(
    manifests: &Manifests,
    edges: &[&Edge],
    workloads: &[Arc<Workload>],
    outcome: &mut Outcome,
) {
    let cast = Cast::new(&manifests.world, Observed { edges: Some(edges), workloads });
    // Where it is left to the network plugin, the answer is that of the stricter ones.
    let policies = Indexed::new(&cast.world, &manifests.policies, Blocks::OutsideOnly);
    let mut ends = Ends { cast: &cast, known: HashMap::new() };
    for edge in edges {
        let clients = ends.of(&edge.key.client, &edge.client_addresses);
        let servers = ends.of(&edge.key.server, &edge.server_addresses);
        outcome.count(edge, verdict(manifests, &policies, edge, clients.as_slice(), servers.as_slice()));
    }
}

/// An edge is denied if it is from any of the ends that it was seen with.
fn verdict(
    manifests: &Manifests,
    policies: &Indexed<'_>,
    edge: &Edge,
    clients: &[End],
    servers: &[End],
) -> Verdict {
    let Some(service) = Service::of(&edge.key).filter(|_| PROTOCOLS.contains(&edge.key.protocol)) else {
        return Verdict::NotCovered;
    };
    let mut covered = false;
    for &client in clients {
        for &server in servers {
            if matches!((client, server), (End::Outside(_), End::Outside(_))) {
                continue;
            }
            covered = true;
            let refusing = policies.refusing(client, server, service);
            if refusing.is_empty() {
                continue;
            }
            let mut refused_by = BTreeSet::new();
            let mut missing = Vec::new();
            for direction in refusing {
                let (subject, peer, end) = match direction {
                    Direction::Ingress => (&edge.key.server, &edge.key.client, server),
                    Direction::Egress => (&edge.key.client, &edge.key.server, client),
                };
                let isolating = policies.isolating(direction, end).iter();
                refused_by.extend(isolating.map(|&at| manifests.policies[at].to_string()));
                missing.push(MissingRule::Side {
                    direction,
                    subject: subject.clone(),
                    peer: peer.clone(),
                    service,
                });
            }
            return Verdict::Denied { refused_by: refused_by.into_iter().collect(), missing };
        }
    }
    if covered { Verdict::Allowed } else { Verdict::NotCovered }
}

/// Ends of parties. Edges share their workloads, so most are known by where they lie in memory.
struct Ends<'a> {
    cast: &'a Cast,
    known: HashMap<*const Workload, Option<End>>,
}

/// The ends that a party is.
enum Of {
    /// A pod, whatever its addresses; none where the cast does not know it.
    Pod(Option<End>),
    Addresses(Vec<End>),
}

impl Of {
    fn as_slice(&self) -> &[End] {
        match self {
            Self::Pod(end) => end.as_slice(),
            Self::Addresses(ends) => ends,
        }
    }
}

impl Ends<'_> {
    fn of(&mut self, party: &Party, addresses: &BTreeSet<IpAddr>) -> Of {
        match party {
            Party::Workload(workload) if workload.namespace.is_some() => {
                let find = || self.cast.ends(party, addresses).first().copied();
                Of::Pod(*self.known.entry(Arc::as_ptr(workload)).or_insert_with(find))
            }
            party => Of::Addresses(self.cast.ends(party, addresses)),
        }
    }
}
