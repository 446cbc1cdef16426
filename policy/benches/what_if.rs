//! What-if at size: policies over distinct edges among workloads, linear in the edges.
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

/// Every policy isolates a tier for both directions, and lets it talk to other tiers, namespaces and networks.
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
                "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: tier-{tier}, namespace: team-{namespace}}}\nspec:\n  podSelector: {{matchLabels: {{tier: tier-{tier}}}}}\n  policyTypes: [Ingress, Egress]\n  ingress: [{{from: {from}, ports: [{{port: 443}}]}}, {{from: {from}, ports: [{{port: 8000, endPort: 9000}}]}}]\n  egress: [{{to: {to}, ports: [{{port: 443}}]}}, {{ports: [{{port: 53, protocol: UDP}}]}}]"
            )
            .unwrap();
        }
    }
    text
}

/// Distinct edges: each workload to as many others as it takes, half of them allowed somewhere.
fn edges(parties: &[Party], count: usize) -> Vec<Edge> {
    let address = |at: usize| -> BTreeSet<IpAddr> {
        [IpAddr::from([10, 0, (at / 256) as u8, (at % 256) as u8])].into()
    };
    let edge = |number: usize| {
        let client = number % parties.len();
        let server = (client + 1 + (number / parties.len()) * 97) % parties.len();
        Edge {
            key: EdgeKey {
                client: parties[client].clone(),
                server: parties[server].clone(),
                protocol: Protocol::TCP,
                port: if number.is_multiple_of(2) { 443 } else { 8443 },
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
    (0..count).map(edge).collect()
}

fn main() {
    let parties = workloads();
    let text = policies();
    let manifests = Manifests::read([("policies.yaml", text.as_str())], "default").unwrap();
    println!("{} policies, {} workloads, one core", manifests.policies.len(), parties.len());
    for count in [10_000, 100_000, 1_000_000] {
        let edges = edges(&parties, count);
        let edges: Vec<&Edge> = edges.iter().collect();
        let start = Instant::now();
        let outcome = what_if(Policies::Kubernetes(&manifests), &edges, &[]);
        let took = start.elapsed();
        let nanos = took.as_nanos() / count as u128;
        println!("{count:>9} edges  {took:>10.3?}  {nanos} ns an edge  {} denied", outcome.denied.len());
    }
}
