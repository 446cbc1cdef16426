//! Histories of dependencies over weeks, with a future to compare with: jobs by day, week and month, rare
//! edges, deployments that come and go, and loss.
//!
//! Everything is drawn from a seed. The future is what would really be denied by rules of the past: edges that
//! are used in it and are not in the snapshot, whether they did not exist yet or were lost.

mod habits;

mod loss;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use watershed_model::{
    Counters, Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Hour, Party, Protocol, Snapshot, StateCounts,
    TimeRange, Workload,
};

use habits::Habit;

/// Hours to come that the future is about: a week.
pub const HORIZON: i64 = 7 * 24;

/// Packets of an edge in an hour in which it is used.
const PACKETS: u64 = 20;

/// 2026-01-01 00:00 UTC, in hours.
const START: i64 = 490_896;

/// What was seen, and what comes.
#[derive(Debug)]
pub struct History {
    /// What a store tells of the past.
    pub snapshot: Snapshot,
    /// Edges used in the [`HORIZON`] after it that the past does not have.
    pub new: usize,
    /// Length of the past, hours.
    pub length: i64,
    /// Hours of the past with loss.
    pub lossy: usize,
}

/// Draws the history of `seed`.
#[must_use]
pub fn generate(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let length = rng.i64(10 * 24..=9 * 7 * 24);
    let all = habits::population(&mut rng, length + HORIZON);
    let losses = if rng.bool() { loss::draw(&mut rng, length) } else { BTreeMap::new() };

    let mut edges = Vec::new();
    let mut new = 0;
    let mut traffic: BTreeMap<i64, u64> = BTreeMap::new();
    for (index, habit) in all.iter().enumerate() {
        let used = habit.hours(&mut rng, length + HORIZON);
        let (past, future): (BTreeSet<i64>, BTreeSet<i64>) = used.iter().partition(|&&hour| hour < length);
        past.iter().for_each(|&hour| *traffic.entry(hour).or_default() += PACKETS);
        let seen: BTreeSet<i64> = past
            .into_iter()
            .filter(|hour| losses.get(hour).is_none_or(|loss| rng.f64() >= loss.share()))
            .collect();
        if seen.is_empty() {
            new += usize::from(!future.is_empty());
        } else {
            edges.push(edge(index, habit, &seen));
        }
    }
    edges.sort_by(|a, b| a.key.cmp(&b.key));
    let loss = losses.iter().map(|(&hour, loss)| loss.entry(Hour(START + hour), traffic.get(&hour).copied()));
    let loss = loss.collect();
    let period = TimeRange { start: Hour(START).start(), end: Hour(START + length).start() };
    let snapshot = Snapshot {
        period,
        edges,
        names: Vec::new(),
        listeners: Vec::new(),
        loss,
        counters: Counters::default(),
    };
    History { snapshot, new, length, lossy: losses.len() }
}

fn edge(index: usize, habit: &Habit, seen: &BTreeSet<i64>) -> Edge {
    let workload = |name: String| {
        Party::Workload(Arc::new(Workload { name, namespace: Some("estate".into()), ..Workload::default() }))
    };
    let hours: BTreeSet<Hour> = seen.iter().map(|hour| Hour(START + hour)).collect();
    let (first, last) = (hours.first().copied().unwrap_or(Hour(0)), hours.last().copied().unwrap_or(Hour(0)));
    let count = hours.len() as u64;
    Edge {
        key: EdgeKey {
            client: workload(format!("{}-{index}", habit.name())),
            server: workload(format!("server-{}", index % 17)),
            protocol: Protocol::TCP,
            port: 443,
        },
        connections: count,
        answered: count,
        to_server: EdgeTraffic { packets: PACKETS / 2 * count, ip_bytes: 0 },
        to_client: EdgeTraffic { packets: PACKETS / 2 * count, ip_bytes: 0 },
        first_seen: first.start(),
        last_seen: last.start(),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours,
        client_addresses: BTreeSet::new(),
        server_addresses: BTreeSet::new(),
        observers: BTreeSet::new(),
    }
}
