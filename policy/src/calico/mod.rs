//! Calico's NetworkPolicy and GlobalNetworkPolicy (`projectcalico.org/v3`), enforced and staged: read from
//! manifests and evaluated with their own semantics.
//!
//! [`Manifests::read`](crate::k8s::Manifests::read) makes typed policies of YAML. For the pods of a world:
//! 1. Policies are asked in order: the lower `order` first, then by name; without one last.
//! 2. The first rule that matches decides: allow, deny, or pass, which leaves the tier. Log decides nothing.
//! 3. What no rule matches is denied to an end that any policy is for, in the directions of its `types`.
//! 4. An end that no policy is for may do anything: so says the profile of its namespace.
//!
//! The default tier is evaluated, for pods. Source: Calico's resource reference.

mod selector;

mod policy;

mod read;

mod whom;

mod lay;

mod dialect;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use dialect::{Enforced, Staged};
pub(crate) use lay::lay;
pub use policy::{
    Action, Entity, IcmpMatch, NetworkSet, Policy, Ports, ProtocolMatch, Rule, Scope, StagedAction, Subject,
};
pub use selector::{Expression, Labelled, Mistake};
pub(crate) use whom::vain;

/// The API group.
pub(crate) const GROUP: &str = "projectcalico.org";

/// What files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The policies, in the order in which they were read.
    pub policies: Vec<Policy>,
    /// Addresses with labels, which selectors mean too.
    pub sets: Vec<NetworkSet>,
}

impl Policies {
    /// The policies as they would be if the staged ones were enforced.
    #[must_use]
    pub fn as_if_enforced(mut self) -> Self {
        let key = |policy: &Policy| (policy.namespace.clone(), policy.name.clone());
        let changes = |policy: &&Policy| !matches!(policy.staged, None | Some(StagedAction::Nothing));
        let changed: BTreeSet<_> = self.policies.iter().filter(changes).map(key).collect();
        self.policies.retain(|policy| match policy.staged {
            None => !changed.contains(&key(policy)),
            Some(action) => action == StagedAction::Set,
        });
        self.policies.iter_mut().for_each(|policy| policy.staged = None);
        self
    }
}
