//! The proposed rules, each with the edges that it allows: the page's policy view.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use watershed_graph::{Graph, Verdict};
use watershed_model::{EdgeKey, Party, Workload};
use watershed_policy::proof::Certificate;
use watershed_policy::{Rule, RuleSet, Service};

use super::mined::runs;

/// One set of rules. A document has the exact ones, and one for each level of generalisation.
#[derive(Debug, Serialize)]
pub(super) struct Level<'a> {
    pub(super) name: &'static str,
    /// Connections that it allows though nobody was seen to make them.
    pub(super) price: u64,
    pub(super) rules: Vec<LevelRule<'a>>,
    /// The edges that it lets pass, by their index in the document: first and last of each run.
    pub(super) allowed: Vec<usize>,
    /// Those between two addresses, which no rule of it is for.
    pub(super) outside: Vec<usize>,
    /// What was proven of it; a mined level is proven when it is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<Proof>,
}

#[derive(Debug, Serialize)]
pub(super) struct LevelRule<'a> {
    pub(super) id: Cow<'a, str>,
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

impl<'a> Level<'a> {
    /// The ids of its rules.
    pub(super) fn rule_ids(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| rule.id.to_string())
    }

    /// The rules for what was seen and nothing else.
    pub(super) fn exact(graph: &Graph<'_>, rules: &'a RuleSet, certificate: &Certificate) -> Self {
        let allowing = Allowing::of(rules);
        let mut edges = vec![Vec::new(); rules.rules.len()];
        let mut allowed = Vec::new();
        for (index, (edge, verdict)) in graph.edges().enumerate() {
            if let (Verdict::Accepted, Some(rule)) = (verdict, allowing.rule(&edge.key)) {
                edges[rule].push(index);
                allowed.push(index);
            }
        }
        let rules = rules.rules.iter().zip(edges).map(|(rule, edges)| LevelRule::new(rule, edges));
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

impl<'a> LevelRule<'a> {
    fn new(rule: &'a Rule, edges: Vec<usize>) -> Self {
        Self {
            id: rule.id.as_str().into(),
            subject: rule.subject.party.to_string(),
            direction: None,
            service: rule.service.to_string(),
            peers: rule.peers.iter().map(|peer| peer.party.to_string()).collect(),
            price: None,
            edges,
        }
    }
}

/// Which rule allows an edge: that for its server and service, if it names the client.
struct Allowing(HashMap<(Party, Party, Service), usize>);

impl Allowing {
    fn of(rules: &RuleSet) -> Self {
        let tuples = rules.rules.iter().enumerate().flat_map(|(index, rule)| {
            let subject = unlabelled(&rule.subject.party);
            let peers = rule.peers.iter();
            peers.map(move |peer| ((unlabelled(&peer.party), subject.clone(), rule.service), index))
        });
        Self(tuples.collect())
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
