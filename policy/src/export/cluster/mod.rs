//! Mined rules as ClusterNetworkPolicies (`policy.networking.k8s.io/v1alpha2`) of the Baseline tier: a
//! directory for `kubectl apply -k`.
//!
//! ```text
//! kustomization.yaml       the rules
//! allow/NAMESPACE/*.yaml   the rules, a file for each subject
//! default-deny/            a policy of the lowest precedence per namespace that denies the rest
//! default-deny-revert/     the same policy, accepting everything
//! ```
//!
//! Baseline and not Admin: what was observed is a default for pods that nobody has written a NetworkPolicy for.
//! In the Admin tier an accepted connection would pass whatever a team's own policies deny. All rules accept,
//! so it does not matter which of two of the same priority comes first.
//!
//! The API can neither accept nor deny connections from outside the cluster, so these stay as they are.

mod isolating;

mod text;

use std::collections::BTreeMap;

use super::directory::Directory;
use super::kubernetes::peers::{self, Peer};
use super::kubernetes::{Said, is_sayable};
use super::names;
use crate::k8s::Direction;
use crate::mine::{Census, Plan};
use crate::{Error, Namespace, Whom};

pub(crate) use isolating::{isolate, take_back};

/// Writes the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, plan: &Plan) -> Result<Directory, Error> {
    let mut export = Directory::default();
    let mut policies: BTreeMap<(&str, &Whom), Vec<Said<'_>>> = BTreeMap::new();
    for rule in &plan.rules {
        let Whom::Workloads { namespace: Namespace::One(namespace), .. } = &rule.subject else {
            export.cannot(rule, "its subject is no pod: nothing of it is enforced by the cluster");
            continue;
        };
        names::check(rule)?;
        if !rule.ports.iter().all(is_sayable) {
            export.cannot(
                rule,
                "ClusterNetworkPolicy knows TCP, UDP and SCTP alone: the network plugin decides about the rest",
            );
        }
        // Without this a rule for pings alone would have no ports, which means all of them.
        if !rule.ports.iter().any(is_sayable) {
            continue;
        }
        let mut peers = peers::of(census, plan, rule);
        if peers.is_empty() {
            export.cannot(rule, "no address of its peer is known: it stays denied");
            continue;
        }
        if rule.direction == Direction::Ingress {
            peers.retain(|peer| matches!(peer, Peer::Pods { .. }));
            if peers.is_empty() {
                export.cannot(
                    rule,
                    "ClusterNetworkPolicy has no rules for connections from outside the cluster: they all stay \
                     allowed, from every address to every port",
                );
                continue;
            }
        }
        policies.entry((namespace, &rule.subject)).or_default().push((rule, peers));
    }
    let mut listed = Vec::new();
    for ((namespace, subject), rules) in &policies {
        listed.push(export.allow(namespace, subject, text::policy(namespace, subject, rules, plan.level)));
    }
    for namespace in plan.namespaces() {
        names::check_namespace(namespace)?;
        let [deny, accept] = ["Deny", "Accept"].map(|action| text::default(namespace, action));
        export.default_deny(namespace, deny, accept);
    }
    Ok(export.finish(listed.iter().map(String::as_str)))
}
