//! AuthorizationPolicy, typed.

use std::fmt;

use ipnet::IpNet;

use crate::k8s::{Place, Selector};

/// One policy, its defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Where it begins.
    pub place: Place,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it does with connections that it matches.
    pub action: Action,
    /// Whether it only shows what it would do, by its annotation.
    pub dry_run: bool,
    /// The workloads that it is for.
    pub subject: Selector,
    /// Where the subject's selector stands.
    pub subject_place: Place,
    /// It matches what any of them matches.
    pub rules: Vec<Rule>,
}

/// `shop/web`.
impl fmt::Display for AuthorizationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its workloads refuse what no such policy matches.
    Allow,
    /// Its workloads refuse what it matches.
    Deny,
    /// Nothing, as far as connections go: it logs, or asks somebody else.
    Nothing,
}

/// Connections from any of its sources to any of its operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// Clients; none means everybody.
    pub sources: Vec<Source>,
    /// What they ask for; none means everything.
    pub operations: Vec<Operation>,
    /// Whether it is about requests or conditions too, which are not known: then it matches some at most.
    pub partly: bool,
}

/// Clients: all parts must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Identities; none means any or none.
    pub principals: Vec<Pattern>,
    /// Identities that are not meant.
    pub not_principals: Vec<Pattern>,
    /// Namespaces of identities; none means any or none.
    pub namespaces: Vec<NamespacePattern>,
    /// Namespaces that are not meant.
    pub not_namespaces: Vec<NamespacePattern>,
    /// Trust domains of identities; none means any or none.
    pub trust_domains: Vec<Pattern>,
    /// Trust domains that are not meant.
    pub not_trust_domains: Vec<Pattern>,
    /// Addresses; none means all.
    pub blocks: Vec<IpNet>,
    /// Addresses that are not meant.
    pub not_blocks: Vec<IpNet>,
}

/// What clients ask for: ports of the workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// Ports; none means all.
    pub ports: Vec<u16>,
    /// Ports that are not meant.
    pub not_ports: Vec<u16>,
}

/// A text, or a part of one with `*` for the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// This text.
    Exact(String),
    /// What begins so: `shop*`.
    Prefix(String),
    /// What ends so: `*shop`.
    Suffix(String),
    /// Anything that is not empty: `*`.
    Any,
}

impl Pattern {
    pub(super) fn of(text: &str) -> Self {
        match (text, text.strip_prefix('*'), text.strip_suffix('*')) {
            ("*", ..) => Self::Any,
            (_, Some(end), _) => Self::Suffix(end.to_owned()),
            (_, None, Some(start)) => Self::Prefix(start.to_owned()),
            (text, None, None) => Self::Exact(text.to_owned()),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => text == wanted,
            Self::Prefix(start) => text.starts_with(start.as_str()),
            Self::Suffix(end) => text.ends_with(end.as_str()),
            Self::Any => !text.is_empty(),
        }
    }
}

/// A namespace, with `*` for any part of it.
///
/// Istio looks for it between slashes anywhere after `/ns/` in the identity, so `*a` and `*sa` mean everybody: after the
/// namespace there is `/sa/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespacePattern {
    /// With what must be around it.
    looked_for: String,
}

impl NamespacePattern {
    /// What stands before a namespace, and after it.
    const AROUND: [&str; 2] = ["/ns/", "/"];

    pub(super) fn of(text: &str) -> Self {
        let [before, after] = Self::AROUND;
        Self { looked_for: format!("{before}{text}{after}") }
    }

    /// Whether it is found in an identity.
    pub(super) fn matches(&self, identity: &str) -> bool {
        let mut rest = identity;
        self.looked_for.split('*').all(|part| {
            let after = rest.find(part).map(|at| &rest[at + part.len()..]);
            rest = after.unwrap_or_default();
            after.is_some()
        })
    }

    /// As a policy writes it.
    pub(super) fn text(&self) -> &str {
        let [before, after] = Self::AROUND;
        &self.looked_for[before.len()..self.looked_for.len() - after.len()]
    }
}

/// As a policy writes it.
impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// As a policy writes it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(start) => write!(f, "{start}*"),
            Self::Suffix(end) => write!(f, "*{end}"),
            Self::Any => f.write_str("*"),
        }
    }
}
