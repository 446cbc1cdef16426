//! What policies allow that those before them did not, and that nobody was observed to use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_model::Edge;

use super::cast::Cast;
use super::pods::pairs;
use super::{MAX_PAIRS, Newly};
use crate::k8s::{Connections, End, PROTOCOLS};
use crate::layers::Layers;
use crate::nft::{Action, Hook, Ruleset};
use crate::{Service, Tuple};

/// For every pair of pods, and of pods and addresses outside that were seen, the ports that are newly allowed; those
/// between the same two names together. `None` where there are too many pairs.
pub(super) fn find(cast: &Cast, new: &Layers<'_>, old: &Layers<'_>, edges: &[&Edge]) -> Option<Vec<Newly>> {
    let mut outside = BTreeSet::new();
    let mut observed: BTreeMap<(End, End), Connections> = BTreeMap::new();
    for edge in edges {
        for (client, server) in pairs(cast, edge) {
            outside.extend([client, server].into_iter().filter_map(|end| match end {
                End::Outside(address) => Some(address),
                End::Pod(_) => None,
            }));
            let port = edge.key.port;
            observed.entry((client, server)).or_default().insert(edge.key.protocol, port..=port);
        }
    }
    let pods = 0..cast.world.pods().len();
    let asked = pods.len().checked_mul(pods.len() + 2 * outside.len());
    asked.filter(|&asked| asked <= MAX_PAIRS)?;
    let mut ends: Vec<End> = pods.map(End::Pod).collect();
    ends.extend(outside.into_iter().map(End::Outside));
    let mut newly = Found::default();
    for &client in &ends {
        for &server in &ends {
            if client == server || matches!((client, server), (End::Outside(_), End::Outside(_))) {
                continue;
            }
            let mut ports = new.connections(client, server).difference(&old.connections(client, server));
            if let Some(seen) = observed.get(&(client, server)) {
                ports = ports.difference(seen);
            }
            newly.add(|| (name(cast, client), name(cast, server)), &ports);
        }
    }
    Some(newly.rows())
}

/// What is newly allowed between two names, and how many connections of single ends that is.
#[derive(Default)]
struct Found(BTreeMap<(String, String), (Connections, u64)>);

impl Found {
    fn add(&mut self, names: impl FnOnce() -> (String, String), ports: &Connections) {
        if !ports.is_empty() {
            let all = self.0.entry(names()).or_default();
            all.1 = all.1.saturating_add(ports.count());
            all.0 = all.0.union(ports);
        }
    }

    fn rows(self) -> Vec<Newly> {
        let row = |((client, server), (ports, count)): (_, (Connections, u64))| Newly {
            client,
            server,
            ports: ports.to_string(),
            count,
        };
        self.0.into_iter().map(row).collect()
    }
}

/// The same for rules of packets: for every two addresses that were seen, those of the same two parties together.
/// `None` where there are too many connections to ask about.
pub(super) fn between_addresses(
    new: (&Ruleset, Hook),
    old: (&Ruleset, Hook),
    edges: &[&Edge],
) -> Option<Vec<Newly>> {
    let mut names: BTreeMap<IpAddr, String> = BTreeMap::new();
    let mut observed: BTreeMap<(IpAddr, IpAddr), Connections> = BTreeMap::new();
    for edge in edges {
        let ends = [(&edge.key.client, &edge.client_addresses), (&edge.key.server, &edge.server_addresses)];
        for (party, addresses) in ends {
            for &address in addresses {
                names.entry(address).or_insert_with(|| party.to_string());
            }
        }
        for &client in &edge.client_addresses {
            for &server in &edge.server_addresses {
                let port = edge.key.port;
                observed.entry((client, server)).or_default().insert(edge.key.protocol, port..=port);
            }
        }
    }
    let points = points([new.0, old.0]);
    let asked = names.len().checked_mul(names.len())?.checked_mul(2 * points.len() * PROTOCOLS.len())?;
    if asked > MAX_PAIRS {
        return None;
    }
    let mut newly = Found::default();
    for (&client, client_name) in &names {
        for (&server, server_name) in &names {
            if client == server || client.is_ipv4() != server.is_ipv4() || !new.0.is_about(new.1, server) {
                continue;
            }
            let allowed = |(rules, hook)| connections(rules, hook, (client, server), &points);
            let mut ports = allowed(new).difference(&allowed(old));
            if let Some(seen) = observed.get(&(client, server)) {
                ports = ports.difference(seen);
            }
            newly.add(|| (client_name.clone(), server_name.clone()), &ports);
        }
    }
    Some(newly.rows())
}

/// Ports from which on rules may decide otherwise than about the port before: the first, where ranges of ports begin,
/// and what comes after them.
fn points(rulesets: [&Ruleset; 2]) -> Vec<u16> {
    let mut points = BTreeSet::from([1]);
    for range in rulesets.into_iter().flat_map(Ruleset::ports) {
        points.extend([Some((*range.start()).max(1)), range.end().checked_add(1)].into_iter().flatten());
    }
    points.into_iter().collect()
}

/// What a ruleset lets one address use of another. Of a server that it is not about it knows nothing, and refuses
/// nothing.
fn connections(
    rules: &Ruleset,
    hook: Hook,
    (client, server): (IpAddr, IpAddr),
    points: &[u16],
) -> Connections {
    if !rules.is_about(hook, server) {
        return Connections::all();
    }
    let mut all = Connections::default();
    for protocol in PROTOCOLS {
        for (at, &port) in points.iter().enumerate() {
            let tuple = Tuple { client, server, service: Service::Port { protocol, port } };
            if rules.evaluate(hook, &tuple).action == Action::Accept {
                let last = points.get(at + 1).map_or(u16::MAX, |next| next - 1);
                all.insert(protocol, port..=last);
            }
        }
    }
    all
}

fn name(cast: &Cast, end: End) -> String {
    match end {
        End::Pod(pod) => cast.world.pods()[pod].to_string(),
        End::Outside(address) => address.to_string(),
    }
}
