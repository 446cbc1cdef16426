//! Policies of administrators for the whole cluster (`policy.networking.k8s.io`): ClusterNetworkPolicy of
//! `v1alpha2`, and AdminNetworkPolicy and BaselineAdminNetworkPolicy of `v1alpha1`, which it replaces.
//!
//! Above NetworkPolicies there is the tier of administrators, below them the baseline. In a tier rules have an
//! order, by the priority of their policies and their place in them; the first that matches decides: accept,
//! deny, or pass to the next tier. Source: the documentation of the API's types, and KEP 2091.

mod policy;

mod read;

mod lay;

mod dialect;

#[cfg(test)]
mod tests;

pub(crate) use dialect::ClusterPolicies;
pub(crate) use lay::lay;
pub use policy::{Action, ClusterPolicy, Group, Peer, Ports, Rule, Tier};
pub(crate) use read::{KINDS, read};
