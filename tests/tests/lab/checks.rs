//! A recording without an inventory against the truth: everything by address.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::observed::{Observed, list, number, text, texts};
use crate::truth::{Edge, Scan, Truth, Use};

/// Everything that is not as it was driven.
pub(crate) fn complaints(truth: &Truth, observed: &Observed) -> Vec<String> {
    let mut complaints = Vec::new();
    edges_are_found(truth, observed, &mut complaints);
    nothing_is_invented(truth, observed, &mut complaints);
    names_are_found(truth, observed, &mut complaints);
    overlays_are_told(truth, observed, &mut complaints);
    scans_are_in_the_ledger(truth, observed, &mut complaints);
    rules_allow_what_was_answered(truth, observed, &mut complaints);
    packets_are_accounted_for(truth, observed, &mut complaints);
    complaints
}

fn edges_are_found(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let (edges, judged) = (observed.edges(), observed.judged());
    for Edge { usage, minimum_connections, answered, .. } in &truth.edges {
        let Some(found) = edges.get(usage) else {
            complaints.push(format!("not found: {usage}"));
            continue;
        };
        let connections = number(&found["connections"]);
        if connections < *minimum_connections {
            complaints.push(format!("{usage}: {connections} connections, held {minimum_connections}"));
        }
        let were_answered = number(&judged[usage]["answered"]);
        let least = if *answered { *minimum_connections } else { 0 };
        if were_answered < least || (!answered && were_answered > 0) {
            complaints.push(format!("{usage}: {were_answered} answered, held {least} that were"));
        }
    }
    for attempt in truth.attempts() {
        match judged.get(attempt) {
            None => complaints.push(format!("not found: {attempt}, in vain")),
            Some(found) if number(&found["answered"]) > 0 => {
                complaints.push(format!("answered, although in vain: {attempt}"));
            }
            Some(_) => {}
        }
    }
}

fn nothing_is_invented(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let mut driven: BTreeSet<Use> = truth.edges.iter().map(|edge| edge.usage.clone()).collect();
    driven.extend(truth.attempts().cloned());
    driven.extend(truth.scans.iter().flat_map(Scan::probes));
    let invented = observed.edges().into_keys().filter(|usage| !driven.contains(usage));
    complaints.extend(
        invented.filter(|usage| !truth.is_background(usage)).map(|usage| format!("never happened: {usage}")),
    );
}

fn names_are_found(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let edges = observed.edges();
    for Edge { usage, names, .. } in &truth.edges {
        let Some(found) = edges.get(usage) else { continue };
        let found = texts(&found["names"]);
        // All lookups go over IPv4. That a client of an IPv6 address is who asked for it, under another
        // address of its own, only an inventory knows.
        let joinable = names.iter().filter(|name| !usage.server.contains(':') || !gives(truth, name, usage));
        complaints.extend(
            joinable
                .filter(|name| !found.contains(*name))
                .map(|name| format!("{usage}: not found to be called {name}")),
        );
        let wrong = found.iter().filter(|name| !names.contains(*name) && !gives(truth, name, usage));
        complaints.extend(wrong.map(|name| format!("{usage}: never called {name}")));
    }
    let graph = observed.graph();
    let nodes = list(&graph["nodes"]);
    for (name, address) in truth.names.iter().flat_map(|(n, addresses)| addresses.iter().map(move |a| (n, a)))
    {
        let node = nodes.iter().find(|node| node["id"] == **address);
        if !node.is_some_and(|node| texts(&node["names"]).contains(name)) {
            complaints.push(format!("{address}: not found to be called {name}"));
        }
    }
}

/// Whether DNS says that the server has this name.
fn gives(truth: &Truth, name: &str, usage: &Use) -> bool {
    truth.names.get(name).is_some_and(|addresses| addresses.contains(&usage.server))
}

fn overlays_are_told(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let flows = observed.flows();
    for Edge { usage, vni, .. } in &truth.edges {
        let same = |flow: &&Value| {
            let service = if usage.protocol.starts_with("icmp") { "client_port" } else { "server_port" };
            flow["client"] == *usage.client
                && flow["server"] == *usage.server
                && flow["protocol"] == *usage.protocol
                && flow[service] == usage.port
        };
        for flow in flows.iter().filter(same) {
            let found = flow.get("tunnels").map(|tunnels| number(&tunnels[0]["id"]));
            if found != vni.map(u64::from) {
                complaints.push(format!("{usage}: in overlay {found:?}, not {vni:?}"));
            }
        }
    }
}

fn scans_are_in_the_ledger(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let (graph, judged) = (observed.graph(), observed.judged());
    let ledger = list(&graph["scans"]);
    for scan in &truth.scans {
        let of_scan = |entry: &&Value| entry["source"] == *scan.source && entry["protocol"] == *scan.protocol;
        let entries: Vec<&Value> = ledger.iter().filter(of_scan).collect();
        let listed = |probe: &Use| {
            entries.iter().any(|entry| {
                texts(&entry["targets"]).contains(&probe.server) && ports(entry).contains(&probe.port)
            })
        };
        for probe in scan.probes() {
            if !listed(&probe) {
                complaints.push(format!("not in the ledger: {probe}"));
            }
            if judged.get(&probe).is_none_or(|edge| edge["verdict"] == "accepted") {
                complaints.push(format!("not found to be a probe: {probe}"));
            }
        }
        // What looks like a use of the service waits for a person, and is told there.
        let told = |probe: &Use| {
            let open = entries.iter().flat_map(|entry| list(&entry["open"]));
            let listed = open.filter(|o| o["target"] == *probe.server && o["port"] == probe.port).count() > 0;
            listed || judged.get(probe).is_some_and(|edge| edge["verdict"] == "needs_person")
        };
        let untold = scan.open().filter(|probe| !told(probe));
        complaints.extend(untold.map(|probe| format!("not told to be open: {probe}")));
    }
    for attempt in truth.attempts() {
        let listed = ledger.iter().any(|entry| {
            entry["source"] == *attempt.client
                && entry["protocol"] == *attempt.protocol
                && texts(&entry["targets"]).contains(&attempt.server)
                && ports(entry).contains(&attempt.port)
        });
        if !listed {
            complaints.push(format!("not in the ledger: {attempt}"));
        }
    }
}

/// The ports of a ledger's entry, written as `22,80,8000-8100`.
fn ports(entry: &Value) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for run in text(&entry["ports"]).split(',') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        ports.extend(first.parse::<u16>().unwrap()..=last.parse().unwrap());
    }
    ports
}

fn rules_allow_what_was_answered(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let addresses = |party: &Value| texts(&party["addresses"]).into_iter().collect();
    let mut allowed = observed.allowed(addresses);
    allowed.retain(Use::is_possible);
    let accepted: BTreeSet<Use> = truth.accepted().map(|edge| edge.usage.clone()).collect();
    complaints.extend(accepted.difference(&allowed).map(|usage| format!("no rule allows {usage}")));
    complaints.extend(allowed.difference(&accepted).map(|usage| format!("a rule allows {usage}")));
    let held_back = observed.held_back();
    let one_way = truth.edges.iter().filter(|edge| !edge.answered && !held_back.contains(&edge.usage));
    complaints.extend(one_way.map(|edge| format!("not held back for a person: {}", edge.usage)));
}

fn packets_are_accounted_for(truth: &Truth, observed: &Observed, complaints: &mut Vec<String>) {
    let counters = &observed.graph()["counters"];
    let sum = |reasons: &Value| reasons.as_object().unwrap().values().map(number).sum::<u64>();
    let packets = number(&counters["packets"]);
    let accounted = number(&counters["in_flows"]) + sum(&counters["skipped"]) + sum(&counters["refused"]);
    if packets != truth.recording.packets || accounted != packets {
        let recorded = truth.recording.packets;
        complaints.push(format!("{recorded} packets recorded, {packets} read, {accounted} accounted for"));
    }
}
