//! What-if over the history that rules were mined from, in every dialect: the export denies nothing of it, and without
//! one of its rules exactly what that rule alone carried, with the rule that is missing.

#[path = "cluster/mod.rs"]
mod cluster;

use std::collections::BTreeSet;
use std::net::IpAddr;

use cluster::edges;
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::RuleSet;
use watershed_policy::export::calico::Form;
use watershed_policy::export::directory::{Directory, KUSTOMIZATION, REVERT};
use watershed_policy::export::istio::Sayable;
use watershed_policy::export::{calico, cilium, cluster as clusterwide, istio, kubernetes, nftables};
use watershed_policy::k8s::{Direction, Manifests};
use watershed_policy::mine::{Allowing, Census, Level, Plan, mine};
use watershed_policy::nft::{Hook, Ruleset};
use watershed_policy::whatif::{Outcome, Policies, what_if};

/// A dialect of policies about pods.
struct Dialect {
    name: &'static str,
    /// Writes a plan that it can say.
    export: fn(&Census, &Sayable) -> Directory,
    /// Whether it can deny a side of an edge.
    denies: fn(&Edge, Direction) -> bool,
    /// Whether what is mined is first turned into what it can say.
    turned: bool,
}

const DIALECTS: [Dialect; 5] = [
    Dialect {
        name: "k8s",
        export: |census, said| kubernetes::export(census, &said.plan).expect("policies"),
        denies: |edge, direction| has_ports(edge) && is_pod(side(edge, direction)[0]),
        turned: false,
    },
    Dialect {
        name: "cnp",
        export: |census, said| clusterwide::export(census, &said.plan).expect("policies"),
        // Its rules for ingress mean pods alone: whoever comes from outside stays allowed.
        denies: |edge, direction| {
            let [subject, peer] = side(edge, direction);
            has_ports(edge) && is_pod(subject) && (direction == Direction::Egress || is_pod(peer))
        },
        turned: false,
    },
    Dialect {
        name: "cilium",
        export: |census, said| cilium::export(census, &said.plan).expect("policies"),
        denies: |edge, direction| is_pod(side(edge, direction)[0]),
        turned: false,
    },
    Dialect {
        name: "calico",
        export: |census, said| calico::export(census, &said.plan, Form::Enforced).expect("policies"),
        denies: |edge, direction| is_pod(side(edge, direction)[0]),
        turned: false,
    },
    Dialect {
        name: "istio",
        export: |census, said| istio::export(census, said).expect("policies"),
        denies: |edge, direction| {
            direction == Direction::Ingress && edge.key.protocol == Protocol::TCP && is_pod(&edge.key.server)
        },
        turned: true,
    },
];

/// The subject and the peer of a rule for one side of an edge.
fn side(edge: &Edge, direction: Direction) -> [&Party; 2] {
    match direction {
        Direction::Ingress => [&edge.key.server, &edge.key.client],
        Direction::Egress => [&edge.key.client, &edge.key.server],
    }
}

fn is_pod(party: &Party) -> bool {
    party.workload().is_some_and(|workload| workload.namespace.is_some())
}

fn has_ports(edge: &Edge) -> bool {
    [Protocol::TCP, Protocol::UDP, Protocol::SCTP].contains(&edge.key.protocol)
}

fn replayed(export: &Directory, edges: &[Edge]) -> Outcome {
    let enforced = |path: &str| !path.starts_with(REVERT) && !path.ends_with(KUSTOMIZATION);
    let files = export.files.iter().filter(|(path, _)| enforced(path));
    let files = files.map(|(path, text)| (path.as_str(), text.as_str()));
    let manifests = Manifests::read(files, "default").unwrap_or_else(|problems| panic!("{problems}"));
    what_if(Policies::Kubernetes(&manifests), &edges.iter().collect::<Vec<_>>(), &[])
}

/// What is denied, each with the rules that are missing.
fn told(outcome: &Outcome) -> BTreeSet<(String, String)> {
    let missing = |one: &watershed_policy::whatif::Denied| {
        one.missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    outcome.denied.iter().map(|one| (one.edge.to_string(), missing(one))).collect()
}

/// The edges that one rule alone carries at its side, as what-if should tell them.
fn carried(
    dialect: &Dialect,
    census: &Census,
    plan: &Plan,
    rule: usize,
    edges: &[Edge],
) -> BTreeSet<(String, String)> {
    let allowing = Allowing::of(census, plan);
    let direction = plan.rules[rule].direction;
    let alone = |edge: &&Edge| {
        let rules = allowing.edge(edge).rules;
        let mut same = rules.iter().filter(|&&at| plan.rules[at as usize].direction == direction);
        (same.next(), same.next()) == (Some(&(rule as u32)), None)
    };
    let missing = |edge: &Edge| {
        let [subject, peer] = side(edge, direction);
        let (way, key) = (if direction == Direction::Ingress { "from" } else { "to" }, &edge.key);
        let service = watershed_policy::Service::of(key).expect("a service");
        format!("{direction} of {subject}: allow {service} {way} {peer}")
    };
    let denied = edges.iter().filter(alone).filter(|edge| (dialect.denies)(edge, direction));
    denied.map(|edge| (edge.key.to_string(), missing(edge))).collect()
}

#[test]
fn an_export_denies_nothing_of_its_history_and_without_a_rule_what_that_carried() {
    let edges = edges();
    let census = Census::of(&edges, &[]).expect("a census");
    for dialect in &DIALECTS {
        let mut noticed = 0;
        for level in Level::ALL {
            let whole = said(dialect, &census, level);
            let export = (dialect.export)(&census, &whole);
            assert_eq!(told(&replayed(&export, &edges)), BTreeSet::new(), "{} {level}", dialect.name);
            for rule in 0..whole.plan.rules.len() {
                let mut less = said(dialect, &census, level);
                let gone = less.plan.rules.remove(rule);
                let outcome = replayed(&(dialect.export)(&census, &less), &edges);
                let expected = carried(dialect, &census, &whole.plan, rule, &edges);
                noticed += usize::from(!expected.is_empty());
                assert_eq!(told(&outcome), expected, "{} {level} without {gone}", dialect.name);
            }
        }
        assert!(noticed > 20, "{}: {noticed} rules were missed", dialect.name);
    }
}

/// A plan as the dialect says it.
fn said(dialect: &Dialect, census: &Census, level: Level) -> Sayable {
    let plan = mine(census, level);
    if dialect.turned { Sayable::of(census, plan) } else { Sayable { plan, not_expressed: Vec::new() } }
}

#[test]
fn nftables_deny_nothing_of_their_history_and_without_a_rule_what_that_carried() {
    let edges = edges();
    let whole = RuleSet::from_edges(&edges, &[]).expect("rules");
    let replayed = |rules: &RuleSet| {
        let files = nftables::export(rules, Hook::Forward);
        let texts = [("rules.nft", files.allow.as_str()), ("default-deny.nft", files.default_deny.as_str())];
        let ruleset = Ruleset::read(texts).unwrap_or_else(|error| panic!("{error}"));
        told(&what_if(Policies::Nftables(&ruleset, Hook::Forward), &edges.iter().collect::<Vec<_>>(), &[]))
    };
    assert_eq!(replayed(&whole), BTreeSet::new());
    for rule in 0..whole.rules.len() {
        let mut less = whole.clone();
        let gone = less.rules.remove(rule);
        let allowed = gone.ports[0].service().expect("one service");
        let of = |edge: &&Edge| {
            let service = watershed_policy::Service::of(&edge.key);
            // In this world workloads have IPv4 alone: an IPv6 client of theirs cannot be replayed by address.
            let connects = |client: &IpAddr| {
                edge.server_addresses.iter().any(|&server| allowed.connects(*client, server))
            };
            edge.key.server == gone.subject.parties()[0].party
                && service == Some(allowed)
                && edge.client_addresses.iter().any(connects)
        };
        let expected: BTreeSet<String> = edges.iter().filter(of).map(|edge| edge.key.to_string()).collect();
        let denied = replayed(&less);
        assert_eq!(denied.iter().map(|one| one.0.clone()).collect::<BTreeSet<_>>(), expected, "{}", gone.id);
        for (_, missing) in denied {
            let servers = gone.subject.parties()[0].addresses.iter().map(ToString::to_string);
            assert!(
                missing.starts_with("allow ") && servers.into_iter().any(|one| missing.contains(&one)),
                "{missing}"
            );
        }
    }
}
