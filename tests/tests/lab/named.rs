//! The same recording with its inventory: the same traffic, between workloads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::observed::{Observed, number, text, texts};
use crate::truth::{Edge, Truth, Use};

/// Hosts that the inventory has no entry of their own for, and the network whose name they get.
const NETWORKS: [(&str, &str); 2] = [("client1", "customers"), ("client2", "customers")];

/// Everything that is not as it was driven, or not as it is by address.
pub(crate) fn complaints(truth: &Truth, by_address: &Observed, by_name: &Observed) -> Vec<String> {
    let mut complaints = Vec::new();
    edges_are_found(truth, by_name, &mut complaints);
    rules_allow_what_was_answered(truth, by_name, &mut complaints);
    let (addresses, names) = (totals(by_address), totals(by_name));
    if addresses != names {
        complaints.push(format!("the inventory changed the totals: {addresses:?} became {names:?}"));
    }
    complaints
}

fn named(edge: &Edge) -> Use {
    let known = |name: &str| {
        let network = NETWORKS.iter().find(|(host, _)| *host == name);
        network.map_or(name, |(_, network)| network).to_owned()
    };
    Use { client: known(&edge.client_name), server: known(&edge.server_name), ..edge.usage.clone() }
}

fn edges_are_found(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let mut driven: BTreeMap<Use, (u64, BTreeSet<String>)> = BTreeMap::new();
    for edge in &truth.edges {
        let (connections, names) = driven.entry(named(edge)).or_default();
        *connections += edge.minimum_connections;
        names.extend(edge.names.iter().cloned());
    }
    let edges = observed.edges();
    for (usage, (minimum, names)) in driven {
        let Some(found) = edges.get(&usage) else {
            complaints.push(format!("not found with the inventory: {usage}"));
            continue;
        };
        let connections = number(&found["connections"]);
        if connections < minimum {
            complaints.push(format!("{usage}: {connections} connections, held {minimum}"));
        }
        let found = texts(&found["names"]);
        let missing = names.difference(&found);
        complaints.extend(missing.map(|name| format!("{usage}: not found to be called {name}")));
    }
}

fn rules_allow_what_was_answered(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let allowed = observed.allowed(|party: &Value| vec![text(&party["name"]).to_owned()]);
    let accepted: BTreeSet<Use> = truth.accepted().map(named).collect();
    complaints.extend(accepted.difference(&allowed).map(|usage| format!("no rule allows {usage}")));
    complaints.extend(allowed.difference(&accepted).map(|usage| format!("a rule allows {usage}")));
}

fn totals(observed: &Observed) -> BTreeMap<&'static str, u64> {
    const SUMMED: [&str; 5] =
        ["connections", "packets_to_server", "packets_to_client", "bytes_to_server", "bytes_to_client"];
    let edges = observed.edges();
    SUMMED.into_iter().map(|field| (field, edges.values().map(|edge| number(&edge[field])).sum())).collect()
}
