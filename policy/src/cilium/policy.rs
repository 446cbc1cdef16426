//! The policies, typed.

use std::fmt;

use ipnet::IpNet;

use super::pattern::Pattern;
use crate::k8s::{Direction, Place, Selector};
use crate::layers::Services;

/// One object: several policies that share a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumPolicy {
    /// Where it begins.
    pub place: Place,
    /// Its namespace; `None` for the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What it says, in order.
    pub specs: Vec<Spec>,
}

/// `CiliumNetworkPolicy shop/web`.
impl fmt::Display for CiliumPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "CiliumNetworkPolicy {namespace}/{}", self.name),
            None => write!(f, "CiliumClusterwideNetworkPolicy {}", self.name),
        }
    }
}

/// Rules for some pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Where it begins.
    pub place: Place,
    /// The pods that it is for, with their namespace as a label.
    pub subject: Selector,
    /// Whether it isolates them for ingress, and for egress.
    pub isolates: [bool; 2],
    /// In order of the file.
    pub rules: Vec<Rule>,
}

/// Allows or denies connections with any of the peers to any of the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// Which way it looks.
    pub direction: Direction,
    /// Whether it denies.
    pub denies: bool,
    /// The other ends; `None` where no kind of peer is named.
    pub peers: Option<Vec<Peer>>,
    /// What of the server; none means everything.
    pub(crate) services: Vec<Services>,
    /// The names that pods may ask for, where it is a rule for the DNS; what they asked for is then known.
    pub(crate) lookups: Vec<Pattern>,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods, with their namespace as a label.
    Endpoints(Selector),
    /// Some of the world.
    Entity(Entity),
    /// Addresses outside.
    Network {
        /// The addresses.
        cidr: IpNet,
        /// Those of them that are not meant.
        except: Vec<IpNet>,
    },
    /// Addresses outside that are called so.
    Name(Pattern),
    /// Somebody of whom nothing is known here; a note of the manifests says so.
    Unknown,
}

/// A part of the world with a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// Everybody.
    All,
    /// Everybody outside the cluster.
    World,
    /// Everybody in it.
    Cluster,
    /// Nodes, and pods on their networks.
    Nodes,
    /// Nobody that is known here.
    Nobody,
}
