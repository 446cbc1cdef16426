//! The same packets on several interfaces: a flow's totals are those of one pass, not of all of them.
//!
//! A capture on all interfaces of a host with containers holds most packets two or three times: at the container's
//! end, on the bridge, on the way out. Each interface's packets are tallied apart, and a packet counts if its
//! interface has then seen more of that side than any other: so the total is that of the interface that saw most,
//! whatever the order in which the copies come. States, evidence and names are found by all interfaces together,
//! since a request and its answer may take different ways.

use watershed_model::InterfaceId;

use super::slab::Slab;

/// Interfaces told apart in one flow: a container's way out of its host has three to five. What comes by further
/// ones counts as seen before.
const MAX_INTERFACES: usize = 16;

/// Set where several interfaces saw the flow. No interface has so high a number.
const SEVERAL: u32 = 1 << 31;

/// The interface that saw a flow, or the place of the tallies of those that did: a single word, since an entry has
/// no room for more and most flows are seen by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taps(u32);

/// What one interface saw: packets of the originator and of the responder.
type Tally = (InterfaceId, [u32; 2]);

/// The tallies of flows that several interfaces saw.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    flows: Slab<Vec<Tally>>,
    repeated: u64,
}

impl Taps {
    pub(super) const fn one(interface: InterfaceId) -> Self {
        Self(interface.0 & !SEVERAL)
    }

    /// Whether this interface saw the flow, and no other.
    #[inline]
    pub(super) const fn is_only(self, interface: InterfaceId) -> bool {
        self.0 == interface.0
    }

    const fn place(self) -> Option<u32> {
        if self.0 & SEVERAL == 0 { None } else { Some(self.0 & !SEVERAL) }
    }
}

impl Tallies {
    /// Tallies a packet of side `from`, of whose sides `counted` packets are counted so far; false where another
    /// interface has shown as many already.
    #[cold]
    pub(super) fn is_new(
        &mut self,
        taps: &mut Taps,
        interface: InterfaceId,
        from: usize,
        counted: [u32; 2],
    ) -> bool {
        let place = taps.place().unwrap_or_else(|| {
            let first = (InterfaceId(taps.0), counted);
            let place = self.flows.insert(vec![first]);
            *taps = Taps(SEVERAL | place);
            place
        });
        let Some(tallies) = self.flows.get_mut(place) else { return true };
        let known = tallies.iter().position(|&(known, _)| known == interface);
        let index = known.or_else(|| {
            let room = tallies.len() < MAX_INTERFACES;
            room.then(|| {
                tallies.push((interface, [0; 2]));
                tallies.len() - 1
            })
        });
        let new = index.is_some_and(|index| {
            let tally = &mut tallies[index].1[from];
            *tally = tally.saturating_add(1);
            *tally > counted[from]
        });
        self.repeated += u64::from(!new);
        new
    }

    /// The interface that saw most of this part; of equals the first.
    pub(super) fn best(&self, taps: Taps) -> InterfaceId {
        let Some(place) = taps.place() else { return InterfaceId(taps.0) };
        let tallies = self.flows.get(place).map_or(&[][..], Vec::as_slice);
        let seen = |[there, back]: [u32; 2]| u64::from(there) + u64::from(back);
        let best = tallies.iter().rev().max_by_key(|&&(_, tally)| seen(tally));
        best.map_or(InterfaceId::default(), |&(interface, _)| interface)
    }

    /// Another part of the flow begins.
    pub(super) fn start_part(&mut self, taps: Taps) {
        let tallies = taps.place().and_then(|place| self.flows.get_mut(place));
        tallies.into_iter().flatten().for_each(|(_, tally)| *tally = [0; 2]);
    }

    /// The flow is over.
    pub(super) fn release(&mut self, taps: Taps) {
        taps.place().and_then(|place| self.flows.remove(place));
    }

    /// Packets so far that another interface had shown before.
    pub(super) const fn repeated(&self) -> u64 {
        self.repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of side 0 by interface, as they come; how many count, and which interface is told.
    fn tallied(interfaces: impl IntoIterator<Item = u32>) -> (u32, InterfaceId, u64) {
        let (mut tallies, mut taps, mut counted) = (Tallies::default(), None, [0; 2]);
        for interface in interfaces.into_iter().map(InterfaceId) {
            let taps = taps.get_or_insert(Taps::one(interface));
            let new = taps.is_only(interface) || tallies.is_new(taps, interface, 0, counted);
            counted[0] += u32::from(new);
        }
        (counted[0], tallies.best(taps.unwrap()), tallies.repeated())
    }

    #[test]
    fn copies_count_once_in_whatever_order_they_come() {
        assert_eq!(tallied([4, 9, 4, 9, 4, 9]), (3, InterfaceId(4), 3));
        assert_eq!(tallied([4, 4, 4, 9, 9, 9]), (3, InterfaceId(4), 3));
        assert_eq!(tallied([4, 9, 9, 4, 9, 4, 4, 9]), (4, InterfaceId(4), 4));
    }

    #[test]
    fn the_interface_that_saw_most_is_the_one_that_counts() {
        assert_eq!(tallied([4, 9, 9, 9, 4, 9]), (4, InterfaceId(9), 2));
        assert_eq!(tallied([7; 5]), (5, InterfaceId(7), 0));
    }

    #[test]
    fn interfaces_beyond_the_limit_count_as_seen_before() {
        let many = u32::try_from(MAX_INTERFACES).unwrap();
        assert_eq!(tallied(0..many + 4), (1, InterfaceId(0), u64::from(many) + 3));
    }

    #[test]
    fn a_part_begins_from_nothing_and_the_end_gives_the_place_back() {
        let (mut tallies, mut taps) = (Tallies::default(), Taps::one(InterfaceId(1)));
        assert!(!tallies.is_new(&mut taps, InterfaceId(2), 1, [3, 5]));
        tallies.start_part(taps);
        assert!(tallies.is_new(&mut taps, InterfaceId(2), 1, [0, 0]));
        assert_eq!(tallies.best(taps), InterfaceId(2));
        tallies.release(taps);
        let mut again = Taps::one(InterfaceId(3));
        assert!(!tallies.is_new(&mut again, InterfaceId(4), 0, [1, 0]));
        assert_eq!(again, taps, "the place is used again");
    }
}
