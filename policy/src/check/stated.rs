//! What comments say of the rules below them. Exports write above each rule how many tuples it admits; whoever edits
//! the rule leaves the comment, so that the two can be held against each other.

use std::collections::{BTreeMap, HashMap};

use super::Side;
use crate::export::text::{stated, stated_names};
use crate::k8s::Place;

/// Rules with the one whose comment speaks for them: their own, or that of the rule before without one of its own.
pub(super) struct Stated {
    /// By the place of each rule: the place of the first that the comment is for, and what it says.
    of: HashMap<Place, (Place, u64)>,
    /// By the place of the first that a comment is for: for how many addresses names stood.
    names: HashMap<Place, u64>,
}

impl Stated {
    /// Of the rules of policies in the text of their files. A comment speaks for the rules of one policy and side.
    pub(super) fn of<'a>(
        texts: &[(&str, &str)],
        rules: impl Iterator<Item = (&'a Place, &'a str, Side)>,
    ) -> Self {
        let lines: HashMap<&str, Vec<&str>> =
            texts.iter().map(|&(name, text)| (name, text.lines().collect())).collect();
        let mut sides: BTreeMap<(&str, Side), Vec<&Place>> = BTreeMap::new();
        for (place, policy, side) in rules {
            sides.entry((policy, side)).or_default().push(place);
        }
        let (mut of, mut names) = (HashMap::new(), HashMap::new());
        for places in sides.into_values() {
            let mut places = places;
            places.sort();
            places.dedup();
            let mut speaks: Option<(Place, u64)> = None;
            for place in places {
                let file = lines.get(&*place.file).map_or(&[][..], Vec::as_slice);
                if let Some(number) = above(file, place.line, stated) {
                    names.extend(above(file, place.line, stated_names).map(|seen| (place.clone(), seen)));
                    speaks = Some((place.clone(), number));
                }
                if let Some((first, number)) = speaks.as_ref().filter(|(first, _)| first.file == place.file) {
                    of.insert(place.clone(), (first.clone(), *number));
                }
            }
        }
        Self { of, names }
    }

    /// For how many addresses the names of what is counted under a place are said to have stood.
    pub(super) fn names(&self, place: &Place) -> Option<u64> {
        self.names.get(place).copied()
    }

    /// The place under which the rule at `place` is counted, and what is stated there.
    pub(super) fn at(&self, place: &Place) -> (Place, Option<u64>) {
        match self.of.get(place) {
            Some((first, number)) => (first.clone(), Some(*number)),
            None => (place.clone(), None),
        }
    }
}

/// What the comment that ends right above a line says.
fn above(lines: &[&str], line: u32, says: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let before = lines.get(..(line as usize).checked_sub(1)?)?;
    let comments = before.iter().rev().take_while(|line| line.trim_start().starts_with('#'));
    comments.filter_map(|line| says(line)).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::Direction;

    #[test]
    fn a_comment_speaks_for_what_follows_up_to_the_next() {
        let text = "# shop\n# 3 edges; admits nothing that was not observed; 6 in all; called x\n- a\n- b\n# by hand\n- c\n# 2 in all\n# said\n- d\n";
        let place = |line| Place { file: "f".into(), line, column: 3 };
        let places = [3, 4, 6, 9].map(place);
        let side = Side::End(Direction::Ingress);
        let stated = Stated::of(&[("f", text)], places.iter().map(|one| (one, "p", side)));
        let told: Vec<(u32, Option<u64>)> =
            places.iter().map(|one| stated.at(one)).map(|(first, number)| (first.line, number)).collect();
        assert_eq!(told, [(3, Some(6)), (3, Some(6)), (3, Some(6)), (9, Some(2))]);
        let other = Stated::of(&[("f", text)], std::iter::once((&places[1], "q", side)));
        assert_eq!(other.at(&places[1]), (places[1].clone(), None));
    }
}
