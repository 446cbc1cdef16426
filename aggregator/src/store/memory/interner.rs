//! Small numbers for things that come again and again.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable, hash_table};

/// Gives each distinct key the next number, up to a limit.
#[derive(Debug)]
pub(super) struct Interner<K> {
    keys: Vec<K>,
    slots: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    limit: usize,
}

/// Half of the hash stays beside the index, so that growing reads no keys and most misses none either.
#[derive(Debug)]
struct Slot {
    hash: u32,
    index: u32,
}

impl<K: Hash + Eq> Interner<K> {
    /// For at most `limit` keys.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(u32::MAX as usize);
        Self { keys: Vec::new(), slots: HashTable::new(), hasher: DefaultHashBuilder::default(), limit }
    }

    /// The number of `key`; `None` when it is new and the limit is reached.
    pub(super) fn intern<Q>(&mut self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwnedKey<K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key) as u32;
        let same = |slot: &Slot| slot.hash == hash && self.keys[slot.index as usize].borrow() == key;
        match self.slots.entry(spread(hash), same, |slot| spread(slot.hash)) {
            hash_table::Entry::Occupied(slot) => Some(slot.get().index),
            hash_table::Entry::Vacant(_) if self.keys.len() >= self.limit => None,
            hash_table::Entry::Vacant(place) => {
                let index = self.keys.len() as u32;
                self.keys.push(key.to_owned_key());
                place.insert(Slot { hash, index });
                Some(index)
            }
        }
    }

    /// The keys, by number.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }
}

/// Fills both ends of the table's hash, which picks by its lowest and its highest bits.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// How a key that is looked up becomes one that is kept.
pub(super) trait ToOwnedKey<K> {
    fn to_owned_key(&self) -> K;
}

impl<K: Clone> ToOwnedKey<K> for K {
    fn to_owned_key(&self) -> K {
        self.clone()
    }
}

impl ToOwnedKey<std::sync::Arc<str>> for str {
    fn to_owned_key(&self) -> std::sync::Arc<str> {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn equal_keys_have_equal_numbers_and_a_full_table_still_knows_them() {
        let mut interner = Interner::<Arc<str>>::new(2);
        assert_eq!(["a", "b", "a", "c", "b"].map(|key| interner.intern(key)), [
            Some(0),
            Some(1),
            Some(0),
            None,
            Some(1)
        ]);
        assert_eq!(interner.keys().len(), 2);
    }

    #[test]
    fn numbers_stay_as_the_table_grows() {
        let mut interner = Interner::<u64>::new(100_000);
        for round in 0..2 {
            for key in 0..50_000_u64 {
                assert_eq!(interner.intern(&key), Some(key as u32), "round {round}");
            }
        }
    }
}
