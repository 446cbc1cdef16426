//! Who was seen with whom, compactly: workloads whatever their labels were at the time, and addresses.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};
use watershed_model::{Edge, Labels, Party, Workload};

use crate::identity::{FieldDigest, Identity};
use crate::{Error, Member, Observed, Service};

/// Parties that are remembered by where they lie in memory: as many as an inventory has in a large estate.
const REMEMBERED: usize = 1 << 17;

/// A number of a node in a [`Census`].
pub(crate) type NodeId = u32;

/// Everybody who was seen or is known, and who used which service of whom.
///
/// It takes edges one at a time and keeps of each only what rules need, so that an estate with millions of
/// them fits in memory.
#[derive(Clone, Debug, Default)]
pub struct Census {
    pub(crate) nodes: Vec<Node>,
    /// In order of server, service and client; each once.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A host or pod with all labels that it ever had, or an address that is neither.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) identity: Identity,
    /// The network of the inventory that the address lies in.
    pub(crate) network: Option<String>,
    /// Label sets that it was seen with, each once.
    pub(crate) variants: BTreeSet<Arc<Labels>>,
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// What clients called it.
    pub(crate) names: BTreeSet<Box<str>>,
}

impl Node {
    pub(crate) fn namespace(&self) -> Option<&str> {
        match &self.identity {
            Identity::Workload { namespace, .. } => namespace.as_deref(),
            Identity::Address(_) => None,
        }
    }

    /// It as an end of a rule, which is none of the evidence.
    pub(super) fn member(&self) -> Member {
        Member { party: self.identity.party(), addresses: self.addresses.clone(), observed: None }
    }

    /// Its name, `namespace/name`, or the address with the network that it lies in.
    pub(crate) fn display(&self) -> String {
        match (&self.identity, &self.network) {
            (Identity::Workload { namespace: Some(namespace), name, .. }, _) => format!("{namespace}/{name}"),
            (Identity::Workload { name, .. }, _) => name.clone(),
            (Identity::Address(address), Some(network)) => format!("{address} ({network})"),
            (Identity::Address(address), None) => address.to_string(),
        }
    }
}

/// One service of one server, used by one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dependency {
    pub(crate) server: NodeId,
    pub(crate) service: Service,
    pub(crate) client: NodeId,
    pub(crate) observed: Observed,
}

impl Census {
    /// Takes accepted edges, and workloads that are known whether they were seen or not.
    ///
    /// A network of the inventory is not one workload, and no selector selects a node: each of their addresses stands
    /// for itself.
    ///
    /// # Errors
    /// [`Error::Unanswered`] for an edge that no server answered: a scan must never become a rule.
    pub fn of<E: Borrow<Edge>>(
        accepted: impl IntoIterator<Item = E>,
        workloads: &[Arc<Workload>],
    ) -> Result<Self, Error> {
        let mut taker = Taker::default();
        for workload in workloads.iter().filter(|workload| !workload.kind.is_addresses()) {
            taker.workload(workload);
        }
        for edge in accepted {
            taker.edge(edge.borrow())?;
        }
        Ok(taker.finish())
    }

    /// How many distinct dependencies there are: client, server and service.
    #[must_use]
    pub fn dependencies(&self) -> usize {
        self.dependencies.len()
    }

    /// SHA-256 over all parties, and over all dependencies: client, server, service, counts and times.
    pub(crate) fn digest(&self) -> String {
        let mut digest = FieldDigest::default();
        digest.numbers([self.nodes.len() as u64]);
        self.nodes.iter().for_each(|node| node.identity.digest(&mut digest));
        for one in &self.dependencies {
            let Dependency { server, service, client, observed } = *one;
            let (kind, number) = match service {
                Service::Port { port, .. } => (0, port),
                Service::Icmp { message_type, .. } => (1, u16::from(message_type)),
                Service::Protocol(_) => (2, 0),
            };
            let service = u32::from(number) << 16 | u32::from(service.protocol().0) << 8 | kind;
            let Observed { connections, answered, first_seen, last_seen, .. } = observed;
            let times = [first_seen, last_seen].map(|time| time.as_nanos().cast_unsigned());
            digest.numbers([
                u64::from(client) << 32 | u64::from(server),
                u64::from(service),
                connections,
                answered,
                times[0],
                times[1],
            ]);
        }
        digest.finish()
    }

    /// How many workloads and addresses there are.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.nodes.len()
    }
}

#[derive(Default)]
struct Taker {
    census: Census,
    known: BTreeMap<Identity, NodeId>,
    /// Holds what it remembers, so that no place in memory is used twice.
    remembered: HashMap<*const Workload, (Arc<Workload>, NodeId)>,
}

impl Taker {
    fn edge(&mut self, edge: &Edge) -> Result<(), Error> {
        if edge.answered == 0 {
            return Err(Error::Unanswered { edge: Box::new(edge.key.clone()) });
        }
        let Some(service) = Service::of(&edge.key) else { return Ok(()) };
        let observed = Observed::of(edge);
        let servers = self.party(&edge.key.server, &edge.server_addresses);
        let clients = self.party(&edge.key.client, &edge.client_addresses);
        for &server in &servers {
            let names = &mut self.census.nodes[server as usize].names;
            for name in &edge.names {
                if !names.contains(name) {
                    names.insert(name.clone());
                }
            }
            let each = clients.iter().map(|&client| Dependency { server, service, client, observed });
            self.census.dependencies.extend(each);
        }
        Ok(())
    }

    fn party(&mut self, party: &Party, addresses: &BTreeSet<IpAddr>) -> SmallVec<[NodeId; 2]> {
        match party {
            Party::Workload(workload) if !workload.kind.is_addresses() => {
                let id = self.workload(workload);
                self.census.nodes[id as usize].addresses.extend(addresses);
                smallvec![id]
            }
            Party::Workload(network) => {
                addresses.iter().map(|&address| self.address(address, Some(&network.to_string()))).collect()
            }
            Party::Address(address) => smallvec![self.address(*address, None)],
        }
    }

    fn workload(&mut self, workload: &Arc<Workload>) -> NodeId {
        if let Some(&(_, id)) = self.remembered.get(&Arc::as_ptr(workload)) {
            return id;
        }
        let id = self.node(Identity::of(&Party::Workload(Arc::clone(workload))));
        self.census.nodes[id as usize].variants.insert(Arc::new(workload.labels.clone()));
        if self.remembered.len() < REMEMBERED {
            self.remembered.insert(Arc::as_ptr(workload), (Arc::clone(workload), id));
        }
        id
    }

    fn address(&mut self, address: IpAddr, network: Option<&str>) -> NodeId {
        let id = self.node(Identity::Address(address));
        let node = &mut self.census.nodes[id as usize];
        node.addresses.insert(address);
        if node.network.is_none() {
            node.network = network.map(str::to_owned);
        }
        id
    }

    fn node(&mut self, identity: Identity) -> NodeId {
        let nodes = &mut self.census.nodes;
        *self.known.entry(identity).or_insert_with_key(|identity| {
            nodes.push(Node {
                identity: identity.clone(),
                network: None,
                variants: BTreeSet::new(),
                addresses: BTreeSet::new(),
                names: BTreeSet::new(),
            });
            (nodes.len() - 1) as NodeId
        })
    }

    /// Nodes in order of their identities, dependencies in order of nodes, whatever the order of edges was.
    fn finish(self) -> Census {
        let Census { nodes, mut dependencies } = self.census;
        let mut place = vec![0; nodes.len()];
        for (new, &old) in self.known.values().enumerate() {
            place[old as usize] = new as NodeId;
        }
        let mut nodes: Vec<(NodeId, Node)> = place.iter().copied().zip(nodes).collect();
        nodes.sort_unstable_by_key(|(place, _)| *place);
        for dependency in &mut dependencies {
            dependency.server = place[dependency.server as usize];
            dependency.client = place[dependency.client as usize];
        }
        dependencies
            .sort_unstable_by_key(|dependency| (dependency.server, dependency.service, dependency.client));
        dependencies.dedup_by(|later, earlier| {
            let same = (later.server, later.service, later.client)
                == (earlier.server, earlier.service, earlier.client);
            if same {
                earlier.observed.merge(&later.observed);
            }
            same
        });
        Census { nodes: nodes.into_iter().map(|(_, node)| node).collect(), dependencies }
    }
}
