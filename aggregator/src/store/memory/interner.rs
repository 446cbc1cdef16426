//! Small numbers for things that come again and again.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Gives each distinct key the next number, up to a limit, and keeps a value beside it.
#[derive(Debug)]
pub(super) struct Interner<K, V = ()> {
    /// Key and value side by side, since whoever finds the one goes on to the other.
    items: Vec<(K, V)>,
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

impl<K: Hash + Eq, V: Default> Interner<K, V> {
    /// For at most `limit` keys.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(u32::MAX as usize);
        Self { items: Vec::new(), slots: HashTable::new(), hasher: DefaultHashBuilder::default(), limit }
    }

    /// The number of `key`; `None` when it is new and the limit is reached.
    pub(super) fn intern<Q>(&mut self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwnedKey<K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key) as u32;
        let same = |slot: &Slot| slot.hash == hash && self.items[slot.index as usize].0.borrow() == key;
        match self.slots.find(spread(hash), same) {
            Some(slot) => Some(slot.index),
            None if self.items.len() >= self.limit => None,
            None => Some(self.add(hash, key.to_owned_key())),
        }
    }

    /// Apart, so that loops over known keys stay short.
    #[inline(never)]
    fn add(&mut self, hash: u32, key: K) -> u32 {
        let index = self.items.len() as u32;
        self.items.push((key, V::default()));
        self.slots.insert_unique(spread(hash), Slot { hash, index }, |slot| spread(slot.hash));
        index
    }

    /// How many keys there are.
    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    /// The key with this number.
    pub(super) fn key(&self, number: u32) -> &K {
        &self.items[number as usize].0
    }

    /// The value of the key with this number.
    pub(super) fn value_mut(&mut self, number: u32) -> &mut V {
        &mut self.items[number as usize].1
    }

    /// Keys and values, by number.
    pub(super) fn items(&self) -> &[(K, V)] {
        &self.items
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
        assert_eq!(
            ["a", "b", "a", "c", "b"].map(|key| interner.intern(key)),
            [Some(0), Some(1), Some(0), None, Some(1)]
        );
        assert_eq!(interner.len(), 2);
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
