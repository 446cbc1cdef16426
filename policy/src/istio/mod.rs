//! Istio's AuthorizationPolicy (`security.istio.io`): read from manifests and evaluated with its own semantics,
//! as far as connections go.
//!
//! 1. It governs TCP at the server's side, and nothing else: not egress, not UDP, not ICMP.
//! 2. A connection that a DENY policy matches is refused.
//! 3. A workload that an ALLOW policy is for refuses what none of them matches; one without rules matches
//!    nothing, one with an empty rule everything.
//! 4. Policies of the root namespace are for workloads of every namespace.
//!
//! A policy that is annotated as a dry run is evaluated as if it were enforced; a note tells so.
//!
//! Clients are told by what their certificate says: namespace and service account. What policies say about
//! requests is not evaluated; a note tells so. Source: Istio's reference of the API.

mod policy;

mod read;

mod rules;

mod lay;

mod dialect;

#[cfg(test)]
mod tests;

pub(crate) use dialect::AuthorizationPolicies;
pub(crate) use lay::{lay, vain};
pub use policy::{Action, AuthorizationPolicy, NamespacePattern, Operation, Pattern, Rule, Source};
pub(crate) use read::DRY_RUN;

/// The API group.
pub(crate) const GROUP: &str = "security.istio.io";

/// The namespace whose policies are for the whole mesh, as Istio is installed.
pub(crate) const ROOT_NAMESPACE: &str = "istio-system";

/// The trust domain of identities, as Istio is installed.
const TRUST_DOMAIN: &str = "cluster.local";

/// Labels by which an inventory tells the service account of a pod: those that Calico and Cilium give to its
/// endpoints.
pub(crate) const SERVICE_ACCOUNT_LABELS: [&str; 2] =
    ["projectcalico.org/serviceaccount", "io.cilium.k8s.policy.serviceaccount"];

/// What files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The policies, in the order in which they were read.
    pub policies: Vec<AuthorizationPolicy>,
}

/// The identity of a pod's service account, as policies name it.
pub(crate) fn principal(namespace: &str, account: &str) -> String {
    format!("{TRUST_DOMAIN}/ns/{namespace}/sa/{account}")
}
