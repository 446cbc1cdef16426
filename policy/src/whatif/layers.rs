//! History against policies of every dialect that is about pods.

use std::collections::BTreeSet;
use std::sync::Arc;

use watershed_model::{Edge, Workload};

use super::{MissingRule, Outcome, Verdict};
use crate::Service;
use crate::check::{Observed, cast::Cast};
use crate::k8s::{Blocks, Direction, End, Manifests};
use crate::layers::{Layers, Names};

pub(super) fn replay(
    manifests: &Manifests,
    edges: &[&Edge],
    workloads: &[Arc<Workload>],
    outcome: &mut Outcome,
) {
    let cast = Cast::new(&manifests.world, Observed { edges: Some(edges), workloads });
    // Where it is left to the network plugin, the answer is that of the stricter ones.
    let layers = Layers::of(manifests, &cast.world, &Names::of_edges(edges), Blocks::OutsideOnly);
    for edge in edges {
        outcome.count(edge, verdict(manifests, &cast, &layers, edge));
    }
}

/// An edge is denied if it is from any of the ends that it was seen with.
fn verdict(manifests: &Manifests, cast: &Cast, layers: &Layers<'_>, edge: &Edge) -> Verdict {
    let service = Service::of(&edge.key).filter(|&service| manifests.speak_of(service));
    let Some(service) = service else { return Verdict::NotCovered };
    let clients = cast.ends(&edge.key.client, &edge.client_addresses);
    let servers = cast.ends(&edge.key.server, &edge.server_addresses);
    let mut covered = false;
    for (&client, &server) in
        clients.iter().flat_map(|client| servers.iter().map(move |server| (client, server)))
    {
        if matches!((client, server), (End::Outside(_), End::Outside(_))) {
            continue;
        }
        covered = true;
        let refused = layers.refused(client, server, service);
        if refused.is_empty() {
            continue;
        }
        let refused_by: BTreeSet<&str> = refused
            .iter()
            .flat_map(|one| &one.policies)
            .map(|&at| layers.policies[at].name.as_str())
            .collect();
        let missing = refused.iter().map(|one| {
            let (subject, peer) = match one.direction {
                Direction::Ingress => (&edge.key.server, &edge.key.client),
                Direction::Egress => (&edge.key.client, &edge.key.server),
            };
            MissingRule::Side {
                direction: one.direction,
                subject: subject.clone(),
                peer: peer.clone(),
                service,
            }
        });
        return Verdict::Denied {
            refused_by: refused_by.into_iter().map(str::to_owned).collect(),
            missing: missing.collect(),
        };
    }
    if covered { Verdict::Allowed } else { Verdict::NotCovered }
}
