//! Weighted set cover: a set of observed classes as few selections that admit little else.
//!
//! Each selection costs one rule, and `lambda` for each tuple that it admits unobserved. Candidates are every
//! class by itself, every label and pair of labels that one of the classes has, and whole namespaces. The
//! greedy choice of the cheapest per class covered is within a factor ln n of the best (Chvátal, 1979).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::classes::{Candidate, ClassId, Classes, Scope, Selection, candidates, labels_of};

/// A number of a selection in a [`Table`].
pub(crate) type SelectionId = u32;

/// Selections that were used, each once, with what they match.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) list: Vec<(Selection, Arc<[ClassId]>)>,
    known: HashMap<Selection, SelectionId>,
}

impl Table {
    pub(crate) fn intern(&mut self, classes: &Classes, selection: Selection) -> SelectionId {
        if let Some(&id) = self.known.get(&selection) {
            return id;
        }
        let id = self.list.len() as SelectionId;
        self.list.push((selection.clone(), classes.select(&selection).into()));
        self.known.insert(selection, id);
        id
    }
}

/// A set of classes, what each class beyond it costs, and whether it may be looked for in every namespace.
type Question = (Arc<[ClassId]>, u64, bool);

/// Finds covers, and remembers them: many servers have the same clients.
pub(crate) struct Coverer<'a> {
    classes: &'a Classes,
    /// What an unobserved tuple costs, in rules.
    lambda: f64,
    pub(crate) table: Table,
    exact: HashMap<ClassId, SelectionId>,
    known: HashMap<Question, Arc<[SelectionId]>>,
}

impl<'a> Coverer<'a> {
    pub(crate) fn new(classes: &'a Classes, lambda: f64) -> Self {
        Self { classes, lambda, table: Table::default(), exact: HashMap::new(), known: HashMap::new() }
    }

    /// The selection of one class.
    pub(crate) fn exact(&mut self, class: ClassId) -> SelectionId {
        if let Some(&id) = self.exact.get(&class) {
            return id;
        }
        let selection = self.classes.exact(class);
        let id = self.table.intern(self.classes, selection);
        self.exact.insert(class, id);
        id
    }

    /// Selections that match all of `set` (in order). Each class that they match beyond it costs `tuples`
    /// unobserved tuples.
    pub(crate) fn cover(
        &mut self,
        set: &Arc<[ClassId]>,
        tuples: usize,
        everywhere: bool,
    ) -> Arc<[SelectionId]> {
        let key = (Arc::clone(set), tuples as u64, everywhere);
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let mut chosen = self.greedy(set, tuples, everywhere);
        chosen.sort_unstable();
        chosen.dedup();
        let chosen: Arc<[SelectionId]> = chosen.into();
        self.known.insert(key, Arc::clone(&chosen));
        chosen
    }

    fn greedy(&mut self, set: &[ClassId], tuples: usize, everywhere: bool) -> Vec<SelectionId> {
        let mut chosen = Vec::new();
        let mut left: Vec<ClassId> = set.to_vec();
        if set.len() > 1 {
            let mut offers = self.offers(set, tuples, everywhere);
            while left.len() > 1 {
                let Some(best) = cheapest(&offers, &left) else { break };
                let offer = offers.swap_remove(best);
                left.retain(|class| offer.covers.binary_search(class).is_err());
                let (scope, ..) = offer.candidate;
                let selection = Selection::Labels { scope, labels: labels_of(&offer.candidate) };
                chosen.push(self.table.intern(self.classes, selection));
            }
        }
        chosen.extend(left.into_iter().map(|class| self.exact(class)));
        chosen
    }

    /// The candidates that are cheaper than naming what they cover.
    fn offers(&self, set: &[ClassId], tuples: usize, everywhere: bool) -> Vec<Offer> {
        let mut covered: BTreeMap<Candidate, Vec<ClassId>> = BTreeMap::new();
        for &class in set {
            for candidate in candidates(self.classes.class(class), everywhere) {
                covered.entry(candidate).or_default().push(class);
            }
        }
        // Where labels do the same as a whole namespace does, the fewest are meant.
        let price = |candidate: &Candidate, covers: &[ClassId]| {
            let beyond = self.classes.matched(candidate).len().saturating_sub(covers.len());
            if beyond == 0 { 1.0 } else { 1.0 + self.lambda * (beyond * tuples) as f64 }
        };
        covered
            .into_iter()
            .map(|(candidate, covers)| Offer { price: price(&candidate, &covers), candidate, covers })
            .filter(|offer| offer.covers.len() > 1 && offer.price < offer.covers.len() as f64)
            .collect()
    }
}

/// A candidate, what it costs, and which of the set it covers (in order).
struct Offer {
    candidate: Candidate,
    price: f64,
    covers: Vec<ClassId>,
}

/// The offer with the lowest price per class that is left; none where naming the classes is cheaper.
fn cheapest(offers: &[Offer], left: &[ClassId]) -> Option<usize> {
    let gain = |offer: &Offer| left.iter().filter(|class| offer.covers.binary_search(class).is_ok()).count();
    let wide = |candidate: &Candidate| candidate.0 == Scope::Everywhere;
    let rated = offers.iter().enumerate().map(|(at, offer)| {
        let rate = offer.price / gain(offer).max(1) as f64;
        (rate, wide(&offer.candidate), labels_of(&offer.candidate).len(), offer.candidate, at)
    });
    let best = rated
        .filter(|(rate, ..)| *rate < 1.0)
        .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))))?;
    Some(best.4)
}
