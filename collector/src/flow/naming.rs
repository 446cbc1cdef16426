//! The names in a connection's payload, and who spoke as its client.

use watershed_model::{Evidence, NameHints, NameObservation};

use super::entry::Entry;
use super::slab::Slab;
use crate::decode::Segment;
use crate::names::{Findings, NameReader, Payload, Progress, Side};

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
    /// Lent to readers, and emptied after each packet.
    findings: Findings,
    observations: Vec<NameObservation>,
}

#[derive(Debug)]
struct Connection {
    /// `None` once it is done.
    reader: Option<NameReader>,
    hints: NameHints,
    evidence: [Evidence; 2],
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
            entry.names = self.connections.insert(Connection {
                reader: Some(reader),
                hints: NameHints::default(),
                evidence: [Evidence::empty(); 2],
            });
        }
        let Some(connection) = self.connections.get_mut(entry.names) else { return };
        let Some(reader) = &mut connection.reader else { return };
        let payload = Payload {
            from: if segment.from_low { Side::A } else { Side::B },
            offset,
            bytes: segment.payload,
            time: segment.time,
            destination: entry.key.endpoint(!segment.from_low).address,
        };
        let progress = reader.read(&payload, &mut self.findings);
        if !self.findings.is_empty() {
            connection.keep(&mut self.findings, &mut self.observations);
        }
        // Where the capture cut a segment short, what follows it cannot be joined to it.
        let cut_stream = entry.is_tcp() && segment.payload.len() < segment.payload_length as usize;
        if progress == Progress::Done || cut_stream {
            entry.names_done = true;
            connection.reader = None;
            if connection.is_blank() {
                self.connections.remove(std::mem::take(&mut entry.names));
            }
        }
    }

    /// What the connection told so far.
    pub(super) fn told(&self, entry: &Entry) -> Told {
        let Some(connection) = self.connections.get(entry.names) else { return Told::default() };
        Told {
            hints: (!connection.hints.is_empty()).then(|| Box::new(connection.hints.clone())),
            evidence: connection.evidence,
        }
    }

    pub(super) fn release(&mut self, entry: &mut Entry) {
        self.connections.remove(std::mem::take(&mut entry.names));
    }

    pub(super) fn take_observations(&mut self) -> Vec<NameObservation> {
        std::mem::take(&mut self.observations)
    }
}

impl Connection {
    fn keep(&mut self, findings: &mut Findings, observations: &mut Vec<NameObservation>) {
        let Findings { hints, evidence, observations: found, .. } = findings;
        let NameHints { tls_server_name, http_host, dns_query } = std::mem::take(hints);
        self.hints.tls_server_name = self.hints.tls_server_name.take().or(tls_server_name);
        self.hints.http_host = self.hints.http_host.take().or(http_host);
        self.hints.dns_query = self.hints.dns_query.take().or(dns_query);
        for (mine, theirs) in self.evidence.iter_mut().zip(std::mem::take(evidence)) {
            *mine |= theirs;
        }
        observations.append(found);
    }

    fn is_blank(&self) -> bool {
        self.hints.is_empty() && self.evidence == [Evidence::empty(); 2]
    }
}
