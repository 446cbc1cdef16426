//! A rule: who, in which direction, with whom, on what; why there is it, at which price, and how sure it is.
//!
//! It is the one form of every rule, whoever made it and whoever enforces it. Mined rules ([`crate::mine`]) mean
//! workloads by their labels, exact rules ([`RuleSet`]) parties by the addresses that they were seen with, and what
//! people write becomes a rule of either kind.

mod by_hand;

mod exact;

mod id;

mod ports;

mod sides;

mod whom;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use watershed_model::{Edge, Timestamp};

pub use by_hand::Known;
pub(crate) use exact::expressible;
pub use exact::{HeldBack, RuleSet};
pub use id::RuleId;
pub(crate) use id::subject_name;
pub use ports::Allowed;
pub(crate) use ports::{EVERY_PORT, width};
pub(crate) use sides::{Sides, sizes};
pub use whom::{Member, Namespace, Whom};
pub(crate) use whom::{addresses, outermost};

use crate::Tuple;
use crate::confidence::RuleConfidence;
use crate::decisions::{Manual, Said};
use crate::k8s::Direction;
use crate::mine::ClassId;

/// Allows connections between a subject and a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its stable name.
    pub id: RuleId,
    /// Whom it is for.
    pub subject: Whom,
    /// Whether it allows connections to the subject or from it.
    pub direction: Direction,
    /// The other end.
    pub peer: Whom,
    /// What of the server may be used, in order.
    pub ports: Vec<Allowed>,
    /// Where it comes from.
    pub origin: Origin,
    /// What speaks for it; `None` where nobody was seen to need it, or nobody looked.
    pub observed: Option<Observed>,
    /// How sure it is; `None` where nothing was observed, or nobody asked: see [`crate::confidence::assess_rules`] and
    /// [`crate::confidence::assess_exact`].
    pub confidence: Option<RuleConfidence>,
    /// Names by which clients called the server.
    pub names: BTreeSet<Box<str>>,
    /// Tuples of client, server and port that it admits without their having been observed, at most.
    pub price: u64,
    /// Tuples that it admits in all, each address of a host by itself.
    pub all: u64,
    /// What people said of it.
    pub said: Option<Said>,
    /// The classes of a census that its ends are; none where the ends are not from one.
    pub(crate) subjects: Arc<[ClassId]>,
    pub(crate) peers: Arc<[ClassId]>,
}

/// Where a rule comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// What was observed.
    Observed,
    /// A service that everybody shares.
    Shared,
    /// A person, who wrote this.
    Manual(Arc<Manual>),
}

/// What speaks for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Rule {
    /// Who may ask.
    #[must_use]
    pub const fn client(&self) -> &Whom {
        match self.direction {
            Direction::Ingress => &self.peer,
            Direction::Egress => &self.subject,
        }
    }

    /// Who may be asked.
    #[must_use]
    pub const fn server(&self) -> &Whom {
        match self.direction {
            Direction::Ingress => &self.subject,
            Direction::Egress => &self.peer,
        }
    }

    /// What a person wrote, where the rule is theirs.
    #[must_use]
    pub fn manual(&self) -> Option<&Manual> {
        match &self.origin {
            Origin::Manual(manual) => Some(manual),
            Origin::Observed | Origin::Shared => None,
        }
    }

    /// Whether it is for a service that everybody shares.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.origin == Origin::Shared
    }

    /// Whether its addresses allow a connection; labels say nothing of addresses.
    #[must_use]
    pub fn allows(&self, tuple: &Tuple) -> bool {
        self.client().has(tuple.client)
            && self.server().has(tuple.server)
            && self.ports.iter().any(|allowed| allowed.includes(tuple.service))
    }

    /// What it allows, as one word each: `tcp/80 udp/53`.
    #[must_use]
    pub fn services(&self) -> String {
        self.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// `shop/app=web ingress shop/app=front: tcp/80`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.subject, self.direction, self.peer, self.services())
    }
}
