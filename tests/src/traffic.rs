//! A network's traffic for benchmarks: many connections at once, and what a flow tool must find in them.
//!
//! The traffic of a data centre in miniature: clients that each use a handful of services over TCP and
//! UDP, long and short connections in turns, every tenth client on IPv6, and scanners that sweep
//! addresses where nobody answers. The same configuration gives the same packets, always.

mod connection;

mod population;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use fastrand::Rng;
use serde::Serialize;
use watershed_model::{Protocol, Timestamp};

use crate::synth::link;
use connection::{Connection, Sent, Side};
use population::Population;

/// How much traffic to make.
#[derive(Clone, Copy, Debug)]
pub struct TrafficConfig {
    /// Packets in all.
    pub packets: u64,
    /// Connections open at the same time; at least [`MIN_CONCURRENT`] counts.
    pub concurrent: u32,
    /// Where the random numbers start.
    pub seed: u64,
}

/// Fewer would leave gaps between packets no room to vary.
pub const MIN_CONCURRENT: u32 = 64;

/// When the first packet is sent: 2026-01-01T00:00:00Z, seconds since the Unix epoch.
const START_SECONDS: i64 = 1_767_225_600;
/// Length of a slot of the schedule, nanoseconds.
const TICK: u64 = 10_000;

/// What the traffic is made of.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Packets written.
    pub packets: u64,
    /// Connections of which at least one packet was written.
    pub connections: u64,
    /// Most connections open at the same time.
    pub concurrent: u32,
    /// What was sent on each edge.
    pub edges: BTreeMap<EdgeName, EdgeTotals>,
}

/// What makes an edge, in the order of the listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeName {
    /// Who asks.
    pub client: IpAddr,
    /// Who is asked.
    pub server: IpAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The server's port.
    pub port: u16,
}

/// What was sent on an edge; the names are those of `watershed edges --format json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EdgeTotals {
    /// Connections, answered or not.
    pub connections: u64,
    /// IP packets that clients sent.
    pub packets_to_server: u64,
    /// IP packets that servers sent.
    pub packets_to_client: u64,
    /// IP total lengths of what clients sent, octets.
    pub bytes_to_server: u64,
    /// IP total lengths of what servers sent, octets.
    pub bytes_to_client: u64,
}

impl Truth {
    /// Writes one JSON object a line, in the order of the edges: [`EdgeName`] and [`EdgeTotals`] in one.
    pub fn write(&self, mut out: impl io::Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            client: IpAddr,
            server: IpAddr,
            protocol: String,
            port: u16,
            #[serde(flatten)]
            totals: &'a EdgeTotals,
        }
        for (name, totals) in &self.edges {
            let &EdgeName { client, server, protocol, port } = name;
            let line = Line { client, server, protocol: protocol.to_string(), port, totals };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Makes the traffic, and hands each Ethernet frame to `write` in order of time.
pub fn generate(
    config: TrafficConfig,
    mut write: impl FnMut(Timestamp, &[u8]) -> io::Result<()>,
) -> io::Result<Truth> {
    let concurrent = config.concurrent.max(MIN_CONCURRENT);
    let mut rng = Rng::with_seed(config.seed);
    let mut population = Population::new(concurrent);
    let mut totals = Totals::default();
    let mut schedule = Schedule::new(concurrent);
    let mut frame = Vec::with_capacity(2048);

    let mut connections: Vec<Connection> = Vec::with_capacity(concurrent as usize);
    for slot in 0..concurrent {
        connections.push(population.connection(&mut rng));
        schedule.put(slot, rng.u32(0..concurrent));
    }

    let mut packets = 0;
    while packets < config.packets {
        let Some((time, slot)) = schedule.next() else { continue };
        let connection = &mut connections[slot as usize];
        frame.clear();
        let sent = connection.send(&mut rng, &mut frame);
        write(time, &frame)?;
        totals.count(connection, sent, frame.len() - ETHERNET_HEADER);
        packets += 1;
        if sent.last {
            *connection = population.connection(&mut rng);
        }
        schedule.put(slot, sent.pause.ticks(&mut rng, concurrent));
    }
    Ok(totals.into_truth(packets, concurrent))
}

const ETHERNET_HEADER: usize = 14;

/// How long a connection waits before its next packet.
#[derive(Clone, Copy, Debug)]
enum Pause {
    /// A network round trip.
    RoundTrip,
    /// A program at work.
    Work,
}

impl Pause {
    /// A random wait around this pause's mean, in ticks; with `concurrent` connections a packet a tick
    /// and more come together.
    fn ticks(self, rng: &mut Rng, concurrent: u32) -> u32 {
        match self {
            Self::RoundTrip => rng.u32(concurrent / 64..=concurrent / 8),
            Self::Work => rng.u32(concurrent / 4..=concurrent / 4 * 7),
        }
        .max(1)
    }
}

/// A timer wheel: which connection sends next.
struct Schedule {
    /// First connection of each tick's list.
    heads: Vec<u32>,
    /// The connection after each connection in its tick's list.
    nexts: Vec<u32>,
    now: u64,
    /// How many have been handed out for this tick.
    handed_out: u64,
}

impl Schedule {
    const NONE: u32 = u32::MAX;
    /// Packets of one tick are this far apart, nanoseconds: sixteen fill a tick.
    const SPACING: u64 = TICK / 16;

    fn new(concurrent: u32) -> Self {
        // Longer than the longest pause, so that a list holds connections of one tick only.
        let ticks = (concurrent as usize * 2).next_power_of_two();
        let (heads, nexts) = (vec![Self::NONE; ticks], vec![Self::NONE; concurrent as usize]);
        Self { heads, nexts, now: 0, handed_out: 0 }
    }

    fn put(&mut self, slot: u32, after: u32) {
        let index = self.index(self.now + u64::from(after));
        self.nexts[slot as usize] = std::mem::replace(&mut self.heads[index], slot);
    }

    /// The connection that sends now, and the time; `None` moves to the next tick.
    fn next(&mut self) -> Option<(Timestamp, u32)> {
        let index = self.index(self.now);
        let slot = self.heads[index];
        if slot == Self::NONE {
            self.now += 1;
            self.handed_out = 0;
            return None;
        }
        self.heads[index] = self.nexts[slot as usize];
        let within = (self.handed_out * Self::SPACING).min(TICK - 1);
        self.handed_out += 1;
        let nanos = self.now * TICK + within;
        let time = Timestamp::from_parts(START_SECONDS, 0).plus(std::time::Duration::from_nanos(nanos));
        Some((time, slot))
    }

    fn index(&self, tick: u64) -> usize {
        tick as usize & (self.heads.len() - 1)
    }
}

/// Counts what is sent, by edge.
#[derive(Default)]
struct Totals {
    edges: BTreeMap<EdgeName, u32>,
    totals: Vec<EdgeTotals>,
}

impl Totals {
    fn count(&mut self, connection: &mut Connection, sent: Sent, ip_bytes: usize) {
        let index = connection.edge.unwrap_or_else(|| self.start(connection.name()));
        connection.edge = Some(index);
        let totals = &mut self.totals[index as usize];
        match sent.by {
            Side::Client => {
                totals.packets_to_server += 1;
                totals.bytes_to_server += ip_bytes as u64;
            }
            Side::Server => {
                totals.packets_to_client += 1;
                totals.bytes_to_client += ip_bytes as u64;
            }
        }
    }

    /// Counts a new connection, and tells where its edge's totals are.
    fn start(&mut self, name: EdgeName) -> u32 {
        let index = *self.edges.entry(name).or_insert(self.totals.len() as u32);
        if index as usize == self.totals.len() {
            self.totals.push(EdgeTotals::default());
        }
        self.totals[index as usize].connections += 1;
        index
    }

    fn into_truth(self, packets: u64, concurrent: u32) -> Truth {
        let connections = self.totals.iter().map(|totals| totals.connections).sum();
        let edges = self.edges.into_iter().map(|(name, index)| (name, self.totals[index as usize])).collect();
        Truth { packets, connections, concurrent, edges }
    }
}

/// Starts a frame between two addresses.
fn start_frame(frame: &mut Vec<u8>, from: IpAddr, to: IpAddr) {
    link::push_ethernet_header(frame, from, to, &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: TrafficConfig = TrafficConfig { packets: 20_000, concurrent: 500, seed: 1 };

    #[test]
    fn the_same_configuration_gives_the_same_packets() {
        let run = || {
            let mut all = Vec::new();
            let truth = generate(CONFIG, |time, frame| {
                all.push((time, frame.to_vec()));
                Ok(())
            });
            (all, truth.unwrap().edges)
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn the_truth_adds_up_and_time_never_goes_back() {
        let (mut last, mut bytes) = (Timestamp::MIN, 0);
        let truth = generate(CONFIG, |time, frame| {
            assert!(time >= last);
            last = time;
            bytes += (frame.len() - ETHERNET_HEADER) as u64;
            Ok(())
        })
        .unwrap();
        let sum = |of: fn(&EdgeTotals) -> u64| truth.edges.values().map(of).sum::<u64>();
        assert_eq!(sum(|t| t.packets_to_server + t.packets_to_client), CONFIG.packets);
        assert_eq!(sum(|t| t.bytes_to_server + t.bytes_to_client), bytes);
        assert_eq!(sum(|t| t.connections), truth.connections);
        assert!(truth.edges.keys().any(|edge| edge.client.is_ipv6()));
        assert!(truth.edges.values().any(|edge| edge.packets_to_client == 0));
    }
}
