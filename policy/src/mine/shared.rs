//! Services that everybody shares: rules of their own, so that no namespace forgets them.

use std::collections::BTreeSet;

use watershed_model::Protocol;

use super::classes::{ClassId, Classes};
use super::{ClassDependency, Level};
use crate::Service;

/// The port of DNS (RFC 1035). A workload that was not seen to ask may have had the answer in its cache.
const DNS: u16 = 53;

/// Fewer classes of clients than this share nothing.
const FEWEST: usize = 5;

/// Clients in this share of all classes make a service shared: time, monitoring, the API server.
const SHARE: f64 = 0.5;

/// Services that every workload of the cluster may use, by server; `dependencies` are in order of server and
/// service.
pub(crate) fn shared(
    classes: &Classes,
    dependencies: &[ClassDependency],
    level: Level,
) -> BTreeSet<(ClassId, Service)> {
    let all = (0..classes.list.len() as ClassId).filter(|&class| classes.in_cluster(class)).count();
    let is_shared = |group: &&[ClassDependency]| {
        let ClassDependency { server, service, .. } = group[0];
        let clients = group.iter().filter(|one| classes.in_cluster(one.client)).count();
        let dns = matches!(service, Service::Port { port: DNS, .. }) && classes.in_cluster(server);
        let many = clients >= FEWEST && clients as f64 >= SHARE * all as f64;
        clients > 0 && (dns || (many && level != Level::Nano))
    };
    dependencies
        .chunk_by(|a, b| (a.server, a.service) == (b.server, b.service))
        .filter(is_shared)
        .flat_map(|group| both_transports(group[0].service).map(|one| (group[0].server, one)))
        .collect()
}

/// DNS over UDP and TCP: an answer that does not fit is asked for again over TCP (RFC 7766).
fn both_transports(service: Service) -> impl Iterator<Item = Service> {
    let other = match service {
        Service::Port { protocol, port: DNS } => [Protocol::UDP, Protocol::TCP]
            .into_iter()
            .find(|&transport| transport != protocol)
            .map(|protocol| Service::Port { protocol, port: DNS }),
        _ => None,
    };
    std::iter::once(service).chain(other)
}
