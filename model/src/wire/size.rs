//! What fits in a message.

use super::MAX_BYTES;
use crate::{Evidence, FlowRecord, Listener, NameObservation};

/// Octets of a record without its strings and what it was wrapped in, at most: every field at its longest is
/// less. Real ones take a third.
const RECORD: usize = 256;

/// Octets of a name observation without its name, at most.
const OBSERVATION: usize = 72;

/// Octets of a listener without the names of who listens, at most.
const LISTENER: usize = 72;

/// Octets of a tunnel, a tag or a label, at most.
const LAYER: usize = 56;

/// Octets of a summary, at most: thirteen states, the kinds of evidence, and four more numbers.
const SUMMARY: usize = 16 * 10 + Evidence::COUNT * 5 + 16;

/// Octets of whatever else a batch holds, at most: the agent's name and the counters.
const HEAD: usize = 2_048;

/// What is to be shipped, or what of it fits in one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Flow records.
    pub records: Vec<FlowRecord>,
    /// Names seen in DNS answers.
    pub names: Vec<NameObservation>,
    /// What the host listens on.
    pub listeners: Vec<Listener>,
}

/// Cuts what is to be shipped into parts that each fit in a message: mostly one, at least one.
///
/// Since every item counts with more octets than it takes, a part is within the limit of items, too.
#[must_use]
pub fn cut(all: Part) -> Vec<Part> {
    let (mut parts, mut part) = (Vec::new(), Part::default());
    let mut filled = HEAD;
    let mut room_for = |bytes: usize, part: &mut _| {
        filled += bytes;
        if filled > MAX_BYTES {
            parts.push(std::mem::take(part));
            filled = HEAD + bytes;
        }
    };
    for record in all.records {
        room_for(record_bytes(&record), &mut part);
        part.records.push(record);
    }
    for name in all.names {
        room_for(OBSERVATION + name.name.len(), &mut part);
        part.names.push(name);
    }
    for listener in all.listeners {
        room_for(LISTENER + owner_bytes(&listener), &mut part);
        part.listeners.push(listener);
    }
    parts.push(part);
    parts
}

fn owner_bytes(listener: &Listener) -> usize {
    let owner = listener.owner.as_ref();
    owner.map_or(0, |owner| owner.process.len() + owner.unit.as_ref().map_or(0, |unit| unit.len()))
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
    MAX_BYTES / OBSERVATION < super::MAX_ITEMS
        && MAX_BYTES / RECORD < super::MAX_ITEMS
        && MAX_BYTES / LISTENER < super::MAX_ITEMS,
    "what fits by its octets fits by its number"
);
