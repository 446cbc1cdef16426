//! An end of a connection, as people write it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::{Labels, Party};

use crate::Namespace;

/// Whom an entry of the file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Workloads with all of these labels.
    Workloads {
        /// Where.
        namespace: Namespace,
        /// The labels; none means all workloads there.
        labels: Labels,
    },
    /// One workload or host by its name.
    Named {
        /// The namespace of a workload; a host has none.
        namespace: Option<String>,
        /// The name.
        name: String,
    },
    /// Addresses, in the order of the file; at least one.
    Networks(Vec<IpNet>),
}

impl End {
    /// Whether it means a party with these addresses; of networks, whether all of the addresses lie in them.
    pub(super) fn means(&self, party: &Party, addresses: &BTreeSet<IpAddr>) -> bool {
        match self {
            Self::Networks(networks) => {
                let inside = |address: &IpAddr| networks.iter().any(|network| network.contains(address));
                match party {
                    Party::Address(address) => inside(address),
                    Party::Workload(_) => !addresses.is_empty() && addresses.iter().all(inside),
                }
            }
            Self::Named { .. } | Self::Workloads { .. } => self.is(party),
        }
    }

    /// Whether it means a party by its name or labels; networks mean none so.
    pub(crate) fn is(&self, party: &Party) -> bool {
        let Some(workload) = party.workload() else { return false };
        match self {
            Self::Networks(_) => false,
            Self::Named { namespace, name } => workload.name == *name && workload.namespace == *namespace,
            Self::Workloads { namespace, labels } => {
                let there = match (namespace, &workload.namespace) {
                    (Namespace::Hosts, None) | (Namespace::Every, Some(_)) => true,
                    (Namespace::One(wanted), Some(namespace)) => wanted == namespace,
                    (Namespace::Hosts | Namespace::Every | Namespace::One(_), _) => false,
                };
                there && labels.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
            }
        }
    }
}

/// As rules show whom they mean: `shop/app=web`, `shop/web`, `10.0.0.0/8`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workloads { namespace, labels } => namespace.show(labels, f),
            Self::Named { namespace: Some(namespace), name } => write!(f, "{namespace}/{name}"),
            Self::Named { namespace: None, name } => f.write_str(name),
            Self::Networks(networks) => {
                f.write_str(&networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
        }
    }
}
