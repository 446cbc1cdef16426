//! History against mined rules as an export lists them, whatever dialect will say them.

use watershed_model::{Edge, Party};

use super::{MissingRule, Outcome, Verdict};
use crate::Service;
use crate::diff::{Allowances, Peer, Permits};
use crate::k8s::Direction;

/// What stands in the way where no rule is for a connection.
const NO_RULE: &str = "no mined rule";

pub(super) fn replay(rules: &Allowances, edges: &[&Edge], outcome: &mut Outcome) {
    let permits = Permits::of(rules);
    edges.iter().for_each(|edge| outcome.count(edge, verdict(&permits, edge)));
}

/// Rules of each end that is a workload must be for it; between two addresses there are none.
fn verdict(permits: &Permits<'_>, edge: &Edge) -> Verdict {
    let key = &edge.key;
    let Some(service) = Service::of(key) else { return Verdict::NotCovered };
    let sides = [
        (Direction::Egress, &key.client, (&key.server, &edge.server_addresses)),
        (Direction::Ingress, &key.server, (&key.client, &edge.client_addresses)),
    ];
    let name = |party: &Party| party.workload().map(ToString::to_string);
    let mut covered = false;
    let mut missing = Vec::new();
    for (direction, subject, (peer, addresses)) in sides {
        let Some(of) = name(subject) else { continue };
        covered = true;
        let peer_name = name(peer);
        if !permits.permit(&of, direction, &Peer { name: peer_name.as_deref(), addresses }, service) {
            let (subject, peer) = (subject.clone(), peer.clone());
            missing.push(MissingRule::Side { direction, subject, peer, service });
        }
    }
    match (covered, missing.is_empty()) {
        (false, _) => Verdict::NotCovered,
        (true, true) => Verdict::Allowed,
        (true, false) => Verdict::Denied { refused_by: vec![NO_RULE.to_owned()], missing },
    }
}
