//! Whom a selector means beside the workload that it is for: workloads that policies cannot bind apart are one step.

use std::collections::BTreeMap;

use watershed_model::{Labels, Party, Workload};
use watershed_policy::k8s::Pod;
use watershed_policy::rollout::Unit;

use crate::estate::{Estate, GENERATION, name};

/// The known workloads of the cluster, by name.
pub(crate) fn pods(estate: &Estate) -> BTreeMap<String, &Workload> {
    let seen = estate.ends().filter_map(|(party, _)| Some((name(party), party.workload()?)));
    let silent = estate.silent.iter().map(|one| (name(&Party::Workload(one.clone())), one.as_ref()));
    seen.chain(silent).filter(|(_, workload)| workload.namespace.is_some()).collect()
}

/// For each workload the first of its group: a selector that means one means whoever has its labels and more.
pub(crate) fn groups(pods: &BTreeMap<String, &Workload>, unit: Unit) -> BTreeMap<String, String> {
    let mut groups: BTreeMap<String, String> = pods.keys().map(|name| (name.clone(), name.clone())).collect();
    for (one, of) in pods {
        for (other, than) in pods.iter().filter(|(_, than)| than.namespace == of.namespace) {
            if unit == Unit::Namespace || has_all(&stable(than), &stable(of)) {
                let (one, other) = (groups[one].clone(), groups[other].clone());
                groups.values_mut().filter(|group| **group == other).for_each(|group| group.clone_from(&one));
            }
        }
    }
    groups
}

/// Whether a selector that means the workload means the pod as well.
pub(crate) fn looks_like(pod: &Pod, workload: &Workload) -> bool {
    workload.namespace.as_ref() == Some(&pod.namespace) && has_all(&pod.labels, &stable(workload))
}

fn stable(workload: &Workload) -> Labels {
    let mut labels = workload.labels.clone();
    labels.remove(GENERATION);
    labels
}

pub(crate) fn has_all(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}
