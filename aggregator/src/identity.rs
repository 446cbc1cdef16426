//! Who the two ends of a record were, as a dictionary of one block.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::{Timestamp, Workload};

use crate::Inventory;

/// The workloads of one block, each once.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    workloads: Vec<Arc<Workload>>,
    /// By the workload's place in memory, which no other can take while `workloads` holds it.
    indices: HashMap<usize, u32>,
}

impl Identities {
    /// The index of the workload that `address` was at `at`.
    pub(crate) fn index(&mut self, inventory: &impl Inventory, address: IpAddr, at: Timestamp) -> Option<u32> {
        let workload = inventory.identify(address, at)?;
        let Self { workloads, indices } = self;
        Some(*indices.entry(Arc::as_ptr(workload).addr()).or_insert_with(|| {
            workloads.push(Arc::clone(workload));
            (workloads.len() - 1) as u32
        }))
    }

    /// The workloads, by index.
    pub(crate) fn into_workloads(self) -> Vec<Arc<Workload>> {
        self.workloads
    }
}
