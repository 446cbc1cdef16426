//! What a cluster holds after files were applied one after the other.

use std::collections::{BTreeSet, HashSet};

use super::Manifests;

impl Manifests {
    /// Applies `later` on top: an object takes the place of one of its kind and name.
    pub(crate) fn apply(&mut self, later: &Self) {
        let Self { policies, cluster, cilium, calico, istio, .. } = self;
        put(policies, &later.policies, ToString::to_string);
        put(cluster, &later.cluster, ToString::to_string);
        put(cilium, &later.cilium, ToString::to_string);
        put(&mut calico.policies, &later.calico.policies, |one| format!("{} {one}", one.staged.is_some()));
        put(&mut istio.policies, &later.istio.policies, ToString::to_string);
    }

    /// What its objects are called, with their kinds.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let networking = self.policies.iter().map(|one| format!("NetworkPolicy {one}"));
        let cilium = self.cilium.iter().map(ToString::to_string);
        let calico = self.calico.policies.iter();
        let calico = calico.map(|one| match one.staged {
            None => format!("projectcalico.org NetworkPolicy {one}"),
            Some(_) => format!("projectcalico.org StagedNetworkPolicy {one}"),
        });
        let cluster = self.cluster.iter().map(ToString::to_string);
        let istio = self.istio.policies.iter().map(ToString::to_string);
        networking.chain(cilium).chain(calico).chain(cluster).chain(istio).collect()
    }

    /// Without what only shows what it would do.
    pub(crate) fn enforced(mut self) -> Self {
        self.calico.policies.retain(|policy| policy.staged.is_none());
        self.istio.policies.retain(|policy| !policy.dry_run);
        self
    }
}

fn put<T: Clone>(there: &mut Vec<T>, later: &[T], name: impl Fn(&T) -> String) {
    if later.is_empty() {
        return;
    }
    let replaced: HashSet<String> = later.iter().map(&name).collect();
    there.retain(|one| !replaced.contains(&name(one)));
    there.extend(later.iter().cloned());
}
