//! Estimators over incidences: in how many blocks of time was each edge seen?
//!
//! Blocks are hours. With `Q1` and `Q2` edges seen in exactly one and two of `m` blocks and `U` incidences in
//! all, the edges seen once say how much has not been seen at all: Good 1953 (Biometrika 40, 237-264), Chao 1987
//! (Biometrics 43, 783-791), Chao & Jost 2012 (Ecology 93, 2533-2547), Chao et al. 2014 (Ecological Monographs
//! 84, 45-67; the forms for `Q2 = 0`).

/// How often edges were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Incidence {
    /// Blocks watched: hours in which anything was seen.
    pub blocks: u64,
    /// Distinct edges.
    pub edges: u64,
    /// Edges seen in exactly one block.
    pub once: u64,
    /// Edges seen in exactly two.
    pub twice: u64,
    /// Pairs of an edge and a block in which it was seen.
    pub incidences: u64,
}

impl Incidence {
    /// Counts an edge that was seen in `blocks` blocks.
    pub(super) const fn add(&mut self, blocks: u64) {
        self.edges += 1;
        self.incidences += blocks;
        match blocks {
            1 => self.once += 1,
            2 => self.twice += 1,
            _ => {}
        }
    }

    /// Edges never seen before that the next block shows, at most, on average: `Q1 / m`.
    #[must_use]
    pub fn next_block(&self) -> f64 {
        if self.blocks == 0 { 0.0 } else { self.once as f64 / self.blocks as f64 }
    }

    /// The share of a block's incidences that belongs to edges seen before, from 0 to 1; 0 where nothing was seen.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.incidences == 0 {
            return 0.0;
        }
        let (q1, q2) = (self.once as f64, self.twice as f64);
        let later = self.blocks.saturating_sub(1) as f64;
        // The share of the singletons' mass that stays unseen after one more block.
        let unseen = match (self.once, self.twice) {
            (0, _) => 0.0,
            // One block: every edge is a singleton, and nothing says that there are no others.
            _ if self.blocks <= 1 => 1.0,
            // One singleton and no doubleton: the form for Q2 = 0 would be 0. Good's own, the cautious one.
            (1, 0) => 1.0,
            (_, 0) => later * (q1 - 1.0) / later.mul_add(q1 - 1.0, 2.0),
            _ => later * q1 / later.mul_add(q1, 2.0 * q2),
        };
        (1.0 - q1 / self.incidences as f64 * unseen).clamp(0.0, 1.0)
    }

    /// Edges that exist and were never seen: a lower bound (Chao2; its bias-corrected form where `Q2` is 0).
    #[must_use]
    pub fn unseen(&self) -> f64 {
        if self.blocks == 0 {
            return 0.0;
        }
        let (q1, q2) = (self.once as f64, self.twice as f64);
        let share = self.blocks.saturating_sub(1) as f64 / self.blocks as f64;
        share * if self.twice == 0 { q1 * (q1 - 1.0) / 2.0 } else { q1 * q1 / (2.0 * q2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incidence(blocks: u64, counts: &[u64]) -> Incidence {
        let mut incidence = Incidence { blocks, ..Incidence::default() };
        counts.iter().for_each(|&count| incidence.add(count));
        incidence
    }

    #[test]
    fn the_formulas_give_what_a_hand_gives() {
        // Q1 = 3, Q2 = 2, U = 3 + 4 + 10 = 17, m = 10.
        let seen = incidence(10, &[1, 1, 1, 2, 2, 10]);
        assert!((seen.next_block() - 0.3).abs() < 1e-12);
        assert!((seen.coverage() - (1.0 - 3.0 / 17.0 * (27.0 / 31.0))).abs() < 1e-12);
        assert!((seen.unseen() - 0.9 * 9.0 / 4.0).abs() < 1e-12);
        // Q2 = 0: the bias-corrected forms.
        let seen = incidence(10, &[1, 1, 1, 10]);
        assert!((seen.coverage() - (1.0 - 3.0 / 13.0 * (18.0 / 20.0))).abs() < 1e-12);
        assert!((seen.unseen() - 0.9 * 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_and_one_block_promise_nothing() {
        assert_eq!((incidence(0, &[]).coverage(), incidence(0, &[]).unseen()), (0.0, 0.0));
        assert_eq!(incidence(1, &[1, 1]).coverage(), 0.0);
        assert_eq!(incidence(100, &[100, 99]).coverage(), 1.0);
        assert_eq!(incidence(100, &[1]).coverage(), 0.0);
    }
}
