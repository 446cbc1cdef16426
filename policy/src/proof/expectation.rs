//! What must pass, worked out from the edges, and from what people decided.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use watershed_model::{Edge, Protocol};

use crate::export::nftables::ALWAYS_ALLOWED_ICMPV6;
use crate::identity::{FieldDigest, Identity};
use crate::rule::expressible;
use crate::{Error, Rule, Service, Tuple};

/// The edges of one service of one server.
pub(super) struct Group<'a> {
    pub(super) service: Service,
    pub(super) edges: Vec<&'a Edge>,
    pub(super) clients: BTreeSet<IpAddr>,
    pub(super) servers: BTreeSet<IpAddr>,
}

pub(super) struct Expectation<'a> {
    /// In order of server and service.
    pub(super) groups: Vec<Group<'a>>,
    /// Edges that no rule can express.
    pub(super) held_back: u64,
    /// SHA-256 over all edges, whatever their order.
    pub(super) digest: String,
    /// Rules that people made.
    pub(super) by_hand: &'a [Rule],
    groups_of: HashMap<(IpAddr, Service), Vec<usize>>,
}

impl<'a> Expectation<'a> {
    pub(super) fn of(edges: impl IntoIterator<Item = &'a Edge>, by_hand: &'a [Rule]) -> Result<Self, Error> {
        let edges = sorted(edges);
        let input = digest_sorted(&edges);
        let mut groups = BTreeMap::new();
        let mut held_back = 0;
        for edge in edges {
            let Ok(service) = expressible(edge)? else {
                held_back += 1;
                continue;
            };
            let group = groups.entry((Identity::of(&edge.key.server), service)).or_insert_with(|| Group {
                service,
                edges: Vec::new(),
                clients: BTreeSet::new(),
                servers: BTreeSet::new(),
            });
            group.edges.push(edge);
            group.clients.extend(&edge.client_addresses);
            group.servers.extend(&edge.server_addresses);
        }

        let groups: Vec<Group<'_>> = groups.into_values().collect();
        let mut groups_of: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, group) in groups.iter().enumerate() {
            for &server in &group.servers {
                groups_of.entry((server, group.service)).or_default().push(at);
            }
        }
        Ok(Self { groups, held_back, digest: input, by_hand, groups_of })
    }

    /// Whether an edge or a person gives the right to this connection, or IPv6 needs it. By an edge: a client of the
    /// service and a server of it, whether or not this pair of addresses was seen together.
    pub(super) fn explains(&self, tuple: &Tuple) -> bool {
        if let Service::Icmp { protocol: Protocol::ICMPV6, message_type } = tuple.service
            && ALWAYS_ALLOWED_ICMPV6.contains(&message_type)
        {
            return true;
        }
        let groups = self.groups_of.get(&(tuple.server, tuple.service)).map_or(&[][..], Vec::as_slice);
        groups.iter().filter_map(|&at| self.groups.get(at)).any(|group| group.clients.contains(&tuple.client))
            || self.by_hand.iter().any(|rule| rule.allows(tuple))
    }
}

/// SHA-256 over edges, whatever their order.
pub(crate) fn digest_of<'a>(edges: impl IntoIterator<Item = &'a Edge>) -> String {
    digest_sorted(&sorted(edges))
}

fn sorted<'a>(edges: impl IntoIterator<Item = &'a Edge>) -> Vec<&'a Edge> {
    let mut edges: Vec<&Edge> = edges.into_iter().collect();
    edges.sort_by(|a, b| (&a.key, a.first_seen, a.last_seen).cmp(&(&b.key, b.first_seen, b.last_seen)));
    edges
}

fn digest_sorted(edges: &[&Edge]) -> String {
    let mut input = FieldDigest::default();
    edges.iter().for_each(|edge| digest(edge, &mut input));
    input.finish()
}

fn digest(edge: &Edge, digest: &mut FieldDigest) {
    let key = &edge.key;
    Identity::of(&key.client).digest(digest);
    Identity::of(&key.server).digest(digest);
    for number in [u64::from(key.protocol.0), u64::from(key.port), edge.connections, edge.answered] {
        digest.field(&number.to_string());
    }
    for time in [edge.first_seen, edge.last_seen] {
        digest.field(&time.as_nanos().to_string());
    }
    for addresses in [&edge.client_addresses, &edge.server_addresses] {
        digest.field(&addresses.len().to_string());
        addresses.iter().for_each(|address| digest.field(&address.to_string()));
    }
}
