//! A table that was full and nobody told: what is not known to be missing makes rules seem ready.

use std::collections::BTreeSet;

use watershed_model::{Counters, Edge, Hour, Loss, LossEntry, Protocol, Snapshot, TimeRange};
use watershed_policy::confidence::{ConfidenceConfig, assess};

use crate::cluster::{cluster, edge};

/// Five weeks of one dependency in every hour, and two days in which connections had no room.
const HOURS: i64 = 35 * 24;
const FULL: std::ops::Range<i64> = HOURS - 48..HOURS;

/// Whether what is told of loss decides: with it the rules are not ready, and the bound is wider.
pub(crate) fn is_noticed() -> bool {
    let told: Vec<LossEntry> = FULL
        .map(|hour| LossEntry { agent: "a".into(), hour: Hour(hour), loss: Loss::FlowsEvicted, count: 1_000 })
        .collect();
    let (untold, told) = (assessed(Vec::new()), assessed(told));
    untold.0 && !told.0 && untold.1 < told.1
}

/// Whether the rules are ready, and how much of what was not seen is expected.
fn assessed(loss: Vec<LossEntry>) -> (bool, f64) {
    let snapshot = Snapshot {
        period: TimeRange { start: Hour(0).start(), end: Hour(HOURS).start() },
        edges: edges(),
        names: Vec::new(),
        listeners: Vec::new(),
        loss,
        counters: Counters::default(),
    };
    let confidence = assess(&snapshot, &snapshot.edges, &ConfidenceConfig::default());
    (confidence.is_ready(), confidence.whole.bound.map_or(0.0, |bound| bound.expected))
}

fn edges() -> Vec<Edge> {
    let (front, api) = (cluster().front, cluster().api);
    let seen = |port: u16, hours: std::ops::Range<i64>| {
        let hours: BTreeSet<Hour> = hours.map(Hour).collect();
        let mut one = edge(&front, &api, Protocol::TCP, port);
        one.connections = hours.len() as u64;
        one.answered = one.connections;
        one.to_server.packets = 10 * one.connections;
        one.first_seen = hours.first().expect("an hour").start();
        one.last_seen = hours.last().expect("an hour").start();
        one.hours = hours;
        one
    };
    vec![seen(8080, 0..HOURS), seen(8081, 0..HOURS), seen(8082, 750..HOURS)]
}
