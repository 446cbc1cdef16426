//! What edges share, said once: addresses, names, services. At 100,000 edges that is most of a document.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Serialize, Serializer};

/// Values in the order in which they first appeared, each known by its index.
#[derive(Debug)]
pub(super) struct Table<T> {
    indices: HashMap<T, usize>,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { indices: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Table<T> {
    /// The index of `value`, which is added where it is new.
    pub(super) fn index(&mut self, value: T) -> usize {
        let next = self.values.len();
        *self.indices.entry(value).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }

    /// The values in order of their indices.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }
}

/// The values alone: their place is their index.
impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.serialize(serializer)
    }
}
