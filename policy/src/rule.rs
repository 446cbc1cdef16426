//! Rules: one per service of a server, with who may use it and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use watershed_model::{Edge, EdgeKey, Party, Timestamp};

use crate::confidence::RuleConfidence;
use crate::decisions::Decisions;
use crate::identity::{FieldDigest, Identity};
use crate::{ByHand, Error, Service, text};

/// A rule's name: `allow-shop-db-tcp-5432-4f0c2a9be711`.
///
/// It depends on the subject and the service alone, so it stays when clients come and go. Lower-case letters,
/// digits and hyphens, at most [`RuleId::LONGEST`] bytes, starting with a letter: a valid name in every dialect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(Box<str>);

impl RuleId {
    /// Longest name, in bytes: `allow-`, 32 of the subject, 16 of the service, 12 of the digest, hyphens.
    pub const LONGEST: usize = 68;
    /// Names of subjects are cut here: what makes a rule unique is the digest, the name is for people.
    const SUBJECT: usize = 32;
    /// 48 bits: among a million rules with equal names two collide once in 500 estates, and reading a rule
    /// set back refuses two sets of one name.
    const DIGITS: usize = 12;

    fn of(subject: &Party, identity: &Identity, service: Service) -> Self {
        let mut digest = FieldDigest::default();
        digest.field("allow ingress");
        identity.digest(&mut digest);
        digest.field(&service.to_string());
        let digest = digest.finish();

        let mut name = String::from("allow-");
        for part in [text::slug(&subject.to_string(), Self::SUBJECT), text::slug(&service.to_string(), 16)] {
            if !part.is_empty() {
                name.push_str(&part);
                name.push('-');
            }
        }
        name.extend(digest.chars().take(Self::DIGITS));
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What speaks for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Edges behind it.
    pub edges: u64,
    /// Connections on them, answered or not.
    pub connections: u64,
    /// Connections that the server answered.
    pub answered: u64,
    /// First packet seen.
    pub first_seen: Timestamp,
    /// Last packet seen.
    pub last_seen: Timestamp,
}

impl Observed {
    pub(crate) fn of(edge: &Edge) -> Self {
        Self {
            edges: 1,
            connections: edge.connections,
            answered: edge.answered,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.edges += other.edges;
        self.connections = self.connections.saturating_add(other.connections);
        self.answered = self.answered.saturating_add(other.answered);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

/// A party of a rule, with the addresses that it was seen with and what it was seen doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Who it is.
    pub party: Party,
    /// Its addresses in the edges behind the rule: none other is allowed.
    pub addresses: BTreeSet<IpAddr>,
    /// Its part of the evidence.
    pub observed: Observed,
}

impl Member {
    fn of(party: &Party, addresses: &BTreeSet<IpAddr>, observed: Observed) -> Self {
        Self { party: party.clone(), addresses: addresses.clone(), observed }
    }

    fn merge(&mut self, other: &Self) {
        if other.party < self.party {
            self.party = other.party.clone();
        }
        self.addresses.extend(&other.addresses);
        self.observed.merge(&other.observed);
    }
}

/// Allows new connections to one service of one server (ingress), from named clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its stable name.
    pub id: RuleId,
    /// The server, with the evidence of the whole rule.
    pub subject: Member,
    /// What it offers.
    pub service: Service,
    /// Who may use it, in order.
    pub peers: Vec<Member>,
    /// Names that clients used for the server.
    pub names: BTreeSet<Box<str>>,
    /// How sure it is; `None` where [`crate::confidence::assess_exact`] was not asked.
    pub confidence: Option<RuleConfidence>,
}

impl Rule {
    /// Addresses of all peers.
    #[must_use]
    pub fn peer_addresses(&self) -> BTreeSet<IpAddr> {
        self.peers.iter().flat_map(|peer| &peer.addresses).copied().collect()
    }
}

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

/// Every rule, and every edge that became none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Rules in order of subject and service: workloads first, then addresses.
    pub rules: Vec<Rule>,
    /// Edges held back, in order.
    pub held_back: Vec<HeldBack>,
    /// Rules that people made, which need no edges, in their order.
    pub by_hand: Vec<ByHand>,
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
        let mut drafts = BTreeMap::new();
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
                        draft(&mut drafts, edge, service);
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
        let rules = drafts.into_values().map(Draft::finish).collect();
        Ok((Self { rules, held_back, by_hand: Vec::new() }, kept))
    }
}

/// Why people rejected the rule for an edge, if they did.
fn rejection(edge: &Edge, service: Service, decisions: &Decisions) -> Option<String> {
    if decisions.rules.is_empty() {
        return None;
    }
    let server = &edge.key.server;
    let id = RuleId::of(server, &Identity::of(server), service);
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

struct Draft {
    subject: Member,
    identity: Identity,
    service: Service,
    peers: BTreeMap<Identity, Member>,
    names: BTreeSet<Box<str>>,
}

fn draft(drafts: &mut BTreeMap<(Identity, Service), Draft>, edge: &Edge, service: Service) {
    let observed = Observed::of(edge);
    let server = Member::of(&edge.key.server, &edge.server_addresses, observed);
    let client = Member::of(&edge.key.client, &edge.client_addresses, observed);
    let (identity, peer) = (Identity::of(&edge.key.server), Identity::of(&edge.key.client));

    let draft = drafts
        .entry((identity.clone(), service))
        .and_modify(|draft| draft.subject.merge(&server))
        .or_insert_with(|| Draft {
            subject: server,
            identity,
            service,
            peers: BTreeMap::new(),
            names: BTreeSet::new(),
        });
    draft.names.extend(edge.names.iter().cloned());
    draft.peers.entry(peer).and_modify(|peer| peer.merge(&client)).or_insert(client);
}

impl Draft {
    fn finish(self) -> Rule {
        Rule {
            id: RuleId::of(&self.subject.party, &self.identity, self.service),
            subject: self.subject,
            service: self.service,
            peers: self.peers.into_values().collect(),
            names: self.names,
            confidence: None,
        }
    }
}
