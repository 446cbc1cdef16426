//! The names in a connection's payload, and who spoke as its client.

use watershed_model::{Evidence, NameHints, NameObservation};

use super::entry::Entry;
use super::slab::Slab;
use crate::decode::Segment;
use crate::names::services::Services;
use crate::names::{Findings, Gathered, NameReader, Payload, Progress, Side};

/// What the payload of one connection told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) hints: Option<Box<NameHints>>,
    /// What speaks for the key's low and high end as client.
    pub(super) evidence: [Evidence; 2],
}

/// Readers of the connections that may still tell something, and what they told.
#[derive(Debug, Default)]
pub(super) struct Naming {
    connections: Slab<Connection>,
    gathered: Gathered,
}

#[derive(Debug)]
struct Connection {
    /// `None` once it is done.
    reader: Option<NameReader>,
    findings: Findings,
}

impl Naming {
    /// Reads one packet's payload. `offset` is where it starts in its TCP stream.
    pub(super) fn read(&mut self, entry: &mut Entry, segment: &Segment<'_>, offset: u32) {
        if entry.names == 0 {
            let (low, high) = (entry.key.port(true), entry.key.port(false));
            let Some(reader) = NameReader::for_flow(entry.key.protocol(), low, high) else {
                entry.names_done = true;
                return;
            };
            entry.names =
                self.connections.insert(Connection { reader: Some(reader), findings: Findings::default() });
        }
        let Some(connection) = self.connections.get_mut(entry.names) else { return };
        let Some(reader) = &mut connection.reader else { return };
        let payload = Payload {
            from: if segment.from_low { Side::A } else { Side::B },
            offset,
            bytes: segment.payload,
            cut: segment.payload.len() < segment.payload_length as usize,
            time: segment.time,
            destination: entry.key.endpoint(!segment.from_low).address,
        };
        let progress = reader.read(&payload, &mut connection.findings, &mut self.gathered);
        if progress == Progress::Done {
            entry.names_done = true;
            connection.reader = None;
            if connection.findings.is_empty() {
                self.connections.remove(std::mem::take(&mut entry.names));
            }
        }
    }

    /// What the connection told so far.
    pub(super) fn told(&self, entry: &Entry) -> Told {
        let Some(connection) = self.connections.get(entry.names) else { return Told::default() };
        let Findings { hints, evidence } = &connection.findings;
        Told { hints: (!hints.is_empty()).then(|| Box::new(hints.clone())), evidence: *evidence }
    }

    /// What the connection told; it is over.
    pub(super) fn take(&mut self, entry: &mut Entry) -> Told {
        let Some(connection) = self.connections.remove(std::mem::take(&mut entry.names)) else {
            return Told::default();
        };
        let Findings { hints, evidence } = connection.findings;
        Told { hints: (!hints.is_empty()).then(|| Box::new(hints)), evidence }
    }

    pub(super) fn take_observations(&mut self) -> Vec<NameObservation> {
        std::mem::take(&mut self.gathered.observations)
    }

    /// Where DNS says that services are, as of now.
    pub(super) const fn services(&self) -> &Services {
        &self.gathered.services
    }

    /// How often a limit kept something in a payload from being read.
    pub(super) const fn limited(&self) -> u64 {
        self.gathered.limited
    }
}
