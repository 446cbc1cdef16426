//! Exact rules: one for each service of each server, by the addresses that were seen and no others.
//!
//! They are for enforcers that know addresses and no labels. A dependency between workloads, which rules are mined
//! from, does not know which of their addresses met; so exact rules come from the edges themselves.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{Edge, EdgeKey, Party};

use super::{Allowed, Member, Observed, Origin, Rule, RuleId, Whom, whom};
use crate::decisions::{Decisions, Said};
use crate::identity::Identity;
use crate::k8s::Direction;
use crate::{Error, Service};

/// An edge that is no rule, for the report: a person has to look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldBack {
    /// The edge.
    pub edge: EdgeKey,
    /// Connections seen, answered or not.
    pub connections: u64,
    /// Connections that the server answered.
    pub answered: u64,
    /// Why it is no rule, for a person: `direction is uncertain`.
    pub reason: String,
}

impl HeldBack {
    /// Holds back `edge` for `reason`.
    #[must_use]
    pub fn new(edge: &Edge, reason: impl Into<String>) -> Self {
        Self {
            edge: edge.key.clone(),
            connections: edge.connections,
            answered: edge.answered,
            reason: reason.into(),
        }
    }
}

/// Every rule by address, and every edge that became none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Rules in order of subject and service: workloads first, then addresses. Those that people made, which need no
    /// edges, come last, in the order of people.
    pub rules: Vec<Rule>,
    /// Edges held back, in order.
    pub held_back: Vec<HeldBack>,
}

impl RuleSet {
    /// One rule per server and service, from edges that were answered.
    ///
    /// `held_back` is passed through to the report; edges that no rule can express join it.
    ///
    /// # Errors
    /// [`Error::Unanswered`] for an edge that no server answered: a scan must never become a rule.
    pub fn from_edges<'a>(
        accepted: impl IntoIterator<Item = &'a Edge>,
        held_back: &[HeldBack],
    ) -> Result<Self, Error> {
        Self::decided(accepted, held_back, &Decisions::default()).map(|(rules, _)| rules)
    }

    /// The same, but what people excluded or rejected is held back as well. Also gives the edges that are not.
    ///
    /// # Errors
    /// As [`RuleSet::from_edges`].
    pub fn decided<'a>(
        accepted: impl IntoIterator<Item = &'a Edge>,
        held_back: &[HeldBack],
        decisions: &Decisions,
    ) -> Result<(Self, Vec<&'a Edge>), Error> {
        let mut drafts: BTreeMap<(Identity, Service), Draft<'a>> = BTreeMap::new();
        let mut held_back = held_back.to_vec();
        let sifted = decisions.sift(accepted);
        held_back.extend(sifted.excluded.iter().map(|&(edge, number)| {
            let why = decisions.exclude[number].comment.as_deref();
            HeldBack::new(edge, format!("excluded by decision: {}", why.unwrap_or("no comment")))
        }));
        let mut kept = Vec::with_capacity(sifted.kept.len());
        for edge in sifted.kept {
            match expressible(edge)? {
                Ok(service) => match rejection(edge, service, decisions) {
                    Some(reason) => held_back.push(HeldBack::new(edge, reason)),
                    None => {
                        let server = Identity::of(&edge.key.server);
                        drafts.entry((server, service)).or_default().0.push(edge);
                        kept.push(edge);
                    }
                },
                Err(reason) => {
                    held_back.push(HeldBack::new(edge, reason));
                    kept.push(edge);
                }
            }
        }
        held_back.sort();
        let finish = |((server, service), draft): ((Identity, Service), Draft<'_>)| {
            draft.finish(&server, service, &decisions.rules)
        };
        Ok((Self { rules: drafts.into_iter().map(finish).collect(), held_back }, kept))
    }

    /// The same with rules that people made.
    #[must_use]
    pub fn with(mut self, by_hand: Vec<Rule>) -> Self {
        self.rules.extend(by_hand);
        self
    }

    /// The rules for what was observed.
    #[must_use]
    pub fn observed(&self) -> &[Rule] {
        &self.rules[..self.first_by_hand()]
    }

    /// The rules that people made.
    #[must_use]
    pub fn by_hand(&self) -> &[Rule] {
        &self.rules[self.first_by_hand()..]
    }

    fn first_by_hand(&self) -> usize {
        self.rules.partition_point(|rule| rule.manual().is_none())
    }
}

/// Why people rejected the rule for an edge, if they did.
fn rejection(edge: &Edge, service: Service, decisions: &Decisions) -> Option<String> {
    if decisions.rules.is_empty() {
        return None;
    }
    let server = &edge.key.server;
    let id = RuleId::exact(&server.to_string(), &Identity::of(server), service);
    let said = decisions.rules.get(id.as_str()).filter(|_| decisions.rejects(id.as_str()))?;
    Some(format!("rule {id} was {said}"))
}

/// The service that a rule for `edge` allows, or why there can be no rule.
pub(crate) fn expressible(edge: &Edge) -> Result<Result<Service, &'static str>, Error> {
    if edge.answered == 0 {
        return Err(Error::Unanswered { edge: Box::new(edge.key.clone()) });
    }
    let Some(service) = Service::of(&edge.key) else {
        return Ok(Err("its ICMP type is above 255"));
    };
    // Addresses are in order, IPv4 before IPv6: the first and the last show which versions there are.
    let ends = |addresses: &BTreeSet<IpAddr>| {
        addresses.first().copied().into_iter().chain(addresses.last().copied())
    };
    let connects = ends(&edge.client_addresses)
        .any(|client| ends(&edge.server_addresses).any(|server| service.connects(client, server)));
    Ok(if connects {
        Ok(service)
    } else {
        Err("its client and server have no addresses of one IP version that carries the protocol")
    })
}

/// The edges of one service of one server.
#[derive(Default)]
struct Draft<'a>(Vec<&'a Edge>);

impl Draft<'_> {
    fn finish(self, server: &Identity, service: Service, said: &BTreeMap<String, Said>) -> Rule {
        let mut subject: Option<Member> = None;
        let mut peers: BTreeMap<Identity, Member> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for edge in &self.0 {
            let observed = Observed::of(edge);
            let own = Member::of(&edge.key.server, &edge.server_addresses, observed);
            match &mut subject {
                Some(subject) => subject.merge(own),
                None => subject = Some(own),
            }
            let other = Member::of(&edge.key.client, &edge.client_addresses, observed);
            match peers.entry(Identity::of(&edge.key.client)) {
                Entry::Vacant(entry) => {
                    entry.insert(other);
                }
                Entry::Occupied(entry) => entry.into_mut().merge(other),
            }
            names.extend(edge.names.iter().cloned());
        }
        let subject = Whom::Parties(subject.into_iter().collect());
        let peer = Whom::Parties(peers.into_values().collect());
        let id = RuleId::exact(&subject.to_string(), server, service);
        let mut rule = Rule {
            said: said.get(id.as_str()).cloned(),
            id,
            direction: Direction::Ingress,
            ports: vec![Allowed::only(service)],
            origin: Origin::Observed,
            observed: subject.parties().first().and_then(|member| member.observed),
            confidence: None,
            names,
            price: 0,
            all: 0,
            subject,
            peer,
            subjects: Arc::default(),
            peers: Arc::default(),
        };
        rule.all = rule.tuples();
        rule.price = rule.all.saturating_sub(self.met(&rule.subject, service));
        rule
    }

    /// Pairs of addresses on the edges.
    fn met(&self, subject: &Whom, service: Service) -> u64 {
        let servers = whom::addresses(subject.parties());
        // Mostly every client met every address of the server: then nothing has to be counted pair by pair.
        let (whole, parts): (Vec<&Edge>, Vec<&Edge>) =
            self.0.iter().copied().partition(|edge| edge.server_addresses.len() == servers.len());
        let met_all: BTreeSet<IpAddr> =
            whole.into_iter().flat_map(|edge| edge.client_addresses.iter().copied()).collect();
        let mut met: BTreeMap<IpAddr, BTreeSet<IpAddr>> = BTreeMap::new();
        for edge in parts {
            for client in edge.client_addresses.iter().filter(|client| !met_all.contains(client)) {
                met.entry(*client).or_default().extend(&edge.server_addresses);
            }
        }
        met.iter().fold(pairs(&met_all, &servers, service), |sum, (&client, servers)| {
            sum.saturating_add(pairs(&BTreeSet::from([client]), servers, service))
        })
    }
}

/// How many pairs of addresses can connect.
fn pairs(clients: &BTreeSet<IpAddr>, servers: &BTreeSet<IpAddr>, service: Service) -> u64 {
    let of_version = |v4: bool| {
        let of = |addresses: &BTreeSet<IpAddr>| -> Vec<IpAddr> {
            addresses.iter().copied().filter(|address| address.is_ipv4() == v4).collect()
        };
        let (clients, servers) = (of(clients), of(servers));
        let able = service.connects(*clients.first()?, *servers.first()?);
        able.then(|| (clients.len() as u64).saturating_mul(servers.len() as u64))
    };
    [true, false].into_iter().filter_map(of_version).fold(0, u64::saturating_add)
}

impl Member {
    fn of(party: &Party, addresses: &BTreeSet<IpAddr>, observed: Observed) -> Self {
        Self { party: party.clone(), addresses: addresses.clone(), observed: Some(observed) }
    }

    fn merge(&mut self, other: Self) {
        if other.party < self.party {
            self.party = other.party;
        }
        self.addresses.extend(&other.addresses);
        match (&mut self.observed, other.observed) {
            (Some(observed), Some(other)) => observed.merge(&other),
            (observed, other) => *observed = observed.or(other),
        }
    }
}
