//! Weighted set cover: a set of observed classes as few selections that admit little else.
//!
//! Each selection costs one rule, and `lambda` for each tuple that it admits unobserved. Candidates are every
//! class by itself, every label and pair of labels that one of the classes has, and whole namespaces. The
//! greedy choice of the cheapest per class covered is within a factor ln n of the best (Chvátal, 1979).
//!
//! What a candidate costs per class that is left only ever rises, so the offers wait in a heap at what they last
//! cost and only the one on top is looked at again (Minoux, 1978). A cover takes time in proportion to the
//! candidates of its classes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::classes::{CandidateId, ClassId, Classes, Selection};

/// A number of a selection in a [`Table`].
pub(crate) type SelectionId = u32;

/// Selections that were used, each once, with what they match.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) list: Vec<(Selection, Arc<[ClassId]>)>,
    known: HashMap<Selection, SelectionId>,
}

impl Table {
    fn intern(&mut self, classes: &Classes, selection: Selection) -> SelectionId {
        if let Some(&id) = self.known.get(&selection) {
            return id;
        }
        let id = self.list.len() as SelectionId;
        self.list.push((selection.clone(), classes.select(&selection).into()));
        self.known.insert(selection, id);
        id
    }
}

/// What each class beyond a set costs, in tuples, and whether it may be looked for in every namespace.
type Terms = (usize, bool);

/// The covers that were found under the same terms, by the set that they cover.
type Covers = HashMap<Box<[ClassId]>, Arc<[SelectionId]>>;

/// Finds covers, and remembers them: many servers have the same clients.
pub(crate) struct Coverer<'a> {
    classes: &'a Classes,
    /// What an unobserved tuple costs, in rules.
    lambda: f64,
    pub(crate) table: Table,
    exact: HashMap<ClassId, SelectionId>,
    of_candidate: HashMap<CandidateId, SelectionId>,
    known: HashMap<Terms, Covers>,
    /// How many classes that are left each candidate covers; zero between two questions.
    gains: Vec<u32>,
    /// Whether each class is left to cover; false between two questions.
    left: Vec<bool>,
}

impl<'a> Coverer<'a> {
    pub(crate) fn new(classes: &'a Classes, lambda: f64) -> Self {
        Self {
            classes,
            lambda,
            table: Table::default(),
            exact: HashMap::new(),
            of_candidate: HashMap::new(),
            known: HashMap::new(),
            gains: vec![0; classes.candidates()],
            left: vec![false; classes.list.len()],
        }
    }

    /// The selection of one class.
    pub(crate) fn exact(&mut self, class: ClassId) -> SelectionId {
        let Self { classes, table, exact, .. } = self;
        *exact.entry(class).or_insert_with(|| table.intern(classes, classes.exact(class)))
    }

    /// Selections that match all of `set` (in order). Each class that they match beyond it costs `tuples`
    /// unobserved tuples.
    pub(crate) fn cover(&mut self, set: &[ClassId], tuples: usize, everywhere: bool) -> Arc<[SelectionId]> {
        let terms = (tuples, everywhere);
        if let Some(known) = self.known.get(&terms).and_then(|known| known.get(set)) {
            return Arc::clone(known);
        }
        let mut chosen = self.greedy(set, terms);
        chosen.sort_unstable();
        chosen.dedup();
        let chosen: Arc<[SelectionId]> = chosen.into();
        self.known.entry(terms).or_default().insert(set.into(), Arc::clone(&chosen));
        chosen
    }

    fn greedy(&mut self, set: &[ClassId], (tuples, everywhere): Terms) -> Vec<SelectionId> {
        if let &[class] = set {
            return vec![self.exact(class)];
        }
        let mut chosen = Vec::new();
        let mut offers = self.offers(set, (tuples, everywhere));
        let mut left = set.len();
        while left > 1
            && let Some(Reverse(offer)) = offers.pop()
        {
            let gain = self.gains[offer.candidate as usize];
            let now = self.offer(offer.candidate, offer.beyond, gain, tuples);
            if now > offer {
                offers.extend(now.is_worth_it().then_some(Reverse(now)));
                continue;
            }
            for &class in self.classes.matched(offer.candidate) {
                left -= usize::from(self.take(class, everywhere));
            }
            chosen.push(self.select(offer.candidate));
        }
        for &class in set {
            if self.take(class, everywhere) {
                chosen.push(self.exact(class));
            }
        }
        chosen
    }

    /// The candidates that are cheaper than naming what they cover. All of `set` is left to cover then.
    fn offers(&mut self, set: &[ClassId], (tuples, everywhere): Terms) -> BinaryHeap<Reverse<Offer>> {
        let mut met = Vec::new();
        for &class in set {
            self.left[class as usize] = true;
            for &candidate in self.classes.tried(class, everywhere) {
                let gain = &mut self.gains[candidate as usize];
                *gain += 1;
                // One that covers a single class is no cheaper than naming it.
                if *gain == 2 {
                    met.push(candidate);
                }
            }
        }
        let offers = met.into_iter().map(|candidate| {
            let covered = self.gains[candidate as usize];
            let beyond = self.classes.matched(candidate).len() as u32 - covered;
            self.offer(candidate, beyond, covered, tuples)
        });
        offers.filter(Offer::is_worth_it).map(Reverse).collect()
    }

    /// What a candidate costs for each of the `gain` classes left that it covers, where it matches `beyond`
    /// classes more than there were to cover.
    fn offer(&self, candidate: CandidateId, beyond: u32, gain: u32, tuples: usize) -> Offer {
        let unobserved = beyond as usize * tuples;
        let price = if unobserved == 0 { 1.0 } else { 1.0 + self.lambda * unobserved as f64 };
        Offer {
            rate: (price / f64::from(gain.max(1))).to_bits(),
            wide: self.classes.is_wide(candidate),
            labels: self.classes.labels_of(candidate).count(),
            candidate,
            beyond,
        }
    }

    /// Takes a class out of what is left, if it is there.
    fn take(&mut self, class: ClassId, everywhere: bool) -> bool {
        let was = std::mem::take(&mut self.left[class as usize]);
        if was {
            for &candidate in self.classes.tried(class, everywhere) {
                self.gains[candidate as usize] -= 1;
            }
        }
        was
    }

    fn select(&mut self, candidate: CandidateId) -> SelectionId {
        let Self { classes, table, of_candidate, .. } = self;
        *of_candidate.entry(candidate).or_insert_with(|| table.intern(classes, classes.selection(candidate)))
    }
}

/// A candidate at its price per class; the best comes first.
///
/// Where labels do the same as a whole namespace does, the fewest are meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    /// The bits of a positive number: in its order.
    rate: u64,
    wide: bool,
    labels: usize,
    candidate: CandidateId,
    /// Classes that it matches beyond those to cover.
    beyond: u32,
}

impl Offer {
    /// Whether it is cheaper than naming the classes.
    fn is_worth_it(&self) -> bool {
        f64::from_bits(self.rate) < 1.0
    }
}
