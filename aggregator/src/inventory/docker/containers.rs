//! What a list of containers says of addresses, compared with the list before.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, PortSummaryTypeEnum};
use hashbrown::HashMap;
use watershed_model::{Labels, Protocol, Timestamp, Workload, WorkloadKind};

use crate::inventory::claims::{Claim, Claims};
use crate::inventory::fronts::{Backend, Front, FrontChange};
use crate::inventory::{Change, Source};

/// Containers of one engine; beyond it they are left out and counted. Hosts run hundreds.
const MAX_CONTAINERS: usize = 10_000;

/// Labels kept of one container; one with more is left out. Images bring a dozen.
const MAX_LABELS: usize = 64;

/// Ports heeded of one container: images expose a few.
const MAX_PORTS: usize = 64;

/// Letters of a name, a label's key or value; one with more is left out.
const MAX_TEXT: usize = 1_024;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// Beginnings of labels that say how and of what a container was made, and change with each version of it.
const GENERATED: [&str; 3] = ["com.docker.compose.", "desktop.docker.io/", "org.opencontainers.image."];

/// Who has which address, and which ports of it are exposed.
#[derive(Debug, Default)]
pub(super) struct Containers {
    addresses: Claims<IpAddr, Arc<Workload>>,
    exposed: Claims<Front, Arc<Backend>>,
    known: HashMap<Arc<str>, Known>,
    refused: u64,
}

/// What a container has.
#[derive(Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    fronts: Vec<Front>,
}

/// What became different.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) addresses: Vec<Change>,
    pub(super) fronts: Vec<FrontChange>,
}

impl Containers {
    /// Takes a list over: what it does not name is gone. Returns what has changed.
    pub(super) fn take(&mut self, listed: &[ContainerSummary], now: Timestamp) -> Changed {
        let mut before = std::mem::take(&mut self.known);
        for container in listed {
            let running = !matches!(
                container.state,
                Some(
                    ContainerSummaryStateEnum::EXITED
                        | ContainerSummaryStateEnum::DEAD
                        | ContainerSummaryStateEnum::CREATED
                )
            );
            let Some(id) = container.id.as_deref().filter(|_| running) else { continue };
            if self.known.len() >= MAX_CONTAINERS || !is_plausible(container) {
                self.refused += 1;
                // What was known of it before stays.
                if let Some((id, known)) = before.remove_entry(id) {
                    self.known.insert(id, known);
                }
                continue;
            }
            let (id, held) = before.remove_entry(id).unwrap_or_else(|| (id.into(), Known::default()));
            let known = self.hold(&id, container, &held, now);
            self.known.insert(id, known);
        }
        for (id, held) in before {
            self.let_go(&id, &held, &Known::default(), now);
        }
        let handed = self.addresses.take_changed().into_iter();
        let mut addresses: Vec<Change> =
            handed.map(|(at, address, workload)| Change { at, prefix: address.into(), workload }).collect();
        addresses.sort_by_key(|change| (change.at, change.prefix));
        let exposed = self.exposed.take_changed().into_iter();
        let mut fronts: Vec<FrontChange> =
            exposed.map(|(at, front, backend)| FrontChange { at, front, backend }).collect();
        fronts.sort_by_key(|change| (change.at, change.front));
        Changed { addresses, fronts }
    }

    /// Says what a container has now, which had `held` before.
    fn hold(&mut self, id: &Arc<str>, container: &ContainerSummary, held: &Known, now: Timestamp) -> Known {
        let workload = Arc::new(workload(container));
        let addresses = addresses(container);
        let fronts = exposed(container, &addresses);
        // Made earlier, it may have got this address only now.
        let created = container.created.map(|seconds| Timestamp::from_parts(seconds, 0));
        let since = created.filter(|_| held.addresses.is_empty());
        for &address in &addresses {
            let claim = Claim { by: id, value: Arc::clone(&workload), since, corrects: |_, _| false };
            self.addresses.claim(address, claim, now);
        }
        for &(front, port) in &fronts {
            let value = Arc::new(Backend::declared(Source::Docker, port));
            self.exposed.claim(front, Claim { by: id, value, since, corrects: |_, _| false }, now);
        }
        let known = Known { addresses, fronts: fronts.into_iter().map(|(front, _)| front).collect() };
        self.let_go(id, held, &known, now);
        known
    }

    /// Lets go of what a container had and has no more.
    fn let_go(&mut self, id: &str, held: &Known, now_has: &Known, now: Timestamp) {
        for &address in held.addresses.iter().filter(|address| !now_has.addresses.contains(address)) {
            self.addresses.release(address, id, now);
        }
        for &front in held.fronts.iter().filter(|front| !now_has.fronts.contains(front)) {
            self.exposed.release(front, id, now);
        }
    }

    /// How many containers were left out so far, each time they were listed.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

fn is_plausible(container: &ContainerSummary) -> bool {
    let short = |text: &String| text.len() <= MAX_TEXT;
    let labels = container.labels.iter().flatten();
    container.names.iter().flatten().all(short)
        && container.labels.as_ref().is_none_or(|labels| labels.len() <= MAX_LABELS)
        && labels.into_iter().all(|(key, value)| short(key) && short(value))
}

/// The service of a Compose project, whichever of its containers it is; else the container by its name.
fn workload(container: &ContainerSummary) -> Workload {
    let label = |key| container.labels.as_ref().and_then(|labels| labels.get(key));
    let own = container.names.iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned());
    let id = container.id.as_deref().unwrap_or_default();
    let name = match (label(PROJECT), label(SERVICE)) {
        (Some(project), Some(service)) => format!("{project}/{service}"),
        _ => own.unwrap_or_else(|| id.chars().take(12).collect()),
    };
    let kept = container.labels.iter().flatten().filter(|(key, _)| {
        [PROJECT, SERVICE].contains(&key.as_str()) || !GENERATED.iter().any(|start| key.starts_with(start))
    });
    let labels: Labels = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    Workload { kind: WorkloadKind::Container, name, namespace: None, labels }
}

/// Its addresses in all its networks; none where it uses its host's.
fn addresses(container: &ContainerSummary) -> Vec<IpAddr> {
    let settings = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let networks = settings.into_iter().flatten().map(|(_, network)| network);
    let texts = networks.flat_map(|network| [&network.ip_address, &network.global_ipv6_address]);
    let addresses = texts.flatten().filter_map(|text| text.parse::<IpAddr>().ok());
    let usable = addresses.filter(|ip| !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast()));
    usable.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The ports that it exposes at its addresses, whether or not they are published on its host.
fn exposed(container: &ContainerSummary, addresses: &[IpAddr]) -> Vec<(Front, u16)> {
    let ports = container.ports.iter().flatten().take(MAX_PORTS);
    let ports: BTreeSet<(Protocol, u16)> = ports
        .filter_map(|port| {
            let protocol = match port.typ {
                Some(PortSummaryTypeEnum::UDP) => Protocol::UDP,
                Some(PortSummaryTypeEnum::SCTP) => Protocol::SCTP,
                _ => Protocol::TCP,
            };
            (port.private_port > 0).then_some((protocol, port.private_port))
        })
        .collect();
    let at = |&address: &IpAddr| {
        ports.iter().map(move |&(protocol, port)| (Front::Address(address, protocol, port), port))
    };
    addresses.iter().flat_map(at).collect()
}

#[cfg(test)]
mod tests;
