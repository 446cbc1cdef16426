//! What a list of containers says of addresses, compared with the list before.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use hashbrown::HashMap;
use watershed_model::{Labels, Timestamp, Workload, WorkloadKind};

use crate::inventory::Change;
use crate::inventory::claims::{Claim, Claims};

/// Containers of one engine; beyond it they are left out and counted. Hosts run hundreds.
const MAX_CONTAINERS: usize = 10_000;

/// Labels kept of one container; one with more is left out. Images bring a dozen.
const MAX_LABELS: usize = 64;

/// Letters of a name, a label's key or value; one with more is left out.
const MAX_TEXT: usize = 1_024;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// Beginnings of labels that say how and of what a container was made, and change with each version of it.
const GENERATED: [&str; 3] = ["com.docker.compose.", "desktop.docker.io/", "org.opencontainers.image."];

/// Who has which address.
#[derive(Debug, Default)]
pub(super) struct Containers {
    addresses: Claims<IpAddr, Arc<Workload>>,
    known: HashMap<Arc<str>, Vec<IpAddr>>,
    refused: u64,
}

impl Containers {
    /// Takes a list over: what it does not name is gone. Returns what has changed.
    pub(super) fn take(&mut self, listed: &[ContainerSummary], now: Timestamp) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.known);
        for container in listed {
            let running = !matches!(
                container.state,
                Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD | ContainerSummaryStateEnum::CREATED)
            );
            let Some(id) = container.id.as_deref().filter(|_| running) else { continue };
            if self.known.len() >= MAX_CONTAINERS || !is_plausible(container) {
                self.refused += 1;
                // What was known of it before stays.
                if let Some((id, addresses)) = before.remove_entry(id) {
                    self.known.insert(id, addresses);
                }
                continue;
            }
            let workload = Arc::new(workload(container));
            let since = container.created.map(|seconds| Timestamp::from_parts(seconds, 0));
            let addresses = addresses(container);
            let (id, held) = before.remove_entry(id).unwrap_or_else(|| (id.into(), Vec::new()));
            for &address in &addresses {
                // Made earlier, it may have got this address only now.
                let since = since.filter(|_| held.is_empty());
                let value = Arc::clone(&workload);
                self.addresses.claim(address, Claim { by: &id, value, since, corrects: |_, _| false }, now);
            }
            for &address in held.iter().filter(|address| !addresses.contains(address)) {
                self.addresses.release(address, &id, now);
            }
            self.known.insert(id, addresses);
        }
        for (id, addresses) in before {
            addresses.into_iter().for_each(|address| self.addresses.release(address, &id, now));
        }
        let mut changes: Vec<Change> = self
            .addresses
            .take_changed()
            .into_iter()
            .map(|(at, address, workload)| Change { at, prefix: address.into(), workload })
            .collect();
        changes.sort_by_key(|change| (change.at, change.prefix));
        changes
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

#[cfg(test)]
mod tests;
