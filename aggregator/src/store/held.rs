//! The edges of a period in the form in which memory holds them, for whoever needs them one after the other.

use watershed_model::TimeRange;

use super::memory::{EdgesInOrder, MemoryStore};
use crate::StoreError;

/// Edges of a period, about 170 bytes for each hour of one, put together one at a time as they are asked for.
#[derive(Debug)]
pub struct HeldEdges<'a>(Held<'a>);

#[derive(Debug)]
enum Held<'a> {
    /// Read from elsewhere: what it has is the period.
    Own(Box<MemoryStore>),
    Within(&'a MemoryStore, Option<TimeRange>),
}

impl<'a> HeldEdges<'a> {
    pub(super) fn of(store: MemoryStore) -> Self {
        Self(Held::Own(Box::new(store)))
    }

    pub(super) fn within(store: &'a MemoryStore, period: Option<TimeRange>) -> Result<Self, StoreError> {
        in_order(period)?;
        Ok(Self(Held::Within(store, period)))
    }

    /// The edges in the order of their keys; may be asked for again.
    #[must_use]
    pub fn iter(&self) -> EdgesInOrder<'_> {
        match &self.0 {
            Held::Own(store) => store.edges(None),
            Held::Within(store, period) => store.edges(*period),
        }
    }
}

impl<'a> IntoIterator for &'a HeldEdges<'_> {
    type Item = watershed_model::Edge;
    type IntoIter = EdgesInOrder<'a>;

    fn into_iter(self) -> EdgesInOrder<'a> {
        self.iter()
    }
}

/// Refuses a period that ends before it starts.
pub(super) fn in_order(period: Option<TimeRange>) -> Result<(), StoreError> {
    match period.filter(|period| period.end < period.start) {
        Some(TimeRange { start, end }) => Err(StoreError::Period { start, end }),
        None => Ok(()),
    }
}
