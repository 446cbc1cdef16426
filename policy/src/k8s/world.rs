//! Who is there for policies to select: pods and namespaces.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use watershed_model::{Labels, Protocol};

/// The label that the API server gives to every namespace: its name.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Pods and namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Labels of namespaces, each with [`NAMESPACE_NAME`].
    namespaces: BTreeMap<String, Labels>,
    /// In the order in which they were added.
    pods: Vec<Pod>,
}

/// A pod, or all the alike pods of one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name, or its workload's.
    pub name: String,
    /// The kind of its topmost known owner, or `Pod`.
    pub kind: String,
    /// Its labels.
    pub labels: Labels,
    /// Its service account, where it is known.
    pub service_account: Option<String>,
    /// Its addresses, where they are known.
    pub addresses: Vec<IpAddr>,
    /// Ports of its containers that have names.
    pub ports: Vec<NamedPort>,
    /// Whether it shares its node's network: policies then do not isolate it, and selectors of pods do not
    /// mean it.
    pub host_network: bool,
    /// Its node's address, where it is known: a node reaches its own pods whatever policies say.
    pub node: Option<IpAddr>,
}

/// `shop/web`.
impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A container's port with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The number.
    pub port: u16,
}

impl World {
    /// Adds a namespace, or labels to one that is there.
    pub fn add_namespace(&mut self, name: &str, labels: Labels) {
        let known = self.namespaces.entry(name.to_owned()).or_default();
        known.extend(labels);
        known.insert(NAMESPACE_NAME.to_owned(), name.to_owned());
    }

    /// Adds a pod, and its namespace if it is not there.
    pub fn add_pod(&mut self, pod: Pod) {
        if !self.namespaces.contains_key(&pod.namespace) {
            self.add_namespace(&pod.namespace.clone(), Labels::new());
        }
        self.pods.push(pod);
    }

    /// The pods, in the order in which they were added.
    #[must_use]
    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// The namespaces with their labels.
    #[must_use]
    pub const fn namespaces(&self) -> &BTreeMap<String, Labels> {
        &self.namespaces
    }
}
