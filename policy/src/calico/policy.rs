//! Calico's policies (`projectcalico.org/v3`), typed.

use std::fmt;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use watershed_model::{Labels, Protocol};

use super::Expression;
use crate::k8s::{Direction, Place};

/// A NetworkPolicy or GlobalNetworkPolicy, enforced or staged, its defaults applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Where it begins.
    pub place: Place,
    /// Its namespace; `None` for a global one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it only shows what it would do.
    pub staged: Option<StagedAction>,
    /// Lower ones are asked first; without one it comes last.
    pub order: Option<f64>,
    /// Whom it is for.
    pub subject: Subject,
    /// Where the subject's selector stands.
    pub subject_place: Place,
    /// Its rules for connections to the subject, in order; `None` where it does not govern them.
    pub ingress: Option<Vec<Rule>>,
    /// Its rules for connections from the subject.
    pub egress: Option<Vec<Rule>>,
}

/// An order is never NaN: the reader takes finite numbers alone.
impl Eq for Policy {}

/// `shop/web`; of a global policy the name alone.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Policy {
    /// The rules of a direction; `None` where the policy does not govern it.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

/// What a staged policy would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagedAction {
    /// It would be there, in place of one of its name.
    Set,
    /// The policy of its name would go.
    Delete,
    /// Nothing: it is put aside, or still learns.
    Nothing,
}

/// Whom a policy is for: all of these must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Labels of the pod.
    pub selector: Expression,
    /// Labels of its namespace, for a global policy.
    pub namespaces: Option<Expression>,
    /// Labels of its service account, which are not known here.
    pub accounts: Option<Expression>,
}

/// What a rule does with a connection that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets it through, as far as this end goes.
    Allow,
    /// Refuses it.
    Deny,
    /// Leaves it to the next tier, and after the last to the profile of the namespace, which allows it.
    Pass,
    /// Logs it and goes on with the next rule.
    Log,
}

/// A rule: all of its parts must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub action: Action,
    /// 4 or 6; `None` for both.
    pub version: Option<u8>,
    /// The protocol, or any other than one.
    pub protocol: Option<ProtocolMatch>,
    /// Types and codes of ICMP; the code only with its type.
    pub icmp: Option<IcmpMatch>,
    /// Types and codes of ICMP that are not meant.
    pub not_icmp: Option<IcmpMatch>,
    /// The client.
    pub source: Entity,
    /// The server.
    pub destination: Entity,
}

/// A protocol, or every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolMatch {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether it is the one that is not meant.
    pub not: bool,
}

/// A type of ICMP, with a code or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpMatch {
    /// The type; `None` for all.
    pub message_type: Option<u8>,
    /// The code; `None` for all.
    pub code: Option<u8>,
}

/// One end of a rule: all of its parts must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// The namespaces in which selectors look.
    pub scope: Scope,
    /// Labels; with a scope or selector of any kind only pods and network sets match.
    pub selector: Option<Expression>,
    /// Labels that are not meant.
    pub not_selector: Option<Expression>,
    /// Names of service accounts; `None` where they play no part.
    pub accounts: Option<Vec<String>>,
    /// Addresses; none means all.
    pub nets: Vec<IpNet>,
    /// Addresses that are not meant.
    pub not_nets: Vec<IpNet>,
    /// Ports; none means all.
    pub ports: Vec<Ports>,
    /// Ports that are not meant.
    pub not_ports: Vec<Ports>,
    /// Whether it asks for something that is not known here, so that it matches nothing.
    pub unknown: bool,
}

/// Where selectors of an end look.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere, in namespaces or not.
    Anywhere,
    /// In the namespace of the policy.
    Own(String),
    /// In namespaces whose labels match.
    Namespaces(Expression),
}

/// Some ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// From the first to the last.
    Range(RangeInclusive<u16>),
    /// Those that the containers give this name.
    Named(String),
}

/// Addresses with labels: a NetworkSet or GlobalNetworkSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSet {
    /// Its namespace; `None` for a global one.
    pub namespace: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The addresses.
    pub nets: Vec<IpNet>,
}
