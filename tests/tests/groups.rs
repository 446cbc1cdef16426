//! Application groups without labels, against estates whose applications are known.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use watershed_graph::{Graph, GraphConfig};
use watershed_model::{Party, Snapshot};
use watershed_tests::estate_groups::{Style, adjusted_rand_index, generate};

/// The least agreement with the truth.
const AGREEMENT: f64 = 0.9;

/// The agreement of the proposed groups with the truth, and the numbers of groups: proposed, true.
fn agreement(snapshot: &Snapshot, truth: &BTreeMap<IpAddr, usize>) -> (f64, usize, usize) {
    let config = GraphConfig::default();
    let graph = Graph::of(snapshot, &config);
    let parties: Vec<&Party> = graph.nodes().map(|node| &node.party).collect();
    let proposals = graph.proposals(&config);
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
    let groups = theirs.iter().collect::<std::collections::BTreeSet<_>>().len();
    (adjusted_rand_index(&ours, &theirs), numbers.len(), groups)
}

#[test]
fn generated_estates() {
    for (style, noise_every, seed) in [
        (Style::Tiers, 20, 1),
        (Style::Microservices, 20, 2),
        (Style::Tiers, 10, 3),
        (Style::Microservices, 10, 4),
    ] {
        let estate = generate(style, 2_000, noise_every, seed);
        let started = Instant::now();
        let (index, proposed, truth) = agreement(&estate.snapshot, &estate.truth);
        println!(
            "groups: {style:?}, 2,000 workloads, {} edges, 1 in {noise_every} noise: {proposed} groups of {truth}, adjusted Rand index {index:.3} ({:?})",
            estate.snapshot.edges.len(),
            started.elapsed()
        );
        assert!(index >= AGREEMENT, "{style:?}: {index}");
    }
}
