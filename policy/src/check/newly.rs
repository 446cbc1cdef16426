//! What policies allow that those before them did not, and that nobody was observed to use.

use std::collections::{BTreeMap, BTreeSet};

use watershed_model::Edge;

use super::cast::Cast;
use super::pods::pairs;
use super::{MAX_PAIRS, Newly};
use crate::k8s::{Connections, End};
use crate::layers::Layers;

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
    let mut newly: BTreeMap<(String, String), (Connections, u64)> = BTreeMap::new();
    for &client in &ends {
        for &server in &ends {
            if client == server || matches!((client, server), (End::Outside(_), End::Outside(_))) {
                continue;
            }
            let mut ports = new.connections(client, server).difference(&old.connections(client, server));
            if let Some(seen) = observed.get(&(client, server)) {
                ports = ports.difference(seen);
            }
            if !ports.is_empty() {
                let all = newly.entry((name(cast, client), name(cast, server))).or_default();
                all.1 = all.1.saturating_add(ports.count());
                all.0 = all.0.union(&ports);
            }
        }
    }
    let row = |((client, server), (ports, count)): (_, (Connections, u64))| Newly {
        client,
        server,
        ports: ports.to_string(),
        count,
    };
    Some(newly.into_iter().map(row).collect())
}

fn name(cast: &Cast, end: End) -> String {
    match end {
        End::Pod(pod) => cast.world.pods()[pod].to_string(),
        End::Outside(address) => address.to_string(),
    }
}
