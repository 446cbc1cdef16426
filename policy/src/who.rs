//! Who an end of an edge is, borrowed: the same meaning as [`crate::identity::Identity`], without a copy.

use std::net::IpAddr;

use watershed_model::{Edge, Party, Protocol, WorkloadKind};

/// A workload by kind, namespace and name, or an address. Labels are left out: they change over a workload's
/// life, and a dependency is not new because a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who<'a> {
    Workload { kind: WorkloadKind, namespace: Option<&'a str>, name: &'a str },
    Address(IpAddr),
}

impl<'a> Who<'a> {
    pub(crate) fn of(party: &'a Party) -> Self {
        match party {
            Party::Workload(workload) => Self::Workload {
                kind: workload.kind,
                namespace: workload.namespace.as_deref(),
                name: &workload.name,
            },
            Party::Address(address) => Self::Address(*address),
        }
    }

    /// The namespace, where there is one.
    pub(crate) const fn namespace(self) -> Option<&'a str> {
        match self {
            Self::Workload { namespace, .. } => namespace,
            Self::Address(_) => None,
        }
    }
}

/// What makes a dependency the same over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Dependency<'a> {
    pub(crate) client: Who<'a>,
    pub(crate) server: Who<'a>,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl<'a> Dependency<'a> {
    pub(crate) fn of(edge: &'a Edge) -> Self {
        let key = &edge.key;
        Self {
            client: Who::of(&key.client),
            server: Who::of(&key.server),
            protocol: key.protocol,
            port: key.port,
        }
    }
}
