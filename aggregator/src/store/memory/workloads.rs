//! Small numbers for workloads.

use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::Workload;

use super::interner::Interner;

/// Numbers equal workloads alike; compares their labels only where the same object was not seen before.
#[derive(Debug)]
pub(super) struct Workloads {
    numbers: Interner<Arc<Workload>>,
    /// By place in memory, which no other workload can take while the object is held.
    by_place: HashMap<usize, (Arc<Workload>, u32)>,
    limit: usize,
}

impl Workloads {
    /// For at most `limit` workloads.
    pub(super) fn new(limit: usize) -> Self {
        Self { numbers: Interner::new(limit), by_place: HashMap::new(), limit }
    }

    /// The number of a workload; `None` when it is new and the limit is reached.
    pub(super) fn number(&mut self, workload: &Arc<Workload>) -> Option<u32> {
        let place = Arc::as_ptr(workload).addr();
        if let Some((_, number)) = self.by_place.get(&place) {
            return Some(*number);
        }
        let number = self.numbers.intern(workload)?;
        if self.by_place.len() >= self.limit {
            self.by_place.clear();
        }
        self.by_place.insert(place, (Arc::clone(workload), number));
        Some(number)
    }

    /// The workload with this number.
    pub(super) fn get(&self, number: u32) -> &Arc<Workload> {
        self.numbers.key(number)
    }

    /// The rank of each workload in their order, by number.
    pub(super) fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.numbers.len() as u32).collect();
        order.sort_unstable_by_key(|&number| self.get(number));
        let mut ranks = vec![0; order.len()];
        for (rank, number) in order.into_iter().enumerate() {
            ranks[number as usize] = rank as u32;
        }
        ranks
    }
}
