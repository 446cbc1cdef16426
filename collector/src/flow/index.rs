//! Where an entry is: open addressing with linear probing over hashes.

use super::prefetch::prefetch;

/// From the hash of a key to the number of its entry.
///
/// A slot holds the hash and the number plus one; 0 is an empty slot. Removal shifts back what follows, so
/// that there are no tombstones and the table never needs a clean-up.
#[derive(Debug)]
pub(super) struct Index {
    slots: Vec<u64>,
    mask: usize,
    length: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        const INITIAL: usize = 1 << 10;
        Self { slots: vec![0; INITIAL], mask: INITIAL - 1, length: 0 }
    }

    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        prefetch(&self.slots[hash as usize & self.mask]);
    }

    /// The number of the entry that has this hash and that `is` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = hash as usize & self.mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            let number = slot as u32 - 1;
            if (slot >> 32) as u32 == hash && is(number) {
                return Some(number);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Adds an entry that is not there yet.
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        if (self.length + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.place(u64::from(hash) << 32 | u64::from(number + 1));
        self.length += 1;
    }

    /// Removes an entry that is there.
    pub(super) fn remove(&mut self, hash: u32, number: u32) {
        let wanted = u64::from(hash) << 32 | u64::from(number + 1);
        let mut hole = hash as usize & self.mask;
        while self.slots[hole] != wanted {
            if self.slots[hole] == 0 {
                debug_assert!(false, "the entry is in the index");
                return;
            }
            hole = (hole + 1) & self.mask;
        }
        self.length -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            let home = (slot >> 32) as usize & self.mask;
            // It may move into the hole unless its home lies between the hole and where it is.
            if at.wrapping_sub(home) & self.mask >= at.wrapping_sub(hole) & self.mask {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = 0;
    }

    fn place(&mut self, slot: u64) {
        let mut at = (slot >> 32) as usize & self.mask;
        while self.slots[at] != 0 {
            at = (at + 1) & self.mask;
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let doubled = vec![0; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, doubled);
        self.mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|&slot| slot != 0) {
            self.place(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        /// Few distinct hashes, so that entries collide and removal has to shift.
        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((0_u32..40, any::<bool>()), 0..4000)) {
            let mut index = Index::new();
            let mut model = HashMap::new();
            for (number, add) in steps {
                let number: u32 = number;
                let hash = (number % 7).wrapping_mul(1023);
                if add && model.insert(number, hash).is_none() {
                    index.insert(hash, number);
                } else if !add && model.remove(&number).is_some() {
                    index.remove(hash, number);
                }
            }
            for number in 0_u32..40 {
                let hash = (number % 7).wrapping_mul(1023);
                let expected = model.contains_key(&number).then_some(number);
                prop_assert_eq!(index.find(hash, |n| n == number), expected);
            }
        }

        #[test]
        fn grows(count in 0_u32..5000) {
            let mut index = Index::new();
            for number in 0..count {
                index.insert(number.wrapping_mul(0x9e37_79b9), number);
            }
            for number in 0..count {
                prop_assert_eq!(index.find(number.wrapping_mul(0x9e37_79b9), |n| n == number), Some(number));
            }
        }
    }
}
