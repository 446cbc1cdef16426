//! Which end is the client: all evidence for a service weighed together, as log-odds.
//!
//! A collector orders the ends of each connection by what that connection shows. Here everything that all
//! connections of an edge show is added up, with what other clients do, so that one late handshake settles the
//! connections that were met in the middle. A connection met in the middle may have been read the wrong way
//! round: [`settle`] finds such readings and gives their traffic to the right edge.

mod readings;

mod weights;

use std::borrow::Borrow;
use std::collections::HashMap;

use watershed_model::{Edge, EdgeKey, Evidence, Party, Protocol};

pub(crate) use readings::{Reading, settle};
use weights::{Family, WEIGHTS, is_connected};

/// How sure it is that an edge's client is the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// The natural logarithm of the odds that it is; negative when it is rather the server.
    pub log_odds: f64,
    /// The edge the other way whose replies this edge may be, where there is one.
    pub reversed: Option<EdgeKey>,
    /// Connections that had been read the other way round and were given to this edge.
    pub corrected: u64,
}

impl Direction {
    const fn of(log_odds: f64) -> Self {
        Self { log_odds, reversed: None, corrected: 0 }
    }

    /// The probability that the edge's client is the client, from 0 to 1.
    #[must_use]
    pub fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.log_odds).exp())
    }
}

/// How many clients each service surely answered: a port that many use is a server's.
#[derive(Debug, Default)]
pub struct FanIn(HashMap<(Party, Protocol, u16), u64>);

impl FanIn {
    /// Counts the clients of every service among `edges`, each of which is another client.
    #[must_use]
    pub fn of<E: Borrow<Edge>>(edges: impl IntoIterator<Item = E>) -> Self {
        let mut clients = HashMap::new();
        for edge in edges {
            let EdgeKey { server, protocol, port, .. } = &edge.borrow().key;
            if edge.borrow().answered > handed_over(edge.borrow()) && protocol.has_ports() {
                *clients.entry((server.clone(), *protocol, *port)).or_default() += 1;
            }
        }
        Self(clients)
    }

    /// How many clients the service of `key` answered.
    fn clients(&self, key: &EdgeKey) -> u64 {
        self.0.get(&(key.server.clone(), key.protocol, key.port)).copied().unwrap_or(0)
    }

    /// How sure the direction of `edge` is, by itself and by how many clients its service has.
    ///
    /// The sum of, each in natural units of log-odds (see `weights`):
    ///
    /// 1. of each family of evidence, the weightiest kind that was seen;
    /// 2. ICMP: its type;
    /// 3. datagrams: how many more flows the client began than the server, but for one;
    /// 4. more than one client of the server's port;
    /// 5. less connections that speak against it, in proportion to those that speak for it.
    ///
    /// What was seen in no more connections than had an end that changed hands meanwhile may be of another pair, and
    /// weighs half; a client with no others does not count as one.
    #[must_use]
    pub fn direction(&self, edge: &Edge) -> Direction {
        let protocol = edge.key.protocol;
        let families = [Family::Opening, Family::Message, Family::Declared, Family::Ports];
        let mut sum: f64 = families.into_iter().map(|family| family_weight(edge, family)).sum();
        if protocol.is_icmp() {
            sum += weights::ICMP;
        } else if !is_connected(protocol) {
            sum += first_packets(edge);
        }
        if self.clients(&edge.key) > 1 {
            sum += if is_connected(protocol) { weights::FAN_IN_CONNECTED } else { weights::FAN_IN_DATAGRAMS };
        }
        Direction::of((sum - contradiction(edge)).clamp(-weights::DEFINED, weights::DEFINED))
    }
}

fn family_weight(edge: &Edge, family: Family) -> f64 {
    WEIGHTS
        .iter()
        .filter(|weight| weight.family == family && edge.evidence.of(weight.flag) > 0)
        .map(|weight| {
            let sure = u64::from(edge.evidence.of(weight.flag)) > handed_over(edge);
            weight.over(edge.key.protocol) * if sure { 1.0 } else { weights::HANDED_OVER }
        })
        .fold(0.0, f64::max)
}

/// Connections an end of which changed hands meanwhile, so that they may be of another pair of workloads.
pub(crate) fn handed_over(edge: &Edge) -> u64 {
    edge.evidence.of(Evidence::HANDED_OVER).into()
}

/// Flows are independent draws: each begins with the client, or was met at any packet of either side. One of
/// them may have been under way when the capture began, so one says nothing.
fn first_packets(edge: &Edge) -> f64 {
    let client = f64::from(edge.evidence.of(Evidence::FIRST_PACKET));
    let server = edge.connections as f64 - client;
    let ahead = client - server;
    let counted = (ahead.abs() - 1.0).max(0.0) * weights::FIRST_PACKET;
    counted.min(weights::FIRST_PACKETS).copysign(ahead)
}

/// What speaks against, in proportion to the strongest family that speaks for it.
fn contradiction(edge: &Edge) -> f64 {
    let seen = |family| {
        let of_family = WEIGHTS.iter().filter(move |weight| weight.family == family);
        of_family.map(|weight| edge.evidence.of(weight.flag)).max().filter(|&seen| seen > 0)
    };
    let mut families = [Family::Opening, Family::Message, Family::Declared, Family::Ports].into_iter();
    let confirmed = families.find_map(seen);
    let ratio = f64::from(edge.evidence.of(Evidence::CONTRADICTED)) / f64::from(confirmed.unwrap_or(1));
    weights::CONTRADICTED * ratio.min(weights::MAX_CONTRADICTION)
}

/// Whether any kind of this family was seen.
pub(crate) fn shows(edge: &Edge, family: Family) -> bool {
    family_weight(edge, family) > 0.0
}

#[cfg(test)]
mod tests;
