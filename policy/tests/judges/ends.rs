//! Who takes part in a random cluster, and where they are in our world.

use std::net::IpAddr;

use watershed_policy::k8s::{End, Pod, World};

/// An end of connections.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Pod(Pod),
    Outside(IpAddr),
}

/// Adds the pods to a world; each end in it.
pub(crate) fn settle(who: &[Who], world: &mut World) -> Vec<End> {
    let mut end = |one: &Who| match one {
        Who::Outside(address) => End::Outside(*address),
        Who::Pod(pod) => {
            world.add_pod(pod.clone());
            End::Pod(world.pods().len() - 1)
        }
    };
    who.iter().map(&mut end).collect()
}
