//! Application groups without labels, against estates whose applications are known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_graph::{Graph, GraphConfig};
use watershed_model::{Party, Protocol, Snapshot};
use watershed_tests::estate_groups::{Style, adjusted_rand_index, edge, generate};

use crate::support::{oracle, table};

/// The least agreement with the truth.
const AGREEMENT: f64 = 0.9;

/// The agreement of the proposed groups with the truth, and the numbers of groups: proposed, true.
fn agreement(snapshot: &Snapshot, truth: &BTreeMap<IpAddr, usize>) -> (f64, usize, usize) {
    let graph = Graph::of(snapshot, &GraphConfig::default());
    let parties: Vec<&Party> = graph.nodes().map(|node| &node.party).collect();
    let proposals = graph.proposals();
    let proposed: BTreeMap<IpAddr, &str> = proposals
        .entries()
        .iter()
        .filter_map(|proposal| match parties[proposal.node] {
            Party::Address(address) => Some((*address, proposal.app.as_ref()?.value.as_str())),
            Party::Workload(_) => None,
        })
        .collect();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (address, app) in truth {
        // Whoever is in no group is one of its own.
        let group = proposed.get(address).map_or_else(|| address.to_string(), |&app| app.to_owned());
        let next = numbers.len();
        ours.push(*numbers.entry(group).or_insert(next));
        theirs.push(*app);
    }
    let groups = theirs.iter().collect::<BTreeSet<_>>().len();
    (adjusted_rand_index(&ours, &theirs), numbers.len(), groups)
}

#[test]
fn generated_estates() {
    for style in [Style::Tiers, Style::Microservices] {
        for (noise_every, seed) in
            [(20, 1), (20, 2), (20, 3), (10, 4), (10, 5), (10, 6), (5, 7), (5, 8), (5, 9)]
        {
            let estate = generate(style, 2_000, noise_every, seed);
            let edges = estate.snapshot.edges.len();
            let (index, proposed, truth) = agreement(&estate.snapshot, &estate.truth);
            println!(
                "groups: {style:?}, 2,000 workloads, {edges} edges, 1 in {noise_every} noise: {proposed} groups, \
                 {truth} true, adjusted Rand index {index:.3}"
            );
            assert!(index >= AGREEMENT, "{style:?} with seed {seed}: {index}");
        }
    }
}

/// The applications of the policy oracles side by side, one pod of each workload.
#[test]
fn known_applications() {
    let Some(folder) = oracle("policy") else { return };
    let mut used: Vec<(String, String, u16)> = Vec::new();
    let apps = ["cta__onlineboutique", "cta__sockshop", "cta__bookinfo", "npa__acs-security-demos"];
    for app in apps {
        let named = |name: &str| format!("{app}/{name}");
        match app {
            "cta__onlineboutique" => {
                let rows = table(&folder.join(app).join("edges.tsv"));
                let inside = rows.iter().filter(|row| row["src"] != "<external>");
                used.extend(inside.map(|row| (named(&row["src"]), named(&row["dst"]), port(&row["port"]))));
            }
            "npa__acs-security-demos" => {
                let list = folder.join(app).join("expected/acs-security-demos_connlist_output.csv");
                let text = std::fs::read_to_string(list).expect("a list of connections");
                let rows = text.lines().skip(1).filter(|row| !row.contains("0.0.0.0"));
                let columns = rows.map(|row| row.split(',').collect::<Vec<_>>());
                used.extend(columns.filter_map(|columns| {
                    let number = columns.get(2)?.rsplit(' ').next()?;
                    Some((named(columns[0]), named(columns[1]), port(number)))
                }));
            }
            _ => {
                let rows = table(&folder.join(app).join("expected_rules.tsv"));
                let pods = rows.iter().filter(|row| row["direction"] == "ingress");
                used.extend(pods.filter_map(|row| {
                    let (client, server) = (row["peer"].strip_prefix("pod:")?, &row["subject_selector"]);
                    Some((named(client), named(server), port(&row["port"])))
                }));
            }
        }
    }
    let names: BTreeSet<&str> = used.iter().flat_map(|(a, b, _)| [a.as_str(), b.as_str()]).collect();
    let addresses: BTreeMap<&str, IpAddr> =
        names.iter().zip(1..=u8::MAX).map(|(name, n)| (*name, IpAddr::from([10, 0, 0, n]))).collect();
    let mut edges: Vec<_> = used
        .iter()
        .map(|(a, b, port)| edge(addresses[a.as_str()], addresses[b.as_str()], Protocol::TCP, *port, 10))
        .collect();
    edges.sort_by(|a, b| a.key.cmp(&b.key));
    edges.dedup_by(|a, b| a.key == b.key);
    let of = |name: &str| apps.iter().position(|app| name.starts_with(app)).expect("one of them");
    let truth = addresses.iter().map(|(name, address)| (*address, of(name))).collect();
    let snapshot = Snapshot { edges, ..generate(Style::Tiers, 100, 20, 1).snapshot };
    let (index, proposed, groups) = agreement(&snapshot, &truth);
    println!(
        "groups: {} workloads of the policy oracles: {proposed} groups, {groups} true, adjusted Rand index {index:.3}",
        addresses.len()
    );
    assert!(index >= AGREEMENT, "{index}");
}

/// Where the case does not say, all ports are meant, of which one is as good as another.
fn port(text: &str) -> u16 {
    text.parse().unwrap_or(8080)
}
