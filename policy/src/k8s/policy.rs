//! NetworkPolicy (`networking.k8s.io/v1`), typed.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::Protocol;

use super::{Place, Selector};

/// One policy, its defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Where it begins.
    pub place: Place,
    /// Its namespace: it selects pods there alone.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The pods that it isolates.
    pub subject: Selector,
    /// Where the subject's selector stands.
    pub subject_place: Place,
    /// Who may connect to the pods; `None` where the policy does not isolate them for ingress.
    pub ingress: Option<Vec<PolicyRule>>,
    /// Whom the pods may connect to; `None` where the policy does not isolate them for egress.
    pub egress: Option<Vec<PolicyRule>>,
}

/// `shop/web`.
impl fmt::Display for NetworkPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Which way a rule looks from its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the subject.
    Ingress,
    /// From the subject.
    Egress,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl NetworkPolicy {
    /// The rules of a direction; `None` where the policy does not isolate for it.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> Option<&[PolicyRule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

/// Allows connections between the subject and any of the peers on any of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Where it stands.
    pub place: Place,
    /// The other ends; none listed means everybody.
    pub peers: Vec<Peer>,
    /// The server's ports; none listed means all of every protocol.
    pub ports: Vec<PortMatch>,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it stands.
    pub place: Place,
    /// Who it is.
    pub kind: PeerKind,
}

/// A kind of peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// Pods: both selectors must match.
    Pods {
        /// Their namespaces; `None` means the policy's own.
        namespaces: Option<Arc<Selector>>,
        /// The pods in them; `None` means all.
        pods: Option<Arc<Selector>>,
    },
    /// Addresses.
    Block {
        /// The addresses.
        cidr: IpNet,
        /// Those of them that are not meant.
        except: Vec<IpNet>,
    },
}

/// A port, a range of them or a name for one, of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMatch {
    /// Where it stands.
    pub place: Place,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// Which ports of it.
    pub ports: Ports,
}

/// Which ports a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// All of the protocol.
    All,
    /// One, or up to `endPort`.
    Range(RangeInclusive<u16>),
    /// Those that the destination pod's containers give this name.
    Named(String),
}
