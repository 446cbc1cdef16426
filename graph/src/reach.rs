//! Reach: who can get to whom in a few steps, along links that are permitted.
//!
//! Nodes are numbers from 0, so that it works on any graph: what was observed, or what rules allow.

use std::collections::VecDeque;

/// Targets looked at together: 16 words a node, so that ten thousand nodes stay in a processor's cache.
const TOGETHER: usize = 16 * u64::BITS as usize;

/// Permitted links between nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// For each node, where it may go, in order and without doubles.
    to: Vec<Vec<usize>>,
}

impl Links {
    /// Links among `nodes` nodes; those of other nodes and from a node to itself are left out.
    #[must_use]
    pub fn new(nodes: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut to = vec![Vec::new(); nodes];
        for (from, target) in links.into_iter().filter(|&(from, target)| from != target && target < nodes) {
            if let Some(targets) = to.get_mut(from) {
                targets.push(target);
            }
        }
        for targets in &mut to {
            targets.sort_unstable();
            targets.dedup();
        }
        Self { to }
    }

    /// The same links the other way round.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let back =
            self.to.iter().enumerate().flat_map(|(from, targets)| targets.iter().map(move |&to| (to, from)));
        Self::new(self.to.len(), back)
    }

    /// For each node, how many others it gets to in at most `steps` steps. Takes time in proportion to steps,
    /// links and nodes / 64.
    #[must_use]
    pub fn reach(&self, steps: usize) -> Vec<usize> {
        let nodes = self.to.len();
        let mut counts = vec![0; nodes];
        for first in (0..nodes).step_by(TOGETHER) {
            let width = (nodes - first).min(TOGETHER).div_ceil(u64::BITS as usize);
            let reached = self.reached(steps, first, width);
            for (node, (count, bits)) in counts.iter_mut().zip(reached.chunks(width)).enumerate() {
                let found: u32 = bits.iter().map(|word| word.count_ones()).sum();
                let itself = (first..first + width * u64::BITS as usize).contains(&node);
                *count += found as usize - usize::from(itself);
            }
        }
        counts
    }

    /// For each node `width` words that say which of the nodes from `first` on it gets to, itself included.
    fn reached(&self, steps: usize, first: usize, width: usize) -> Vec<u64> {
        let bits = width * u64::BITS as usize;
        let mut reached = vec![0_u64; self.to.len() * width];
        for node in first..(first + bits).min(self.to.len()) {
            let at = node - first;
            reached[node * width + at / u64::BITS as usize] |= 1 << (at % u64::BITS as usize);
        }
        for _ in 0..steps {
            let mut next = reached.clone();
            for (node, targets) in self.to.iter().enumerate() {
                for &target in targets {
                    for word in 0..width {
                        next[node * width + word] |= reached[target * width + word];
                    }
                }
            }
            // The rest of the steps would find nothing either.
            if next == reached {
                break;
            }
            reached = next;
        }
        reached
    }

    /// The nodes that `from` gets to in at most `steps` steps with the fewest steps to each, in order of steps
    /// and node; itself is not among them.
    #[must_use]
    pub fn distances(&self, from: usize, steps: usize) -> Vec<(usize, usize)> {
        let mut seen = vec![false; self.to.len()];
        let mut queue = VecDeque::from([(from, 0)]);
        let mut found = Vec::new();
        seen.iter_mut().skip(from).take(1).for_each(|seen| *seen = true);
        while let Some((node, distance)) = queue.pop_front() {
            if distance == steps {
                continue;
            }
            for &target in self.to.get(node).into_iter().flatten() {
                if !std::mem::replace(&mut seen[target], true) {
                    found.push((target, distance + 1));
                    queue.push_back((target, distance + 1));
                }
            }
        }
        found.sort_unstable_by_key(|&(node, distance)| (distance, node));
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_are_counted() {
        let links = Links::new(5, [(0, 1), (1, 2), (2, 3), (3, 3), (0, 9), (4, 0), (0, 1)]);
        assert_eq!(links.reach(1), [1, 1, 1, 0, 1]);
        assert_eq!(links.reach(2), [2, 2, 1, 0, 2]);
        assert_eq!(links.reach(99), [3, 2, 1, 0, 4]);
        assert_eq!(links.distances(4, 2), [(0, 1), (1, 2)]);
        assert_eq!(links.reversed().reach(1), [1, 1, 1, 1, 0]);
        assert_eq!(links.distances(9, 2), []);
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn counts_are_those_of_a_search(
            nodes in 1_usize..1200,
            links in prop::collection::vec((0_usize..1200, 0_usize..1200), 0..2000),
            steps in 0_usize..5,
        ) {
            let links = Links::new(nodes, links.into_iter().map(|(a, b)| (a % nodes, b % nodes)));
            let searched: Vec<_> = (0..nodes).map(|node| links.distances(node, steps).len()).collect();
            prop_assert_eq!(links.reach(steps), searched);
        }
    }
}
