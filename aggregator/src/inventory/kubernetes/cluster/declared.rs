//! Ports that objects declare: containers' ports, and what EndpointSlices say is behind Services.
//!
//! A Service's target port need not be among its pods' declared ones; the slices name it with every address. What only a
//! declaration says of a port never takes the place of where the port leads.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{Protocol, Timestamp};

use super::{Claim, Cluster, Kind, protocol};
use crate::inventory::Source;
use crate::inventory::fronts::{Backend, Front, FrontChange};
use crate::inventory::kubernetes::objects::{MAX_PARTS, Pod};

/// The ports that a pod's containers declare, at the pod's own addresses.
pub(super) fn of_pod(pod: &Pod, addresses: &[IpAddr]) -> BTreeSet<Front> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let ports = containers.flat_map(|container| &container.ports);
    let ports: Vec<(Protocol, u16)> = ports
        .filter(|port| port.container_port > 0)
        .filter_map(|port| Some((protocol(port.protocol.as_deref())?, port.container_port)))
        .collect();
    let at = |&address: &IpAddr| {
        ports.iter().map(move |&(protocol, port)| Front::Address(address, protocol, port))
    };
    addresses.iter().flat_map(at).take(MAX_PARTS).collect()
}

impl Cluster {
    /// Takes note of what `by` declares now, which declared `before`; new ones since `since`, where that is known.
    pub(super) fn declare(
        &mut self,
        by: &Arc<str>,
        before: &BTreeSet<Front>,
        after: &BTreeSet<Front>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) {
        for &front in before.difference(after) {
            self.declared.release(front, by, now);
        }
        let is_slice = by.starts_with(Kind::EndpointSlices.as_str());
        for &front in after {
            // A pod declares it for as long as it is there, whichever Service it is behind.
            if is_slice && self.declared.holder(front).is_some_and(|holder| holder != by) {
                continue;
            }
            let (Front::Address(_, _, port) | Front::EveryNode(_, port)) = front;
            let since = since.filter(|_| !before.contains(&front));
            let value = Arc::new(Backend::declared(Source::Kubernetes, port));
            self.declared.claim(front, Claim { by, value, since, corrects: |_, _| false }, now);
        }
    }

    /// What is different of where ports lead and of what is declared: what a port leads to goes first, and where it leads
    /// to nobody any more it may still be declared.
    pub(super) fn changed_fronts(&mut self) -> Vec<FrontChange> {
        let mut fronts: Vec<FrontChange> = Vec::new();
        for (at, front, backend) in self.fronts.take_changed() {
            let backend = backend.or_else(|| self.declared.get(front).cloned());
            fronts.push(FrontChange { at, front, backend });
        }
        for (at, front, backend) in self.declared.take_changed() {
            if self.fronts.get(front).is_none() {
                fronts.push(FrontChange { at, front, backend });
            }
        }
        fronts
    }

    /// Where every port leads now, or that it is declared, and since when; in order.
    pub(super) fn all_fronts(&self) -> Vec<FrontChange> {
        let declared = self.declared.all().filter(|(_, front, _)| self.fronts.get(*front).is_none());
        let all = self.fronts.all().chain(declared);
        let mut all: Vec<FrontChange> =
            all.map(|(at, front, backend)| FrontChange { at, front, backend }).collect();
        all.sort_by_key(|change| change.front);
        all
    }
}
