//! The memory store put through what every store must do, and its own limits.

use super::*;
use crate::store::conformance::{every_store_must, losses, told};
use crate::testing::{answer, batch, probe};

every_store_must!(|| MemoryStore::new(&StoreConfig::default()));

#[test]
fn what_finds_no_room_is_in_the_ledger() {
    let store = MemoryStore::new(&StoreConfig { max_edges: 2, max_names: 1, ..StoreConfig::default() });
    let mut batch = batch("a", 0, (0..5).map(|n| probe("10.0.0.1", "10.0.0.9", n, 1)).collect());
    batch.names = vec![
        answer("10.0.0.1", "a.example", "10.0.0.9", 0, 60),
        answer("10.0.0.1", "b.example", "10.0.0.9", 0, 60),
    ];
    batch.records.push(probe("10.0.0.1", "10.0.0.9", 1, 2));
    let snapshot = told(store, [batch]);
    assert_eq!(snapshot.edges.iter().map(|edge| edge.connections).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(snapshot.names.len(), 1);
    // Two names for each of the two edges, one of which is kept, and one name of the address.
    assert_eq!(losses(&snapshot), [(Loss::EdgesRefused, 3), (Loss::NamesRefused, 6)]);
}
