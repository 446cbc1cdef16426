//! Whom a rule means.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Labels, Party};

use super::Observed;
use crate::identity::FieldDigest;
use crate::text;

/// An end of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// Workloads with all of these labels.
    Workloads {
        /// Where.
        namespace: Namespace,
        /// The labels; none means all workloads there. Shared, since many rules mean the same workloads.
        labels: Arc<Labels>,
    },
    /// Parties by their names, in order, each with its addresses.
    Parties(Vec<Member>),
    /// Addresses, whoever has them: in order, none inside another.
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

/// A party of a rule, with the addresses that it was seen with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Who it is.
    pub party: Party,
    /// Its addresses: none other is allowed.
    pub addresses: BTreeSet<IpAddr>,
    /// Its part of the evidence, where the rule keeps the parts.
    pub observed: Option<Observed>,
}

impl Whom {
    /// The namespace of a selector for the pods of one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Workloads { namespace: Namespace::One(name), .. } => Some(name),
            Self::Workloads { .. } | Self::Parties(_) | Self::Networks(_) => None,
        }
    }

    /// The parties that are meant by name.
    #[must_use]
    pub fn parties(&self) -> &[Member] {
        match self {
            Self::Parties(members) => members,
            Self::Workloads { .. } | Self::Networks(_) => &[],
        }
    }

    /// The addresses that are meant, as networks in order; of labels none are known.
    #[must_use]
    pub fn networks(&self) -> Vec<IpNet> {
        match self {
            Self::Workloads { .. } => Vec::new(),
            Self::Parties(members) => addresses(members).into_iter().map(IpNet::from).collect(),
            Self::Networks(networks) => networks.clone(),
        }
    }

    /// Whether an address is meant; labels say nothing of addresses.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Workloads { .. } => false,
            Self::Parties(members) => members.iter().any(|member| member.addresses.contains(&address)),
            // A rule may mean thousands.
            Self::Networks(networks) => {
                let after = networks.partition_point(|network| network.addr() <= address);
                networks[..after].last().is_some_and(|network| network.contains(&address))
            }
        }
    }

    /// What each part of it is called.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Workloads { .. } => vec![self.to_string()],
            Self::Parties(members) => members.iter().map(|member| member.party.to_string()).collect(),
            Self::Networks(networks) => networks.iter().map(ToString::to_string).collect(),
        }
    }

    /// A digest of what is meant; of a party the name, since its addresses change.
    pub(super) fn digest(&self, digest: &mut FieldDigest) {
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
            Self::Parties(members) => {
                for member in members {
                    digest.field("host");
                    digest.field(&member.party.to_string());
                }
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
            Self::Parties(_) => self.names().join("-"),
            Self::Networks(_) => "networks".to_owned(),
        };
        text::slug(&name, LONGEST)
    }
}

/// `shop/app=web,env=prod`, `every namespace`, `shop/db`, `10.0.0.0/30`.
impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workloads { namespace, labels } => namespace.show(labels, f),
            Self::Parties(_) | Self::Networks(_) => f.write_str(&self.names().join(", ")),
        }
    }
}

impl Namespace {
    /// Its workloads with some labels, for people: `shop/app=web,env=prod`.
    pub(crate) fn show(&self, labels: &Labels, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hosts => "hosts",
            Self::One(name) => name,
            Self::Every => "every namespace",
        })?;
        let mut before = '/';
        for (key, value) in labels {
            write!(f, "{before}{key}={value}")?;
            before = ',';
        }
        Ok(())
    }
}

/// The addresses of some parties.
pub(crate) fn addresses(members: &[Member]) -> BTreeSet<IpAddr> {
    members.iter().flat_map(|member| member.addresses.iter().copied()).collect()
}

/// Those of some networks that lie in no other; they are nested or apart, and a wider one comes first.
pub(crate) fn outermost(networks: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
    let networks: BTreeSet<IpNet> = networks.into_iter().map(|network| network.trunc()).collect();
    let mut outermost: Vec<IpNet> = Vec::with_capacity(networks.len());
    for network in networks {
        if !outermost.last().is_some_and(|last| last.contains(&network)) {
            outermost.push(network);
        }
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_among_many_networks() {
        let parse = |text: &str| text.parse::<IpNet>().expect("a network");
        let networks =
            ["10.9.3.0/24", "10.9.0.0/16", "10.0.0.7/32", "2001:db8::/64", "10.9.3.1/32"].map(parse);
        let whom = Whom::Networks(outermost(networks));
        assert_eq!(whom.to_string(), "10.0.0.7/32, 10.9.0.0/16, 2001:db8::/64");
        let has = |text: &str| whom.has(text.parse().expect("an address"));
        for address in ["10.0.0.7", "10.9.0.0", "10.9.3.1", "10.9.255.255", "2001:db8::ffff"] {
            assert!(has(address), "{address}");
        }
        for address in ["0.0.0.0", "10.0.0.6", "10.0.0.8", "10.10.0.0", "2001:db8:0:1::", "::"] {
            assert!(!has(address), "{address}");
        }
    }
}
