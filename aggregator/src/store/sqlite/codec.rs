//! How values are written into columns.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use watershed_model::{
    ConnState, Counters, Evidence, EvidenceCounts, Hour, Refused, SkipReason, StateCounts,
};

use crate::store::memory::times;
use crate::store::runs::Kept;

/// The largest count of a state or a kind of evidence that is believed: sums of these cannot overflow, and
/// no network has so many connections.
const MAX_COUNT: u64 = 1 << 48;

/// A count as SQLite keeps integers; more than it can keep becomes the most it can.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count from its column.
pub(super) fn count(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

/// The octets of an address.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// The address with these octets.
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// States seen, as pairs of number and count.
pub(super) fn states(counts: &StateCounts) -> Vec<u8> {
    pairs(counts.iter().map(|(state, count)| (state as u8, count)))
}

/// States from their column.
pub(super) fn read_states(octets: &[u8]) -> Option<StateCounts> {
    let mut counts = StateCounts::default();
    for (number, count) in read_pairs(octets)? {
        let mut one = StateCounts::default();
        one.add(*ConnState::ALL.get(usize::from(number))?);
        counts.merge(&times(one, count, StateCounts::merge));
    }
    Some(counts)
}

/// Evidence seen, as pairs of bit number and count.
pub(super) fn evidence(counts: &EvidenceCounts) -> Vec<u8> {
    let seen = Evidence::all().iter().map(|flag| (flag, counts.of(flag))).filter(|&(_, count)| count > 0);
    pairs(seen.map(|(flag, count)| (flag.bits().trailing_zeros() as u8, u64::from(count))))
}

/// Evidence from its column.
pub(super) fn read_evidence(octets: &[u8]) -> Option<EvidenceCounts> {
    let mut counts = EvidenceCounts::default();
    for (number, count) in read_pairs(octets)? {
        let mut one = EvidenceCounts::default();
        one.add(Evidence::from_bits(1_u32.checked_shl(u32::from(number))?)?);
        counts.merge(&times(one, count, EvidenceCounts::merge));
    }
    Some(counts)
}

/// Each number in one octet, each count in LEB128: two octets for most pairs.
fn pairs(pairs: impl Iterator<Item = (u8, u64)>) -> Vec<u8> {
    let mut octets = Vec::new();
    for (number, mut count) in pairs {
        octets.push(number);
        while count > 0x7f {
            octets.push(count as u8 | 0x80);
            count >>= 7;
        }
        octets.push(count as u8);
    }
    octets
}

fn read_pairs(octets: &[u8]) -> Option<Vec<(u8, u64)>> {
    let mut pairs = Vec::new();
    let mut rest = octets.iter().copied();
    while let Some(number) = rest.next() {
        let (mut count, mut shift) = (0_u64, 0);
        loop {
            let octet = rest.next()?;
            count |= u64::from(octet & 0x7f).checked_shl(shift)?;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
        pairs.push((number, Some(count).filter(|&count| count <= MAX_COUNT)?));
    }
    Some(pairs)
}

/// Ranges of batches as JSON, first, last and the hour for which what is missing before them counts:
/// `[[0,6,null],[8,9,490000]]`.
pub(in crate::store) fn ranges(kept: &BTreeMap<u64, Kept>) -> serde_json::Result<String> {
    let ranges = kept.iter().map(|(first, range)| (first, range.last, range.missed.map(|hour| hour.0)));
    serde_json::to_string(&ranges.collect::<Vec<_>>())
}

/// Ranges from their column.
pub(in crate::store) fn read_ranges(json: &str) -> Option<BTreeMap<u64, Kept>> {
    let ranges: Vec<(u64, u64, Option<i64>)> = serde_json::from_str(json).ok()?;
    let in_order =
        ranges.is_sorted_by(|a, b| a.1 < b.0) && ranges.iter().all(|(first, last, _)| first <= last);
    let kept = |(first, last, hour): (_, _, Option<i64>)| (first, Kept { last, missed: hour.map(Hour) });
    in_order.then(|| ranges.into_iter().map(kept).collect())
}

/// [`Counters`] as they are kept: a mirror, so that the column stays readable as they grow.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct KeptCounters {
    packets: u64,
    captured_bytes: u64,
    in_flows: u64,
    skipped: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    kernel_dropped: u64,
    snapped: u64,
    reassembled: u64,
    flows_started: u64,
    flows_evicted: u64,
    records: u64,
    names: u64,
    /// Younger than the first databases.
    #[serde(default)]
    names_limited: u64,
    batches_dropped: u64,
    records_dropped: u64,
    names_dropped: u64,
    spooled_bytes: u64,
    repeated: u64,
    summarized: u64,
    summaries_cut: u64,
    kernel_received: u64,
    interfaces: u64,
    interfaces_away: u64,
}

/// Counters as JSON; reasons that never came up are left out.
pub(in crate::store) fn counters(counters: &Counters) -> serde_json::Result<String> {
    let Counters {
        packets,
        captured_bytes,
        in_flows,
        skipped,
        refused,
        kernel_dropped,
        snapped,
        reassembled,
        flows_started,
        flows_evicted,
        records,
        names,
        names_limited,
        batches_dropped,
        records_dropped,
        names_dropped,
        spooled_bytes,
        repeated,
        summarized,
        summaries_cut,
        kernel_received,
        interfaces,
        interfaces_away,
    } = *counters;
    let skipped = SkipReason::ALL.iter().map(|reason| reason.as_str().to_owned()).zip(skipped);
    let refused = Refused::ALL.iter().map(|limit| limit.as_str().to_owned()).zip(refused);
    serde_json::to_string(&KeptCounters {
        packets,
        captured_bytes,
        in_flows,
        skipped: skipped.filter(|(_, count)| *count > 0).collect(),
        refused: refused.filter(|(_, count)| *count > 0).collect(),
        kernel_dropped,
        snapped,
        reassembled,
        flows_started,
        flows_evicted,
        records,
        names,
        names_limited,
        batches_dropped,
        records_dropped,
        names_dropped,
        spooled_bytes,
        repeated,
        summarized,
        summaries_cut,
        kernel_received,
        interfaces,
        interfaces_away,
    })
}

/// Counters from their column.
pub(in crate::store) fn read_counters(json: &str) -> Option<Counters> {
    let kept: KeptCounters = serde_json::from_str(json).ok()?;
    let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
    Some(Counters {
        packets: kept.packets,
        captured_bytes: kept.captured_bytes,
        in_flows: kept.in_flows,
        skipped: SkipReason::ALL.map(|reason| of(&kept.skipped, reason.as_str())),
        refused: Refused::ALL.map(|limit| of(&kept.refused, limit.as_str())),
        kernel_dropped: kept.kernel_dropped,
        snapped: kept.snapped,
        reassembled: kept.reassembled,
        flows_started: kept.flows_started,
        flows_evicted: kept.flows_evicted,
        records: kept.records,
        names: kept.names,
        names_limited: kept.names_limited,
        batches_dropped: kept.batches_dropped,
        records_dropped: kept.records_dropped,
        names_dropped: kept.names_dropped,
        spooled_bytes: kept.spooled_bytes,
        repeated: kept.repeated,
        summarized: kept.summarized,
        summaries_cut: kept.summaries_cut,
        kernel_received: kept.kernel_received,
        interfaces: kept.interfaces,
        interfaces_away: kept.interfaces_away,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn counts_read_back(seen in prop::collection::vec((0_usize..13, 0_u32..1 << 15, 1_u64..1 << 34), 0..6)) {
            let (mut states_seen, mut evidence_seen) = (StateCounts::default(), EvidenceCounts::default());
            for (state, bits, count) in seen {
                let mut one = (StateCounts::default(), EvidenceCounts::default());
                one.0.add(ConnState::ALL[state]);
                one.1.add(Evidence::from_bits_truncate(bits));
                states_seen.merge(&times(one.0, count, StateCounts::merge));
                evidence_seen.merge(&times(one.1, count, EvidenceCounts::merge));
            }
            prop_assert_eq!(read_states(&states(&states_seen)), Some(states_seen));
            prop_assert_eq!(read_evidence(&evidence(&evidence_seen)), Some(evidence_seen));
        }

        #[test]
        fn damage_is_no_panic(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (read_states(&octets), read_evidence(&octets), address(&octets));
        }
    }

    #[test]
    fn counters_and_ranges_read_back() {
        let mut seen = Counters { packets: u64::MAX, records: 3, ..Counters::default() };
        seen.skip(SkipReason::TooDeep);
        seen.refuse(Refused::FragmentLimit);
        assert_eq!(read_counters(&counters(&seen).unwrap()), Some(seen));
        let (first, second) =
            (Kept { last: 3, missed: None }, Kept { last: u64::MAX, missed: Some(Hour(-7)) });
        let kept = BTreeMap::from([(0, first), (5, second)]);
        assert_eq!(ranges(&kept).unwrap(), "[[0,3,null],[5,18446744073709551615,-7]]");
        assert_eq!(read_ranges(&ranges(&kept).unwrap()), Some(kept));
        assert_eq!(read_ranges("[[5,3,null]]"), None);
    }
}
