//! Who an address was.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Labels of a workload: `role`, `app`, `env`, `loc` and any others.
pub type Labels = BTreeMap<String, String>;

/// Who an address was at the time of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// What kind of thing it is.
    pub kind: WorkloadKind,
    /// Its name, unique within kind and namespace.
    pub name: String,
    /// The namespace or project it lives in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
}

/// What kind of thing a workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// A host or virtual machine, or whatever an inventory file names.
    #[default]
    Host,
    /// A network rather than a machine: an inventory entry that covers a range of addresses.
    Network,
}

/// `namespace/name`, or the name alone.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
