//! Mined rules: what each level says of a small cluster, and what it must never say.

#[path = "cluster/mod.rs"]
mod cluster;

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::{Cluster, cluster, edge, edges, outside, pod};
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::mine::{Census, Frontier, Level, Plan, mine};

fn plan(edges: &[Edge], level: Level) -> Plan {
    mine(&Census::of(edges, &[]).expect("a census"), level)
}

fn listed(plan: &Plan) -> Vec<String> {
    plan.rules.iter().map(ToString::to_string).collect()
}

#[test]
fn nano_dump() {
    for level in Level::ALL {
        let plan = plan(&edges(), level);
        println!("== {level} {}", plan.price());
        for rule in &plan.rules { println!("{rule}   [{}] {}", rule.price, rule.id); }
    }
    panic!();
}
