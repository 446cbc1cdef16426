//! Who holds what, when several may say that it is theirs: addresses and ports.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::Timestamp;

/// Things that were let go of are remembered, so that nobody is said to have had them before; beyond so many those
/// whose time is over are forgotten.
const MAX_RELEASED: usize = 10_000;

/// That something changed hands.
pub(super) type Handover<K, V> = (Timestamp, K, Option<V>);

/// Who holds what. The latest who says so holds it: a new pod may have its address before the old one is gone.
#[derive(Debug)]
pub(super) struct Claims<K, V> {
    held: HashMap<K, Hold<V>>,
    released: usize,
    changed: Vec<Handover<K, V>>,
}

#[derive(Debug)]
struct Hold<V> {
    /// Who holds it; `None` after they let go.
    by: Option<Arc<str>>,
    value: Option<V>,
    /// Since when what was said last holds.
    since: Timestamp,
}

/// What is said of something.
#[derive(Debug)]
pub(super) struct Claim<'a, V> {
    /// Who says so.
    pub(super) by: &'a Arc<str>,
    /// What it then is.
    pub(super) value: V,
    /// Since when, where that is known.
    pub(super) since: Option<Timestamp>,
    /// Whether it was always so for this holder, and what was said before was not yet the whole truth.
    pub(super) corrects: fn(&V, &V) -> bool,
}

impl<K, V> Default for Claims<K, V> {
    fn default() -> Self {
        Self { held: HashMap::new(), released: 0, changed: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Clone + PartialEq> Claims<K, V> {
    /// Takes note of a claim. A time to come is taken for now; one before the last change of hands for that.
    pub(super) fn claim(&mut self, key: K, claim: Claim<'_, V>, now: Timestamp) {
        let Claim { by, value, since, corrects } = claim;
        let said = since.unwrap_or(now).min(now);
        let Some(hold) = self.held.get_mut(&key) else {
            let held = Hold { by: Some(Arc::clone(by)), value: Some(value.clone()), since: said };
            self.held.insert(key, held);
            self.changed.push((said, key, Some(value)));
            return;
        };
        let at = match (&hold.by, &hold.value) {
            (Some(holder), Some(known)) if holder == by => {
                if *known == value {
                    return;
                }
                if corrects(known, &value) { hold.since } else { now.max(hold.since) }
            }
            // The older of two: what it says came late.
            (Some(_), _) if said < hold.since => return,
            (Some(_), _) => said,
            (None, _) => {
                self.released -= 1;
                said.max(hold.since)
            }
        };
        *hold = Hold { by: Some(Arc::clone(by)), value: Some(value.clone()), since: at };
        self.changed.push((at, key, Some(value)));
    }

    /// Takes note that `by` has let go of something; nothing where another holds it by now.
    pub(super) fn release(&mut self, key: K, by: &str, now: Timestamp) {
        let Some(hold) = self.held.get_mut(&key).filter(|hold| hold.by.as_deref() == Some(by)) else { return };
        let at = now.max(hold.since);
        *hold = Hold { by: None, value: None, since: at };
        self.released += 1;
        self.changed.push((at, key, None));
        if self.released > MAX_RELEASED {
            self.held.retain(|_, hold| hold.by.is_some() || hold.since >= now);
            self.released = self.held.values().filter(|hold| hold.by.is_none()).count();
        }
    }

    /// What is known of something that is held.
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.held.get(&key)?.value.as_ref()
    }

    /// Who holds something.
    pub(super) fn holder(&self, key: K) -> Option<&Arc<str>> {
        self.held.get(&key)?.by.as_ref()
    }

    /// What changed hands since this was last asked.
    pub(super) fn take_changed(&mut self) -> Vec<Handover<K, V>> {
        std::mem::take(&mut self.changed)
    }

    /// Everything that is held, and since when.
    pub(super) fn all(&self) -> impl Iterator<Item = Handover<K, V>> {
        let held = self.held.iter().filter(|(_, hold)| hold.value.is_some());
        held.map(|(&key, hold)| (hold.since, key, hold.value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_parts(second, 0)
    }

    fn claim(claims: &mut Claims<u8, &'static str>, by: &str, value: &'static str, since: i64, now: i64) {
        let by: Arc<str> = by.into();
        let corrects: fn(&&'static str, &&'static str) -> bool = |_, _| false;
        claims.claim(1, Claim { by: &by, value, since: Some(at(since)), corrects }, at(now));
    }

    #[test]
    fn an_address_that_is_reused_is_the_new_holders_from_when_the_old_one_let_go() {
        let mut claims = Claims::default();
        claim(&mut claims, "old", "a", 10, 12);
        claims.release(1, "old", at(30));
        // Its start is told in whole seconds, and before the old one was seen to be gone.
        claim(&mut claims, "new", "b", 29, 31);
        claims.release(1, "old", at(40));
        assert_eq!(claims.take_changed(), [(at(10), 1, Some("a")), (at(30), 1, None), (at(30), 1, Some("b"))]);
        assert_eq!(claims.get(1), Some(&"b"));
    }

    #[test]
    fn of_two_at_once_the_later_holds_it_in_whatever_order_they_are_told() {
        let mut claims = Claims::default();
        claim(&mut claims, "new", "b", 20, 25);
        claim(&mut claims, "old", "a", 10, 26);
        claims.release(1, "old", at(27));
        assert_eq!(claims.take_changed(), [(at(20), 1, Some("b"))]);
    }

    #[test]
    fn a_time_to_come_is_now() {
        let mut claims = Claims::default();
        claim(&mut claims, "a", "a", 99, 12);
        assert_eq!(claims.take_changed(), [(at(12), 1, Some("a"))]);
    }

    #[test]
    fn what_is_let_go_of_is_forgotten_in_the_end() {
        let mut claims: Claims<u32, u8> = Claims::default();
        let by: Arc<str> = "a".into();
        for key in 0..30_000 {
            claims.claim(key, Claim { by: &by, value: 1, since: None, corrects: |_, _| false }, at(i64::from(key)));
            claims.release(key, "a", at(i64::from(key)));
        }
        assert!(claims.held.len() <= MAX_RELEASED + 1, "{}", claims.held.len());
    }
}
