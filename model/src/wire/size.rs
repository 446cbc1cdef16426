//! What fits in a message.

use super::MAX_BYTES;
use crate::{Evidence, FlowRecord, NameObservation};

/// Octets of a record without its strings and what it was wrapped in, at most: every field at its longest is
/// less. Real ones take a third.
const RECORD: usize = 256;

/// Octets of a name observation without its name, at most.
const OBSERVATION: usize = 72;

/// Octets of a tunnel, a tag or a label, at most.
const LAYER: usize = 56;

/// Octets of a summary, at most: thirteen states, the kinds of evidence, and four more numbers.
const SUMMARY: usize = 16 * 10 + Evidence::COUNT * 5 + 16;

/// Octets of whatever else a batch holds, at most: the agent's name and the counters.
const HEAD: usize = 2_048;

/// Cuts what is to be shipped into parts that each fit in a message: mostly one, at least one.
///
/// Since every item counts with more octets than it takes, a part is within the limit of items, too.
#[must_use]
pub fn cut(
    records: Vec<FlowRecord>,
    names: Vec<NameObservation>,
) -> Vec<(Vec<FlowRecord>, Vec<NameObservation>)> {
    let (mut parts, mut part) = (Vec::new(), (Vec::new(), Vec::new()));
    let mut filled = HEAD;
    let mut room_for = |bytes: usize, part: &mut _| {
        filled += bytes;
        if filled > MAX_BYTES {
            parts.push(std::mem::take(part));
            filled = HEAD + bytes;
        }
    };
    for record in records {
        room_for(record_bytes(&record), &mut part);
        part.0.push(record);
    }
    for name in names {
        room_for(OBSERVATION + name.name.len(), &mut part);
        part.1.push(name);
    }
    parts.push(part);
    parts
}

/// More than a record takes.
fn record_bytes(record: &FlowRecord) -> usize {
    let names = record.names.as_deref().map_or(0, |names| {
        let all = [&names.tls_server_name, &names.http_host, &names.dns_query];
        all.into_iter().flatten().map(|name| name.len() + 4).sum()
    });
    let layers = record
        .encapsulation
        .as_deref()
        .map_or(0, |wrapped| (wrapped.vlans.len() + wrapped.mpls.len() + wrapped.tunnels.len()) * LAYER);
    RECORD + names + layers + record.summary.as_ref().map_or(0, |_| SUMMARY)
}

const _: () = assert!(
    MAX_BYTES / OBSERVATION < super::MAX_ITEMS && MAX_BYTES / RECORD < super::MAX_ITEMS,
    "what fits by its octets fits by its number"
);
