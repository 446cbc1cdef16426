//! The policies, typed.

use std::fmt;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use watershed_model::Protocol;

use crate::k8s::{Place, Selector};

/// A ClusterNetworkPolicy, or one of the two that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterPolicy {
    /// Where it begins.
    pub place: Place,
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Above or below NetworkPolicies.
    pub tier: Tier,
    /// Within the tier, 0 is asked first. The API does not say who is of two with one priority; here it is
    /// the one whose name comes first.
    pub priority: u16,
    /// The pods that it is for.
    pub subject: Group,
    /// Where the subject stands.
    pub subject_place: Place,
    /// Rules about connections to them, in order.
    pub ingress: Vec<Rule>,
    /// Rules about connections from them, in order.
    pub egress: Vec<Rule>,
}

/// `AdminNetworkPolicy gateway`.
impl fmt::Display for ClusterPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Where policies stand among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Before NetworkPolicies, which cannot overrule it.
    Admin,
    /// After them, for each direction in which none of them isolates a pod: one for ingress alone leaves what the
    /// baseline says of egress in force. Plugins differ in this.
    Baseline,
}

/// Pods of namespaces: both selectors must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The namespaces.
    pub namespaces: Selector,
    /// The pods in them.
    pub pods: Selector,
}

/// Decides about connections between the subject and any of the peers on any of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// What it decides.
    pub action: Action,
    /// The other ends, at least one.
    pub peers: Vec<Peer>,
    /// The server's ports; none listed means everything.
    pub ports: Vec<Ports>,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The connection may be opened.
    Accept,
    /// It may not.
    Deny,
    /// The next tier is asked.
    Pass,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods.
    Pods(Group),
    /// Nodes by their labels, which are not known here: see the notes of the manifests.
    Nodes,
    /// Addresses, of pods too.
    Networks(Vec<IpNet>),
    /// Names of the DNS, `*.` before one meaning all below it.
    DomainNames(Vec<String>),
}

/// Ports of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Some of one protocol, or all of it.
    Range(Protocol, RangeInclusive<u16>),
    /// Those that the containers give this name, of any protocol.
    Named(String),
}
