//! The proposed rules, each with the edges that it allows: the page's policy view.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use watershed_graph::{Graph, Verdict};
use watershed_model::{EdgeKey, Party, Workload};
use watershed_policy::k8s::Direction;
use watershed_policy::proof::Certificate;
use watershed_policy::{Allowed, Rule, RuleSet, Service};

use super::mined::runs;

/// One set of rules. A document has the exact ones, and one for each level of generalisation.
#[derive(Debug, Serialize)]
pub(super) struct Level {
    pub(super) name: &'static str,
    /// Connections that it allows though nobody was seen to make them.
    pub(super) price: u64,
    pub(super) rules: Vec<LevelRule>,
    /// The edges that it lets pass, by their index in the document: first and last of each run.
    pub(super) allowed: Vec<usize>,
    /// Those between two addresses, which no rule of it is for.
    pub(super) outside: Vec<usize>,
    /// What was proven of it; a mined level is proven when it is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<Proof>,
}

#[derive(Debug, Serialize)]
pub(super) struct LevelRule {
    pub(super) id: String,
    pub(super) subject: String,
    /// Whether it is for connections to the subject or from it; an exact rule is at the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) direction: Option<String>,
    pub(super) service: String,
    pub(super) peers: Vec<String>,
    /// Connections that it allows though nobody was seen to make them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) price: Option<u64>,
    /// The observed edges that it lets pass at its end, by their index in the document.
    pub(super) edges: Vec<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct Proof {
    edges_replayed: u64,
    edges_held_back: u64,
    tuples_observed: u64,
    tuples_unobserved: u64,
    probes_denied: u64,
}

impl Level {
    /// The ids of its rules.
    pub(super) fn rule_ids(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| rule.id.clone())
    }

    /// The rules for what was seen and nothing else.
    pub(super) fn exact(graph: &Graph<'_>, rules: &RuleSet, certificate: &Certificate) -> Self {
        let allowing = Allowing::of(rules);
        let mut edges = vec![Vec::new(); rules.observed().len()];
        let mut allowed = Vec::new();
        for (index, (edge, verdict)) in graph.edges().enumerate() {
            if let (Verdict::Accepted, Some(rule)) = (verdict, allowing.rule(&edge.key)) {
                edges[rule].push(index);
                allowed.push(index);
            }
        }
        let rules = rules.observed().iter().zip(edges).map(|(rule, edges)| LevelRule::new(rule, None, edges));
        Self {
            name: "exact",
            price: certificate.tuples_unobserved,
            rules: rules.collect(),
            allowed: runs(&allowed),
            outside: Vec::new(),
            proof: Some(Proof {
                edges_replayed: certificate.edges_replayed,
                edges_held_back: certificate.edges_held_back,
                tuples_observed: certificate.tuples_observed,
                tuples_unobserved: certificate.tuples_unobserved,
                probes_denied: certificate.probes_denied,
            }),
        }
    }
}

impl LevelRule {
    pub(super) fn new(rule: &Rule, direction: Option<Direction>, edges: Vec<usize>) -> Self {
        Self {
            id: rule.id.to_string(),
            subject: rule.subject.to_string(),
            direction: direction.map(|direction| direction.to_string()),
            service: rule.services(),
            peers: rule.peer.names(),
            price: Some(rule.price),
            edges,
        }
    }
}

/// Which rule allows an edge: that for its server and service, if it names the client.
struct Allowing(HashMap<(Party, Party, Service), usize>);

impl Allowing {
    fn of(rules: &RuleSet) -> Self {
        let mut tuples = HashMap::new();
        for (index, rule) in rules.observed().iter().enumerate() {
            for server in rule.subject.parties().iter().map(|server| unlabelled(&server.party)) {
                for service in rule.ports.iter().filter_map(Allowed::service) {
                    let clients = rule.peer.parties().iter().map(|client| unlabelled(&client.party));
                    tuples.extend(clients.map(|client| ((client, server.clone(), service), index)));
                }
            }
        }
        Self(tuples)
    }

    fn rule(&self, edge: &EdgeKey) -> Option<usize> {
        let tuple = (unlabelled(&edge.client), unlabelled(&edge.server), Service::of(edge)?);
        self.0.get(&tuple).copied()
    }
}

/// The party without its labels: they change over a workload's life, and its rule stays one.
pub(super) fn unlabelled(party: &Party) -> Party {
    match party {
        Party::Workload(workload) => Party::Workload(Arc::new(Workload {
            kind: workload.kind,
            name: workload.name.clone(),
            namespace: workload.namespace.clone(),
            labels: [].into(),
        })),
        Party::Address(address) => Party::Address(*address),
    }
}
