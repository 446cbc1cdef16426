//! What a node does for others, judged by the services it offers and uses.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;

use super::Guess;
use crate::graph::Inner;
use crate::verdict::Verdict;
use crate::{Scope, Service};

/// A role by behaviour. The score is the share of the use that fits: of what it offers for servers, of what it
/// uses for clients, each peer and service counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behaviour {
    /// Answers web requests of the internet, or of users, and keeps no data itself.
    Web,
    /// Offers a service of its own and uses others to do so.
    App,
    /// Offers a database's port.
    Database,
    /// Offers a cache's port.
    Cache,
    /// Answers names.
    Dns,
    /// Asks many nodes on one port, or on the ports of exporters and agents.
    Monitoring,
    /// Uses services and offers none.
    Batch,
}

impl Behaviour {
    /// Its name in lower case, as a label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Dns => "dns",
            Self::Monitoring => "monitoring",
            Self::Batch => "batch",
        }
    }

    /// The role that offering this service means by itself.
    fn of_service(service: Service) -> Option<Self> {
        Some(match service.name()? {
            "postgresql" | "mysql" | "oracle" | "mssql" | "mongodb" | "cassandra" | "clickhouse"
            | "clickhouse-http" | "influxdb" | "elasticsearch" | "etcd" => Self::Database,
            "redis" | "memcached" | "redis-sentinel" => Self::Cache,
            "dns" | "dns-over-tls" | "dns-over-quic" => Self::Dns,
            "http" | "https" | "http-alt" | "https-alt" | "quic" => Self::Web,
            _ => return None,
        })
    }
}

/// Services that are there to be monitored.
fn is_watched(service: Service) -> bool {
    matches!(service.name(), Some("node-exporter" | "kubelet" | "snmp" | "zabbix-agent"))
}

/// Services of the host rather than of what runs on it: they say nothing about its role.
fn is_of_the_host(service: Service) -> bool {
    is_watched(service) || matches!(service.name(), Some("ssh" | "winrm" | "winrm-tls" | "rdp"))
}

/// Who asks so many nodes on one port looks after them rather than depending on them.
const MANY_WATCHED: usize = 5;

/// Peers and services, each pair once, of one node.
#[derive(Default)]
struct Use {
    offered: BTreeSet<(NodeIndex, Service)>,
    used: BTreeSet<(NodeIndex, Service)>,
}

/// The role of every node that has one.
///
/// 1. Most of what it offers is of one kind of database, cache or DNS: that.
/// 2. Most of what it uses are exporters and agents, or many nodes on one port: monitoring.
/// 3. It offers nothing: batch.
/// 4. Half or more of what it offers is the web's, and somebody public uses it or it uses somebody who offers none of
///    1's kinds, while it uses none of these itself: web.
/// 5. Otherwise it offers something of its own: app.
pub(super) fn of(graph: &Inner<'_>) -> BTreeMap<NodeIndex, Guess<Behaviour>> {
    let mut uses: BTreeMap<NodeIndex, Use> = BTreeMap::new();
    for r in graph.edge_references() {
        let link = r.weight();
        if link.verdict != Verdict::Accepted || r.source() == r.target() || link.edge.key.protocol.is_icmp() {
            continue;
        }
        let service = Service { protocol: link.edge.key.protocol, port: link.edge.key.port };
        uses.entry(r.source()).or_default().used.insert((r.target(), service));
        if !is_of_the_host(service) {
            uses.entry(r.target()).or_default().offered.insert((r.source(), service));
        }
    }
    let internal = uses.iter().filter(|(node, _)| graph[**node].scope == Scope::Internal);
    internal.filter_map(|(node, of)| Some((*node, of.judge(graph)?))).collect()
}

impl Use {
    fn judge(&self, graph: &Inner<'_>) -> Option<Guess<Behaviour>> {
        let guess = |value, score| Some(Guess { value, score });
        for kind in [Behaviour::Database, Behaviour::Cache, Behaviour::Dns] {
            let share = share(&self.offered, |service| Behaviour::of_service(service) == Some(kind));
            if share > 0.5 {
                return guess(kind, share);
            }
        }
        let watched = share(&self.used, is_watched).max(self.on_one_port());
        if watched > 0.5 && self.offered.len() < self.used.len() {
            return guess(Behaviour::Monitoring, watched);
        }
        // Looking up names is no work.
        let works = |service| Behaviour::of_service(service) != Some(Behaviour::Dns);
        if self.offered.is_empty() {
            let score = share(&self.used, works);
            return if score > 0.0 { guess(Behaviour::Batch, score) } else { None };
        }
        let web = share(&self.offered, |service| Behaviour::of_service(service) == Some(Behaviour::Web));
        let keeps = |service: Service| {
            matches!(Behaviour::of_service(service), Some(Behaviour::Database | Behaviour::Cache))
        };
        let public = self.offered.iter().any(|(client, _)| graph[*client].scope == Scope::Public);
        let passes_on = self.used.iter().any(|(_, service)| works(*service) && !keeps(*service));
        let has_data = self.used.iter().any(|(_, service)| keeps(*service));
        if web >= 0.5 && !has_data && (public || passes_on) {
            return guess(Behaviour::Web, web);
        }
        guess(Behaviour::App, 1.0 - share(&self.offered, keeps))
    }

    /// The share of what it uses that is one port of many nodes, DNS aside.
    fn on_one_port(&self) -> f64 {
        let mut ports: BTreeMap<Service, usize> = BTreeMap::new();
        self.used.iter().for_each(|(_, service)| *ports.entry(*service).or_default() += 1);
        let most = ports.values().max().copied().filter(|&most| most >= MANY_WATCHED).unwrap_or(0);
        if self.used.is_empty() { 0.0 } else { most as f64 / self.used.len() as f64 }
    }
}

fn share(of: &BTreeSet<(NodeIndex, Service)>, is: impl Fn(Service) -> bool) -> f64 {
    let fitting = of.iter().filter(|(_, service)| is(*service)).count();
    if of.is_empty() { 0.0 } else { fitting as f64 / of.len() as f64 }
}
