//! Two readings of the same traffic: the one that wins takes what the other was given.

use std::borrow::Cow;
use std::collections::HashMap;

use watershed_model::{Edge, Evidence, Party, Protocol};

use super::weights::{Family, is_connected};
use super::{Direction, FanIn, shows};

/// Ports from here on are given to clients by Linux; others start higher.
const EPHEMERAL: u16 = 32768;

/// An edge as it is read in the end, and how surely.
#[derive(Clone, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) edge: Cow<'a, Edge>,
    pub(crate) direction: Direction,
}

/// Decides every edge's direction. `edges` are in order of their keys, and so is what is returned.
///
/// An edge without handshake, message, declared or telling ports may be an edge the other way, read the wrong way round:
/// its client's port is then that edge's service, and its service's port one of that edge's client. Which
/// client's port it was is not kept, only whether it was higher than the server's and of the clients' range;
/// so an edge the other way fits if
///
/// 1. its direction is sure to `threshold` (log-odds), and
/// 2. its service lies as the client's ports of all the edge's connections did.
///
/// If one fits, the edge's traffic is that edge's. If several fit, or one fits an edge that only its ports
/// speak for, nobody knows: it stays, its odds are even, and it names the first that fits.
pub(crate) fn settle<'a>(edges: &[&'a Edge], threshold: f64) -> Vec<Reading<'a>> {
    let fan_in = FanIn::of(edges.iter().copied());
    let mut directions: Vec<Direction> = edges.iter().map(|edge| fan_in.direction(edge)).collect();

    let mut between: HashMap<(&Party, &Party, Protocol), Vec<usize>> = HashMap::new();
    for (number, edge) in edges.iter().enumerate() {
        // Only these are ever the winner.
        if directions[number].log_odds >= threshold {
            let ends = (&edge.key.client, &edge.key.server, edge.key.protocol);
            between.entry(ends).or_default().push(number);
        }
    }
    let mut taken: Vec<Option<usize>> = vec![None; edges.len()];
    for (number, edge) in edges.iter().enumerate() {
        let told = [Family::Opening, Family::Message, Family::Declared];
        if told.into_iter().any(|family| shows(edge, family)) || !edge.key.protocol.has_ports() {
            continue;
        }
        let ends = (&edge.key.server, &edge.key.client, edge.key.protocol);
        let opposite = between.get(&ends).into_iter().flatten().copied();
        let fitting: Vec<usize> = opposite.filter(|&other| fits(edge, edges[other])).collect();
        let by_ports = shows(edge, Family::Ports);
        let sure = directions[number].log_odds >= threshold;
        match fitting.as_slice() {
            [] => {}
            [winner] if !by_ports && !sure => taken[number] = Some(*winner),
            // What other evidence says more surely stands.
            [first, ..] if !sure || directions[*first].log_odds > directions[number].log_odds => {
                directions[number].log_odds = directions[number].log_odds.min(0.0);
                directions[number].reversed = Some(edges[*first].key.clone());
            }
            _ => {}
        }
    }
    hand_over(edges, directions, &taken)
}

/// Whether `edge` may be connections of `other`, which goes the other way, read the wrong way round.
fn fits(edge: &Edge, other: &Edge) -> bool {
    let (server, client) = (edge.key.port, other.key.port);
    // Services with a well-known port are not met on a port given to clients.
    if shows(edge, Family::Ports) && edge.evidence.of(Evidence::WELL_KNOWN_PORT) > 0 || server == client {
        return false;
    }
    let ephemeral = client >= EPHEMERAL && server < EPHEMERAL;
    let all_or_none = |flag, expected: bool| {
        let expected = if expected { edge.connections } else { 0 };
        u64::from(edge.evidence.of(flag)) == expected
    };
    all_or_none(Evidence::LOWER_PORT, server < client) && all_or_none(Evidence::EPHEMERAL_CLIENT, ephemeral)
}

/// Gives the traffic of every edge that was taken to its winner, and leaves it out.
fn hand_over<'a>(
    edges: &[&'a Edge],
    directions: Vec<Direction>,
    taken: &[Option<usize>],
) -> Vec<Reading<'a>> {
    let readings = edges.iter().zip(directions);
    let mut readings: Vec<Reading<'a>> =
        readings.map(|(&edge, direction)| Reading { edge: Cow::Borrowed(edge), direction }).collect();
    for (edge, winner) in edges.iter().zip(taken) {
        if let Some(winner) = winner {
            let winner = &mut readings[*winner];
            take_over(winner.edge.to_mut(), edge);
            winner.direction.corrected = winner.direction.corrected.saturating_add(edge.connections);
        }
    }
    let mut taken = taken.iter();
    readings.retain(|_| taken.next().is_none_or(Option::is_none));
    readings
}

/// Adds what was read the other way round. How its connections went is not told again: their states and their
/// evidence are those of the wrong end.
fn take_over(winner: &mut Edge, other: &Edge) {
    winner.connections = winner.connections.saturating_add(other.connections);
    // TCP that is met in the middle counts as answered when both sides sent data, whoever asked. Datagrams of
    // the wrong server are the right client's, so both must have sent.
    let both = is_connected(other.key.protocol) || other.to_server.packets > 0;
    winner.answered = winner.answered.saturating_add(if both { other.answered } else { 0 });
    for (mine, theirs) in [(&mut winner.to_server, other.to_client), (&mut winner.to_client, other.to_server)]
    {
        mine.packets = mine.packets.saturating_add(theirs.packets);
        mine.ip_bytes = mine.ip_bytes.saturating_add(theirs.ip_bytes);
    }
    winner.first_seen = winner.first_seen.min(other.first_seen);
    winner.last_seen = winner.last_seen.max(other.last_seen);
    winner.hours.extend(&other.hours);
    winner.client_addresses.extend(&other.server_addresses);
    winner.server_addresses.extend(&other.client_addresses);
    winner.observers.extend(other.observers.iter().cloned());
}
