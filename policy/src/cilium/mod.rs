//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`): read from manifests and evaluated
//! with their own semantics.
//!
//! 1. A rule that denies wins over all that allow, whatever NetworkPolicies say; both kinds add up.
//! 2. A policy with a rule for a direction isolates whom it selects in it, unless `enableDefaultDeny` says no.
//! 3. A rule without peers but with ports means everybody; one with neither means nobody.
//! 4. Selectors mean pods of the policy's own namespace unless they name another; networks and names mean
//!    addresses outside the cluster alone.
//! 5. A name means an address once a pod has asked for it: where `toFQDNs` is for pods whose DNS rules let
//!    nobody see such a question, it means nothing.
//!
//! Source: Cilium's documentation of its policy language, and the types and validation of
//! `github.com/cilium/cilium/pkg/policy/api`.

mod policy;

mod read;

mod pattern;

mod lay;

mod dialect;

#[cfg(test)]
mod tests;

pub(crate) use dialect::CiliumPolicies;
pub(crate) use lay::{lay, selection};
pub use pattern::Pattern;
pub use policy::{CiliumPolicy, Entity, Peer, Rule, Spec};
pub(crate) use read::{KINDS, VERSION, read};

/// The label of a pod's namespace, as Cilium sees it.
pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
