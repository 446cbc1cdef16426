//! A mined rule: who, in which direction, with whom, on what; why, and at which price.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Labels, Protocol};

use super::classes::ClassId;
use crate::confidence::RuleConfidence;
use crate::decisions::Said;
use crate::identity::FieldDigest;
use crate::k8s::Direction;
use crate::{Observed, Service, text};

/// Allows connections between a subject and a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its stable name: a digest of subject, direction and peer, never of the evidence or the ports.
    pub id: String,
    /// Whom it is for.
    pub subject: Whom,
    /// Whether it allows connections to the subject or from it.
    pub direction: Direction,
    /// The other end.
    pub peer: Whom,
    /// What of the server may be used, in order.
    pub ports: Vec<Allowed>,
    /// What speaks for it; `None` for a shared service that no member of the subject was seen to use.
    pub observed: Option<Observed>,
    /// How sure it is; `None` where nothing was observed, or [`crate::confidence::assess_rules`] was not asked.
    pub confidence: Option<RuleConfidence>,
    /// Whether it is for a service that everybody shares.
    pub shared: bool,
    /// Names by which clients called the server.
    pub names: BTreeSet<Box<str>>,
    /// Tuples of client, server and port that it admits without their having been observed.
    pub price: u64,
    /// Tuples that it admits in all, each address of a host by itself.
    pub all: u64,
    /// What people said of it.
    pub said: Option<Said>,
    /// Whether a person made it; then it needs no evidence.
    pub manual: bool,
    pub(crate) subjects: Arc<[ClassId]>,
    pub(crate) peers: Arc<[ClassId]>,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// Workloads with all of these labels.
    Workloads {
        /// Where.
        namespace: Namespace,
        /// The labels; none means all workloads there. Shared, since many rules mean the same workloads.
        labels: Arc<Labels>,
    },
    /// A host by its name, with the addresses that it had.
    Host {
        /// The name.
        name: String,
        /// The addresses, in order.
        addresses: BTreeSet<IpAddr>,
    },
    /// Addresses outside, in order.
    Networks(Vec<IpNet>),
}

/// Where workloads are selected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// Among hosts, which have no namespace.
    Hosts,
    /// In one namespace.
    One(String),
    /// In every namespace of the cluster.
    Every,
}

/// Something that a rule allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowed {
    /// Everything.
    Anything,
    /// A message type of ICMP, or a protocol without ports.
    Service(Service),
    /// Ports of TCP, UDP or SCTP: the first and the last.
    Ports(Protocol, u16, u16),
}

impl Allowed {
    /// Ports of a protocol.
    #[must_use]
    pub const fn ports(protocol: Protocol, range: &RangeInclusive<u16>) -> Self {
        Self::Ports(protocol, *range.start(), *range.end())
    }

    /// Whether it includes a service.
    #[must_use]
    pub fn includes(&self, service: Service) -> bool {
        match (self, service) {
            (Self::Anything, _) => true,
            (Self::Service(allowed), service) => *allowed == service,
            (&Self::Ports(of, first, last), Service::Port { protocol, port }) => {
                of == protocol && (first..=last).contains(&port)
            }
            (Self::Ports(..), _) => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("anything"),
            Self::Service(service) => service.fmt(f),
            Self::Ports(protocol, first, last) if first == last => write!(f, "{protocol}/{first}"),
            Self::Ports(protocol, first, last) => write!(f, "{protocol}/{first}-{last}"),
        }
    }
}

/// `shop/app=web ingress shop/app=front: tcp/80`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<_> = self.ports.iter().map(ToString::to_string).collect();
        write!(f, "{} {} {}: {}", self.subject, self.direction, self.peer, ports.join(" "))
    }
}

/// `shop/app=web,env=prod`, `every namespace`, `10.0.0.0/30`.
impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workloads { namespace, labels } => {
                let place = match namespace {
                    Namespace::Hosts => "hosts",
                    Namespace::One(name) => name,
                    Namespace::Every => "every namespace",
                };
                f.write_str(place)?;
                let mut before = '/';
                for (key, value) in labels.iter() {
                    write!(f, "{before}{key}={value}")?;
                    before = ',';
                }
                Ok(())
            }
            Self::Host { name, .. } => f.write_str(name),
            Self::Networks(networks) => {
                f.write_str(&networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Whom {
    /// The namespace of a selector for the pods of one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Workloads { namespace: Namespace::One(name), .. } => Some(name),
            Self::Workloads { .. } | Self::Host { .. } | Self::Networks(_) => None,
        }
    }

    /// A digest of what is meant; of a host the name, since its addresses change.
    pub(crate) fn digest(&self, digest: &mut FieldDigest) {
        match self {
            Self::Workloads { namespace, labels } => {
                let (kind, name) = match namespace {
                    Namespace::Hosts => ("hosts", ""),
                    Namespace::One(name) => ("namespace", name.as_str()),
                    Namespace::Every => ("every", ""),
                };
                digest.field(kind);
                digest.field(name);
                for (key, value) in labels.iter() {
                    digest.field(key);
                    digest.field(value);
                }
            }
            Self::Host { name, .. } => {
                digest.field("host");
                digest.field(name);
            }
            // Which addresses there are is evidence; that they lie outside is not.
            Self::Networks(_) => digest.field("networks"),
        }
    }

    /// A part of a name: lower-case letters, digits and hyphens, at most 40 bytes.
    pub(crate) fn slug(&self) -> String {
        /// Long enough for two label values; what makes names unique is their digest.
        const LONGEST: usize = 40;
        let name = match self {
            Self::Workloads { labels, .. } if labels.is_empty() => "all".to_owned(),
            Self::Workloads { labels, .. } => labels.values().cloned().collect::<Vec<_>>().join("-"),
            Self::Host { name, .. } => name.clone(),
            Self::Networks(_) => "networks".to_owned(),
        };
        text::slug(&name, LONGEST)
    }
}

/// 64 bits: among a million rules two collide once in 37 million estates.
const ID_DIGITS: usize = 16;

/// The name of a rule: what it is about, and a digest.
pub(crate) fn id(subject: &Whom, direction: Direction, peer: &Whom, ports: &[Allowed]) -> String {
    let mut digest = FieldDigest::default();
    digest.field(&direction.to_string());
    subject.digest(&mut digest);
    digest.field("peer");
    peer.digest(&mut digest);
    // A subject has as many rules for addresses as it has services with different ones.
    if matches!(peer, Whom::Networks(_)) {
        ports.iter().for_each(|allowed| digest.field(&allowed.to_string()));
    }
    let digest: String = digest.finish().chars().take(ID_DIGITS).collect();
    format!("allow-{}-{direction}-{digest}", subject.slug())
}

/// The name of a rule that a person made: by all that it says, so that it never takes that of a mined one.
pub(crate) fn manual_id(subject: &Whom, direction: Direction, peer: &Whom, ports: &[Allowed]) -> String {
    let mut digest = FieldDigest::default();
    digest.field("manual");
    digest.field(&direction.to_string());
    subject.digest(&mut digest);
    digest.field("peer");
    digest.field(&peer.to_string());
    ports.iter().for_each(|allowed| digest.field(&allowed.to_string()));
    let digest: String = digest.finish().chars().take(ID_DIGITS).collect();
    format!("allow-{}-{direction}-{digest}", subject.slug())
}

/// Whether it is made as the ids of mined rules are; those of `rules.json` are not.
pub(crate) fn is_id(text: &str) -> bool {
    let mut parts = text.rsplitn(3, '-');
    let (digest, direction) = (parts.next().unwrap_or_default(), parts.next());
    digest.len() == ID_DIGITS && matches!(direction, Some("ingress" | "egress"))
}

/// The name of everything that is for one subject: it stays whatever its rules become.
pub(crate) fn subject_name(subject: &Whom) -> String {
    /// 48 bits: a namespace with ten thousand subjects has two of one name once in five million clusters.
    const DIGITS: usize = 12;
    let mut digest = FieldDigest::default();
    subject.digest(&mut digest);
    let digest: String = digest.finish().chars().take(DIGITS).collect();
    match subject.slug().as_str() {
        "" => format!("allow-{digest}"),
        slug => format!("allow-{slug}-{digest}"),
    }
}
