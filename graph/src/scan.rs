//! The scan ledger: who tried what in vain. A finding of its own, never a rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use watershed_model::{Edge, Evidence, Party, Protocol, Timestamp, WorkloadKind};

use crate::GraphConfig;
use crate::verdict::{Doubt, Verdict};

/// Everything that one source tried in vain over one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Who tried; an address where the inventory has only a network.
    pub source: Party,
    /// Over which protocol.
    pub protocol: Protocol,
    /// What it amounts to.
    pub kind: ScanKind,
    /// Whom it tried.
    pub targets: BTreeSet<Party>,
    /// On which ports; for ICMP the types sent.
    pub ports: BTreeSet<u16>,
    /// What it found there without using it.
    pub open: BTreeSet<(Party, u16)>,
    /// Edges on which nothing came back.
    pub unanswered: u64,
    /// Edges that were refused.
    pub refused: u64,
    /// Connections, over all these edges.
    pub connections: u64,
    /// First packet of the first try.
    pub first_seen: Timestamp,
    /// Last packet of the last try.
    pub last_seen: Timestamp,
}

/// What vain tries amount to. A source that did both is a port scan; its targets tell the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScanKind {
    /// A few tries: a scan too short to tell, or a service that is down or filtered.
    Probe,
    /// One port on many hosts.
    HostSweep,
    /// Many ports of one host, or of several.
    PortScan,
}

impl ScanKind {
    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::HostSweep => "host_sweep",
            Self::PortScan => "port_scan",
        }
    }
}

impl Scan {
    /// The ports as text, runs joined: `22,80,8000-8100`.
    #[must_use]
    pub fn port_ranges(&self) -> String {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for &port in &self.ports {
            match runs.last_mut() {
                Some((_, last)) if port - *last == 1 => *last = port,
                _ => runs.push((port, port)),
            }
        }
        let text = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
        runs.into_iter().map(text).collect::<Vec<_>>().join(",")
    }
}

/// What each scanner tried in vain, by protocol.
pub(crate) type Scanners = HashMap<Party, HashMap<Protocol, Scanned>>;

/// What a scanner tried in vain over one protocol.
pub(crate) struct Scanned {
    kind: ScanKind,
    /// Hosts on which it tried more in vain than not.
    hosts: BTreeSet<Party>,
    /// Ports that it swept.
    ports: BTreeSet<u16>,
}

/// Finds the scanners and takes back the verdicts that they would have got for what they found open.
///
/// Vain are edges that are [`Verdict::is_attempt`], and TCP edges with at most
/// [`MAX_BARE_CONNECTIONS`] answered connections, all without data. A source is a scanner if
///
/// 1. of one host it tried `port_scan_ports` or more ports in vain, and more in vain than not, or
/// 2. on one port it tried `host_sweep_hosts` or more hosts in vain, and more in vain than not.
///
/// What all of its clients, being scanners, did on an answered edge then becomes
///
/// 1. `Probe` if it carried no data, or is ICMP: that is how hosts are found;
/// 2. `NeedsPerson(Scanner)` if it carried data to a port that they swept, or to a host on which they tried
///    more in vain than not, both over this protocol;
/// 3. what it was: a scanner looks up names too, and other use of the network stays use.
pub(crate) fn judge(edges: &[&Edge], verdicts: &mut [Verdict], config: &GraphConfig) -> Scanners {
    let scanners = find_scanners(edges, verdicts, config);
    if scanners.is_empty() {
        return scanners;
    }
    for (edge, verdict) in edges.iter().zip(verdicts) {
        if matches!(verdict, Verdict::Accepted | Verdict::NeedsPerson(_)) {
            *verdict = reconsider(edge, *verdict, &scanners);
        }
    }
    scanners
}

fn reconsider(edge: &Edge, verdict: Verdict, scanners: &Scanners) -> Verdict {
    let Some(scanned) = sources(edge).iter().map(|source| scanners.get(source)).collect::<Option<Vec<_>>>()
    else {
        return verdict;
    };
    if is_bare(edge) || (edge.key.protocol.is_icmp() && edge.answered > 0) {
        return Verdict::Probe;
    }
    let targets = targets(edge);
    let covered = scanned.iter().all(|by_protocol| {
        by_protocol.get(&edge.key.protocol).is_some_and(|scanned| {
            scanned.ports.contains(&edge.key.port) || targets.iter().any(|t| scanned.hosts.contains(t))
        })
    });
    if covered { Verdict::NeedsPerson(Doubt::Scanner) } else { verdict }
}

/// How often a source's tries succeeded.
#[derive(Default)]
struct Tally {
    vain: usize,
    used: usize,
}

impl Tally {
    fn reaches(&self, threshold: usize) -> bool {
        self.vain >= threshold.max(1) && self.vain > self.used
    }
}

/// The tallies of one source over one protocol, by host and by port.
#[derive(Default)]
struct Tallies {
    hosts: HashMap<Party, Tally>,
    ports: HashMap<u16, Tally>,
}

fn find_scanners(edges: &[&Edge], verdicts: &[Verdict], config: &GraphConfig) -> Scanners {
    let mut tallies: HashMap<(Party, Protocol), Tallies> = HashMap::new();
    let vain = |edge: &Edge, verdict: Verdict| {
        verdict.is_attempt() || (is_bare(edge) && edge.answered <= MAX_BARE_CONNECTIONS)
    };
    let judged = || edges.iter().copied().zip(verdicts.iter().copied());

    for (edge, _) in judged().filter(|&(edge, verdict)| vain(edge, verdict)) {
        let targets = targets(edge);
        for source in sources(edge) {
            let tally = tallies.entry((source, edge.key.protocol)).or_default();
            tally.ports.entry(edge.key.port).or_default().vain += targets.len();
            for target in &targets {
                tally.hosts.entry(target.clone()).or_default().vain += 1;
            }
        }
    }
    // Successes count only against failures of the same source, so no new entries here.
    for (edge, _) in judged().filter(|&(edge, verdict)| verdict == Verdict::Accepted && !vain(edge, verdict))
    {
        for source in sources(edge) {
            let Some(tally) = tallies.get_mut(&(source, edge.key.protocol)) else { continue };
            for target in targets(edge) {
                tally.ports.entry(edge.key.port).and_modify(|t| t.used += 1);
                tally.hosts.entry(target).and_modify(|t| t.used += 1);
            }
        }
    }

    let mut scanners = Scanners::new();
    for ((source, protocol), tallies) in tallies {
        scanners.entry(source).or_default().insert(protocol, tallies.scanned(config));
    }
    scanners.retain(|_, protocols| protocols.values().any(|scanned| scanned.kind != ScanKind::Probe));
    scanners
}

impl Tallies {
    fn scanned(self, config: &GraphConfig) -> Scanned {
        let port_scan = self.hosts.values().any(|tally| tally.reaches(config.port_scan_ports));
        let hosts =
            self.hosts.into_iter().filter(|(_, tally)| tally.reaches(1)).map(|(host, _)| host).collect();
        let swept = self.ports.into_iter().filter(|(_, tally)| tally.reaches(config.host_sweep_hosts));
        let ports: BTreeSet<_> = swept.map(|(port, _)| port).collect();
        let kind = match (port_scan, ports.is_empty()) {
            (true, _) => ScanKind::PortScan,
            (false, false) => ScanKind::HostSweep,
            (false, true) => ScanKind::Probe,
        };
        Scanned { kind, hosts, ports }
    }
}

/// The ledger, in order of source and protocol: every edge that [`Verdict::is_attempt`], under each source.
pub(crate) fn ledger(
    edges: &[&Edge],
    verdicts: &[Verdict],
    scanners: &Scanners,
    config: &GraphConfig,
) -> Vec<Scan> {
    let mut ledger: BTreeMap<(Party, Protocol), Scan> = BTreeMap::new();
    for (edge, verdict) in edges.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_attempt()) {
        let targets = targets(edge);
        for source in sources(edge) {
            let key = (source, edge.key.protocol);
            let scan = ledger.entry(key.clone()).or_insert_with(|| Scan::starting(key, edge));
            scan.add(edge, *verdict, &targets);
        }
    }
    let mut ledger: Vec<_> = ledger.into_values().collect();
    for scan in &mut ledger {
        if let Some(protocols) = scanners.get(&scan.source) {
            let found = protocols.get(&scan.protocol).map_or(ScanKind::Probe, |scanned| scanned.kind);
            // A scanner's pings may all be answered; nothing was vain then, but a sweep it is.
            let swept = scan.ports.len() == 1 && scan.targets.len() >= config.host_sweep_hosts;
            scan.kind = if found == ScanKind::Probe && swept { ScanKind::HostSweep } else { found };
        }
    }
    ledger
}

impl Scan {
    fn starting((source, protocol): (Party, Protocol), edge: &Edge) -> Self {
        Self {
            source,
            protocol,
            kind: ScanKind::Probe,
            targets: BTreeSet::new(),
            ports: BTreeSet::new(),
            open: BTreeSet::new(),
            unanswered: 0,
            refused: 0,
            connections: 0,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
        }
    }

    fn add(&mut self, edge: &Edge, verdict: Verdict, targets: &[Party]) {
        self.targets.extend(targets.iter().cloned());
        self.ports.insert(edge.key.port);
        match verdict {
            Verdict::Probe => self.open.extend(targets.iter().map(|target| (target.clone(), edge.key.port))),
            Verdict::Refused => self.refused += 1,
            _ => self.unanswered += 1,
        }
        self.connections = self.connections.saturating_add(edge.connections);
        self.first_seen = self.first_seen.min(edge.first_seen);
        self.last_seen = self.last_seen.max(edge.last_seen);
    }
}

/// More answered connections without data than this are somebody's health check: scanners come once, or
/// once per technique.
const MAX_BARE_CONNECTIONS: u64 = 3;

/// A TCP connection that only opens and closes takes at most so many packets of the client (SYN, ACK, FIN, ACK)
/// and of the server (SYN-ACK, ACK, FIN) ...
const BARE_PACKETS: (u64, u64) = (4, 3);

/// ... none of which is larger, on average, than headers with the options of a SYN: 20 octets each for
/// options and TCP, and 20 for IPv4 or 40 for IPv6.
const BARE_BYTES: (u64, u64) = (60, 80);

/// Whether the connections of an answered TCP edge carried no data, as far as packet counts and sizes tell.
fn is_bare(edge: &Edge) -> bool {
    let v6 = edge.server_addresses.iter().any(IpAddr::is_ipv6);
    let size = if v6 { BARE_BYTES.1 } else { BARE_BYTES.0 };
    let requests = edge.evidence.of(Evidence::TLS_CLIENT_HELLO) + edge.evidence.of(Evidence::HTTP_REQUEST);
    edge.key.protocol == Protocol::TCP
        && edge.answered > 0
        && requests == 0
        && edge.to_server.packets <= edge.connections.saturating_mul(BARE_PACKETS.0)
        && edge.to_client.packets <= edge.connections.saturating_mul(BARE_PACKETS.1)
        && edge.to_server.ip_bytes <= edge.to_server.packets.saturating_mul(size)
        && edge.to_client.ip_bytes <= edge.to_client.packets.saturating_mul(size)
}

/// Who tried: the client, or each of its addresses where it is a network of many hosts.
fn sources(edge: &Edge) -> Vec<Party> {
    hosts(&edge.key.client, &edge.client_addresses)
}

/// Who was tried. Where both ends are networks it is not known who tried which host, so the server counts once.
fn targets(edge: &Edge) -> Vec<Party> {
    if is_network(&edge.key.client) && edge.client_addresses.len() > 1 {
        vec![edge.key.server.clone()]
    } else {
        hosts(&edge.key.server, &edge.server_addresses)
    }
}

fn hosts(party: &Party, addresses: &BTreeSet<IpAddr>) -> Vec<Party> {
    if is_network(party) && !addresses.is_empty() {
        addresses.iter().copied().map(Party::Address).collect()
    } else {
        vec![party.clone()]
    }
}

fn is_network(party: &Party) -> bool {
    party.workload().is_some_and(|workload| workload.kind == WorkloadKind::Network)
}

#[cfg(test)]
mod tests;
