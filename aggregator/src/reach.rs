//! From the address that a client used to the workload that it reached.
//!
//! What is reached through a service is stored as reached, with the evidence that it was through a service and the
//! service's name and port among the names of the server: a rule for workloads needs the port behind the service.

use std::sync::Arc;

use watershed_model::{Batch, Evidence, FlowRecord, Protocol, Workload};

use crate::Inventory;
use crate::inventory::fronts::{Backend, Server};

/// The port of HBONE, the tunnel between the nodes of a service mesh without sidecars: HTTP/2 CONNECT over TLS, with the
/// port that is meant inside.
///
/// Source: Istio's documentation of ambient mode.
const HBONE: u16 = 15_008;

/// Takes out of a batch what stays within one pod or node of a cluster, such as what a sidecar hands on to the container
/// beside it, and tells how much that was.
pub(crate) fn drop_within(batch: &mut Batch, inventory: &impl Inventory) -> u64 {
    if !inventory.is_cluster() {
        return 0;
    }
    let before = batch.records.len();
    batch.records.retain(|record| {
        let (client, server) = (record.client.address.to_canonical(), record.server.address.to_canonical());
        client != server && !client.is_loopback() && !server.is_loopback()
    });
    (before - batch.records.len()) as u64
}

/// Who the server of a record was: whoever was behind its address, else `owner`, whose the address was. Notes in the
/// record what that changes.
pub(crate) fn follow<'a>(
    record: &mut FlowRecord,
    reached: Option<&'a Backend>,
    owner: Option<&'a Arc<Workload>>,
    names: &mut Vec<Arc<str>>,
) -> Option<&'a Arc<Workload>> {
    let Some(backend) = reached.filter(|backend| backend.declared_by().is_none()) else {
        let tunnel = record.protocol == Protocol::TCP && record.server.port == HBONE;
        if tunnel && owner.is_some_and(|owner| owner.kind.is_pods()) {
            record.evidence |= Evidence::PORT_UNKNOWN;
        }
        return owner;
    };
    if backend.rewritten {
        record.evidence |= Evidence::VIA_SERVICE;
    }
    match backend.port {
        Some(port) => record.server.port = port,
        None => record.evidence |= Evidence::PORT_UNKNOWN,
    }
    if record.part == 0 {
        names.extend(backend.service.clone());
    }
    match &backend.server {
        Server::Workload(workload) => Some(workload),
        Server::Address(address) => {
            record.server.address = *address;
            None
        }
        Server::Declared(_) => owner,
    }
}

#[cfg(test)]
mod tests;
