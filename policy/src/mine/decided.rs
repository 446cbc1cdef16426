//! What people decided, applied to what was mined: rejected rules are put aside, rules that people made are added.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watershed_model::{Party, Workload};

use super::classes::{ClassId, Classes, Scope};
use super::{Census, NodeId, Plan, price};
use crate::decisions::{Decisions, End, Manual};
use crate::identity::Identity;
use crate::k8s::Direction;
use crate::rule::{addresses, outermost, sizes, width};
use crate::{Allowed, Error, Member, Namespace, Observed, Rule, RuleId, Service, Whom};

/// What the rules that people made need of the classes: labels to go by, and namespaces.
#[derive(Debug, Default)]
pub(crate) struct Pinned<'a> {
    pub(crate) keys: BTreeSet<&'a str>,
    pub(crate) namespaces: BTreeSet<&'a str>,
}

impl<'a> Pinned<'a> {
    pub(crate) fn of(decisions: &'a Decisions) -> Self {
        let mut pinned = Self::default();
        for end in decisions.allow.iter().flat_map(|manual| [&manual.client, &manual.server]) {
            if let End::Workloads { namespace, labels } = end {
                pinned.keys.extend(labels.keys().map(String::as_str));
                if let Namespace::One(name) = namespace {
                    pinned.namespaces.insert(name);
                }
            }
        }
        pinned
    }
}

/// A dependency that was observed, and that is denied because a rule was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Who asks.
    pub client: String,
    /// Who is asked.
    pub server: String,
    /// For what.
    pub service: Service,
    /// The rule that was rejected.
    pub rule: String,
}

/// Applies decisions to a plan that was mined with what they need of the classes.
pub(crate) fn apply(census: &Census, mut plan: Plan, decisions: &Decisions) -> Result<Plan, Error> {
    plan.pinned = Pinned::of(decisions).keys.into_iter().map(str::to_owned).collect();
    let known: BTreeSet<&str> = plan.rules.iter().map(|rule| rule.id.as_str()).collect();
    let gone = decisions
        .rules
        .iter()
        .filter(|(id, said)| said.decision.is_some() && RuleId::is_mined(id) && !known.contains(id.as_str()));
    plan.gone = gone.map(|(id, said)| (id.clone(), said.clone())).collect();
    for rule in &mut plan.rules {
        rule.said = decisions.rules.get(rule.id.as_str()).cloned();
    }
    let (rejected, kept) = plan.rules.into_iter().partition(|rule| decisions.rejects(rule.id.as_str()));
    (plan.rejected, plan.rules) = (rejected, kept);
    for manual in &decisions.allow {
        let rules = rules(census, &plan, manual)?;
        plan.rules.extend(rules);
    }
    plan.rules.sort_by(|a, b| {
        (&a.subject, a.direction, &a.peer, &a.ports).cmp(&(&b.subject, b.direction, &b.peer, &b.ports))
    });
    plan.rules.dedup_by(|later, earlier| later.manual().is_some() && later.id == earlier.id);
    Ok(plan)
}

/// The rules of both directions that say what a person wrote.
fn rules(census: &Census, plan: &Plan, manual: &Manual) -> Result<Vec<Rule>, Error> {
    let client = meant(census, plan, &manual.client, manual)?;
    let server = meant(census, plan, &manual.server, manual)?;
    let mut rules = Vec::new();
    for (direction, own, other) in
        [(Direction::Ingress, &server, &client), (Direction::Egress, &client, &server)]
    {
        for subject in subjects(plan, own) {
            rules.push(rule(census, plan, manual, direction, subject, other.clone()));
        }
    }
    Ok(rules)
}

/// Whom an end means, with the classes that this is.
type Meant = (Whom, Arc<[ClassId]>);

/// Every subject that a rule is written for: policies bind the pods of one namespace, and no address.
fn subjects(plan: &Plan, (whom, classes): &Meant) -> Vec<Meant> {
    match whom {
        Whom::Networks(_) => Vec::new(),
        Whom::Workloads { namespace: Namespace::Every, labels } => {
            let of = |namespace: &str| {
                let there = |class: &ClassId| name_of(&plan.classes, *class) == Some(namespace);
                let own: Arc<[ClassId]> = classes.iter().copied().filter(there).collect();
                let namespace = Namespace::One(namespace.to_owned());
                (Whom::Workloads { namespace, labels: Arc::clone(labels) }, own)
            };
            plan.namespaces().map(of).collect()
        }
        Whom::Workloads { .. } | Whom::Parties(_) => vec![(whom.clone(), Arc::clone(classes))],
    }
}

fn name_of(classes: &Classes, class: ClassId) -> Option<&str> {
    match classes.class(class).scope? {
        Scope::Namespace(number) => classes.namespaces[number as usize].as_deref(),
        Scope::Everywhere => None,
    }
}

fn meant(census: &Census, plan: &Plan, end: &End, manual: &Manual) -> Result<Meant, Error> {
    match end {
        End::Networks(networks) => Ok((Whom::Networks(outermost(networks.iter().copied())), Arc::default())),
        End::Named { name: wanted, .. } => {
            let host = |identity: &Identity| match identity {
                Identity::Workload { namespace: None, name, .. } => name == wanted,
                Identity::Workload { .. } | Identity::Address(_) => false,
            };
            let found: Vec<usize> =
                (0..census.nodes.len()).filter(|&at| host(&census.nodes[at].identity)).collect();
            let classes: BTreeSet<ClassId> = found.iter().map(|&at| plan.classes.of_node[at]).collect();
            let mut members: Vec<Member> = found.iter().map(|&at| census.nodes[at].member()).collect();
            if members.is_empty() {
                let named = Workload { name: wanted.clone(), ..Workload::default() };
                let party = Party::Workload(Arc::new(named));
                members.push(Member { party, addresses: BTreeSet::new(), observed: None });
            }
            Ok((Whom::Parties(members), classes.into_iter().collect()))
        }
        End::Workloads { namespace, labels } => {
            let mut classes = BTreeSet::new();
            for (at, node) in census.nodes.iter().enumerate() {
                let there = match (namespace, node.namespace()) {
                    (Namespace::Hosts, None) => matches!(node.identity, Identity::Workload { .. }),
                    (Namespace::Every, Some(_)) => true,
                    (Namespace::One(wanted), Some(namespace)) => wanted == namespace,
                    (Namespace::Hosts | Namespace::Every | Namespace::One(_), _) => false,
                };
                let has_all = |labels_then: &Arc<watershed_model::Labels>| {
                    labels.iter().all(|(key, value)| labels_then.get(key) == Some(value))
                };
                match (there, node.variants.iter().filter(|then| has_all(then)).count()) {
                    (false, _) | (true, 0) => {}
                    (true, all) if all == node.variants.len() => {
                        classes.insert(plan.classes.of_node[at]);
                    }
                    (true, _) => {
                        return Err(Error::Unstable {
                            rule: manual.to_string(),
                            end: end.to_string(),
                            workload: node.display(),
                        });
                    }
                }
            }
            let whom = Whom::Workloads { namespace: namespace.clone(), labels: Arc::new(labels.clone()) };
            Ok((whom, classes.into_iter().collect()))
        }
    }
}

fn rule(
    census: &Census,
    plan: &Plan,
    manual: &Manual,
    direction: Direction,
    (subject, subjects): Meant,
    (peer, peers): Meant,
) -> Rule {
    let id = RuleId::manual(&subject, direction, &peer, &manual.ports);
    let mut rule = Rule { subjects, peers, ..Rule::written(manual, id, (subject, direction, peer)) };
    let mut tuples = 0;
    for one in &census.dependencies {
        let (own, other) = match direction {
            Direction::Ingress => (one.server, one.client),
            Direction::Egress => (one.client, one.server),
        };
        if covers(census, &plan.classes, &rule, own, other, one.service) {
            tuples += 1;
            match &mut rule.observed {
                Some(observed) => Observed::merge(observed, &one.observed),
                None => rule.observed = Some(one.observed),
            }
        }
    }
    let members = |classes: &[ClassId]| -> u64 {
        classes.iter().map(|&class| plan.classes.class(class).members.len() as u64).sum()
    };
    let peers = match &rule.peer {
        Whom::Networks(networks) => sizes(networks),
        Whom::Parties(members) => addresses(members).len() as u64,
        Whom::Workloads { .. } => members(&rule.peers),
    };
    let all = members(&rule.subjects).saturating_mul(peers);
    let wide = width(&rule.ports);
    rule.price = all.saturating_mul(wide).saturating_sub(tuples);
    rule.all = price::whole(census, &plan.classes, (&rule.subjects, &rule.peers), &rule.peer, wide);
    rule
}

/// Whether a rule allows its subject `own` a service with `other`.
fn covers(
    census: &Census,
    classes: &Classes,
    rule: &Rule,
    own: NodeId,
    other: NodeId,
    service: Service,
) -> bool {
    let class = |node: NodeId| classes.of_node[node as usize];
    let is_peer = || match (&rule.peer, &census.nodes[other as usize].identity) {
        (Whom::Networks(networks), Identity::Address(address)) => {
            networks.iter().any(|network| network.contains(address))
        }
        _ => rule.peers.binary_search(&class(other)).is_ok(),
    };
    rule.subjects.binary_search(&class(own)).is_ok()
        && rule.ports.iter().any(|allowed: &Allowed| allowed.includes(service))
        && is_peer()
}

impl Plan {
    /// For each dependency of the census that is denied because rules were rejected, its number and the first of
    /// these rules; in order. What another rule of the same end allows is not denied.
    pub(crate) fn rejected_dependencies(&self, census: &Census) -> BTreeMap<usize, &Rule> {
        let mut denied = BTreeMap::new();
        if self.rejected.is_empty() {
            return denied;
        }
        let mut kept: BTreeMap<(Direction, ClassId), Vec<&Rule>> = BTreeMap::new();
        for rule in &self.rejected {
            rule.subjects.iter().for_each(|&subject| {
                kept.entry((rule.direction, subject)).or_default();
            });
        }
        for rule in &self.rules {
            for &subject in &*rule.subjects {
                if let Some(rules) = kept.get_mut(&(rule.direction, subject)) {
                    rules.push(rule);
                }
            }
        }
        for (number, one) in census.dependencies.iter().enumerate() {
            for (direction, own, other) in
                [(Direction::Ingress, one.server, one.client), (Direction::Egress, one.client, one.server)]
            {
                let Some(kept) = kept.get(&(direction, self.classes.of_node[own as usize])) else { continue };
                let covers = |rule: &&Rule| covers(census, &self.classes, rule, own, other, one.service);
                let by = self.rejected.iter().filter(|rule| rule.direction == direction).find(covers);
                if let Some(by) = by.filter(|_| !kept.iter().any(covers)) {
                    denied.entry(number).or_insert(by);
                }
            }
        }
        denied
    }

    /// What was observed and is denied because rules were rejected, in order of server, service and client.
    #[must_use]
    pub fn denied(&self, census: &Census) -> Vec<Denied> {
        let name = |node: NodeId| census.nodes[node as usize].display();
        let denied = self.rejected_dependencies(census).into_iter().map(|(number, rule)| {
            let one = &census.dependencies[number];
            let (client, server) = (name(one.client), name(one.server));
            Denied { client, server, service: one.service, rule: rule.id.to_string() }
        });
        denied.collect()
    }
}
