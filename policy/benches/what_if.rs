//! What-if and check at size: policies over distinct edges among workloads, linear in the edges; where few are denied,
//! as by policies that are about to be enforced, and where all are.
//!
//! `cargo bench -p watershed-policy --bench what_if`

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Party, Protocol, StateCounts, Timestamp, Workload,
};
use watershed_policy::check::{Given, Observed, check};
use watershed_policy::k8s::Manifests;
use watershed_policy::whatif::{Policies, what_if};

const NAMESPACES: usize = 100;
/// In each namespace.
const WORKLOADS: usize = 100;
/// In each namespace.
const POLICIES: usize = 10;

fn workloads() -> Vec<Party> {
    let workload = |namespace: usize, number: usize| {
        let label = |key: &str, value: String| (key.to_owned(), value);
        let labels = [
            label("app", format!("app-{number}")),
            label("tier", format!("tier-{}", number % POLICIES)),
            label("env", "production".into()),
        ];
        let (name, namespace) = (format!("app-{number}"), Some(format!("team-{namespace}")));
        Party::Workload(Arc::new(Workload {
            name,
            namespace,
            labels: Labels::from(labels),
            ..Workload::default()
        }))
    };
    (0..NAMESPACES)
        .flat_map(|namespace| (0..WORKLOADS).map(move |number| workload(namespace, number)))
        .collect()
}

/// Every policy isolates a tier for both directions, and lets it use the next tier of its namespace, another
/// namespace and networks.
fn policies() -> String {
    let mut text = String::new();
    for namespace in 0..NAMESPACES {
        for tier in 0..POLICIES {
            let other = (namespace + 1) % NAMESPACES;
            let peers = |next: usize| {
                format!(
                    "[{{podSelector: {{matchLabels: {{tier: tier-{next}}}}}}}, {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: team-{other}}}}}, podSelector: {{matchLabels: {{env: production}}}}}}, {{ipBlock: {{cidr: 10.9.0.0/16}}}}]"
                )
            };
            // Each tier is used by the one before it.
            let (from, to) = (peers((tier + POLICIES - 1) % POLICIES), peers((tier + 1) % POLICIES));
            writeln!(
                text,
                "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: tier-{tier}, namespace: team-{namespace}}}\nspec:\n  podSelector: {{matchLabels: {{tier: tier-{tier}}}}}\n  policyTypes: [Ingress, Egress]\n  ingress: [{{from: {from}, ports: [{{port: 443}}]}}, {{from: {from}, ports: [{{port: 8000, endPort: 9000}}]}}]\n  egress: [{{to: {to}, ports: [{{port: 443}}, {{port: 8000, endPort: 9000}}]}}, {{ports: [{{port: 53, protocol: UDP}}]}}]"
            )
            .unwrap();
        }
    }
    text
}

/// Distinct edges in order, as a store hands them out: each workload uses ever more ports of those of the next
/// tier. One edge in `denied` is to a port that no policy allows.
fn edges(parties: &[Party], count: usize, denied: usize) -> Vec<Edge> {
    let address = |at: usize| -> BTreeSet<IpAddr> {
        [IpAddr::from([10, 0, (at / 256) as u8, (at % 256) as u8])].into()
    };
    let edge = |number: usize| {
        let (client, round) = (number % parties.len(), number / parties.len());
        let (namespace, tier) = (client / WORKLOADS, (client + 1) % POLICIES);
        let server = namespace * WORKLOADS + round % (WORKLOADS / POLICIES) * POLICIES + tier;
        let port = 8000 + (round / (WORKLOADS / POLICIES)) as u16;
        Edge {
            key: EdgeKey {
                client: parties[client].clone(),
                server: parties[server].clone(),
                protocol: Protocol::TCP,
                port: if number.is_multiple_of(denied) { port + 2000 } else { port },
            },
            connections: 1,
            answered: 1,
            to_server: EdgeTraffic::default(),
            to_client: EdgeTraffic::default(),
            first_seen: Timestamp::from_parts(1, 0),
            last_seen: Timestamp::from_parts(2, 0),
            states: StateCounts::default(),
            evidence: EvidenceCounts::default(),
            names: BTreeSet::new(),
            hours: BTreeSet::new(),
            client_addresses: address(client),
            server_addresses: address(server),
            observers: BTreeSet::new(),
        }
    };
    let mut edges: Vec<Edge> = (0..count).map(edge).collect();
    edges.sort_by(|a, b| a.key.cmp(&b.key));
    edges
}

fn main() {
    let parties = workloads();
    let text = policies();
    let manifests = Manifests::read([("policies.yaml", text.as_str())], "default").unwrap();
    println!("{} policies, {} workloads, one core", manifests.policies.len(), parties.len());
    for (count, denied) in [(10_000, 100), (100_000, 100), (1_000_000, 100), (1_000_000, 1)] {
        let edges = edges(&parties, count, denied);
        let edges: Vec<&Edge> = edges.iter().collect();
        let start = Instant::now();
        let outcome = what_if(Policies::Kubernetes(&manifests), &edges, &[]);
        let took = start.elapsed();
        let nanos = took.as_nanos() / count as u128;
        println!("{count:>9} edges  {took:>10.3?}  {nanos} ns an edge  {} denied", outcome.denied.len());
        let start = Instant::now();
        let given = Given {
            policies: Policies::Kubernetes(&manifests),
            texts: &[("policies.yaml", text.as_str())],
            against: None,
            admit_at_most: None,
            tool_version: "bench",
        };
        let report = check(given, Observed { edges: Some(&edges), workloads: &[] });
        println!("{:>9} check  {:>10.3?}  {} extents", "", start.elapsed(), report.extents.len());
    }
}
