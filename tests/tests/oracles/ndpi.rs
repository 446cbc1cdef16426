//! Against nDPI's flow lists: endpoint pairs, packets each way, and names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use watershed_model::{Endpoint, FlowRecord, NameHints, Protocol};

use crate::support::{Pair, captures, collect, file_name, oracle, pair, show, table};

/// The least share of pairs that must be equal.
const PAIRS_EQUAL: f64 = 0.995;

/// The least share of names that must be equal, in each group.
const NAMES_EQUAL: f64 = 0.99;

const SCTP_PORTS: &str = "nDPI shows SCTP without its ports";
const OUTER_FLOW: &str =
    "nDPI shows only what is in the tunnel; we show the tunnel's own packets too, as Zeek does";

/// Pairs that differ: capture, pair as shown, reason.
const KNOWN_PAIRS: &[(&str, &str, &str)] = &[
    ("sctp.cap", "sctp 10.28.6.42:0 10.28.6.44:0", SCTP_PORTS),
    ("sctp.cap", "sctp 10.28.6.42:2905 10.28.6.44:2905", SCTP_PORTS),
    ("sctp.cap", "sctp 10.28.6.43:0 10.28.6.44:0", SCTP_PORTS),
    ("sctp.cap", "sctp 10.28.6.43:16384 10.28.6.44:2944", SCTP_PORTS),
    ("vxlan.pcap", "udp 192.168.22.4:4789 192.168.22.5:36286", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:4789 192.168.22.5:43866", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:4789 192.168.22.5:50251", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:4789 192.168.22.5:60230", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:40646 192.168.22.5:4789", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:49762 192.168.22.5:4789", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:60230 192.168.22.5:4789", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:60351 192.168.22.5:4789", OUTER_FLOW),
    ("vxlan.pcap", "udp 192.168.22.4:60887 192.168.22.5:4789", OUTER_FLOW),
    ("zoom.pcap", "udp 10.132.15.176:2152 10.134.25.67:2152", OUTER_FLOW),
];

/// Names that differ: capture, pair as shown, reason.
const KNOWN_NAMES: &[(&str, &str, &str)] = &[
    (
        "dns-google-nsid.pcapng",
        "udp [2001:b07:a3d:c112:b332:20d:89ab:105e]:41624 [2001:4860:4860::8844]:53",
        "a question for the root, which we write as `.` and nDPI as nothing",
    ),
    ("dns_ambiguous_names.pcap", "udp 8.8.8.8:53 10.200.2.11:42790", "nDPI writes `*` as `_`"),
    (
        "tls_certificate_too_long.pcap",
        "udp 8.8.8.8:53 192.168.1.121:52251",
        "seven questions share the ports; nDPI takes the second packet's, we take the first's",
    ),
];

/// Packets that each end sent.
type Sent = BTreeMap<Endpoint, u64>;

type Row = BTreeMap<String, String>;

/// nDPI's protocols whose flows have a name, in the column `sni`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Tls,
    Quic,
    Dns,
    Http,
}

impl Group {
    /// nDPI writes `TLS`, or `TLS.` and the service that it takes it for.
    fn of(row: &Row) -> Option<Self> {
        match row["ndpi_proto"].split('.').next()? {
            "TLS" => Some(Self::Tls),
            "QUIC" => Some(Self::Quic),
            "DNS" => Some(Self::Dns),
            "HTTP" => Some(Self::Http),
            _ => None,
        }
    }

    fn name(self, hints: &NameHints) -> Option<&str> {
        match self {
            Self::Tls | Self::Quic => hints.tls_server_name.as_deref(),
            Self::Dns => hints.dns_query.as_deref(),
            Self::Http => hints.http_host.as_deref(),
        }
    }
}

/// Compared items: how many are equal, and which are not and in no table.
struct Tally {
    known: &'static [(&'static str, &'static str, &'static str)],
    met: Vec<bool>,
    compared: u64,
    equal: u64,
    unknown: Vec<String>,
}

impl Tally {
    fn new(known: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        Self { known, met: vec![false; known.len()], compared: 0, equal: 0, unknown: Vec::new() }
    }

    fn compare<T: std::fmt::Debug + PartialEq>(&mut self, capture: &str, pair: &Pair, ndpi: &T, ours: &T) {
        self.compared += 1;
        if ndpi == ours {
            self.equal += 1;
            return;
        }
        let pair = show(pair);
        match self.known.iter().position(|known| (known.0, known.1) == (capture, pair.as_str())) {
            Some(index) => self.met[index] = true,
            None => self.unknown.push(format!("{capture}: {pair}: nDPI {ndpi:?}, ours {ours:?}")),
        }
    }

    fn finish(self) {
        let Self { known, met, unknown, .. } = self;
        assert!(unknown.is_empty(), "{} unexplained differences:\n{}", unknown.len(), unknown.join("\n"));
        let stale: Vec<_> = known.iter().zip(met).filter(|(_, met)| !met).map(|(known, _)| known).collect();
        assert!(stale.is_empty(), "explained differences that are none: {stale:?}");
    }
}

fn rows(folder: &Path, capture: &str) -> Vec<Row> {
    table(&folder.join("flows").join(format!("{capture}.tsv")))
}

fn pair_of(row: &Row) -> (Pair, Endpoint, Endpoint) {
    let end = |host: &str, port: &str| Endpoint {
        address: row[host].parse().expect("an address"),
        // ICMP has none.
        port: row[port].parse().unwrap_or(0),
    };
    let protocol = Protocol::parse(&row["proto"]).expect("a protocol");
    let (source, destination) = (end("src", "sport"), end("dst", "dport"));
    (pair(protocol, source, destination), source, destination)
}

fn theirs(rows: &[Row]) -> BTreeMap<Pair, Sent> {
    let mut flows: BTreeMap<Pair, Sent> = BTreeMap::new();
    for row in rows {
        let packets = |column: &str| row[column].parse::<u64>().expect("a number of packets");
        let (pair, source, destination) = pair_of(row);
        let sent = flows.entry(pair).or_default();
        *sent.entry(source).or_default() += packets("pkts_fwd");
        *sent.entry(destination).or_default() += packets("pkts_rev");
    }
    flows
}

fn ours(records: &[FlowRecord]) -> BTreeMap<Pair, Sent> {
    let mut flows: BTreeMap<Pair, Sent> = BTreeMap::new();
    for record in records {
        // Our ports of ICMP are types and codes; nDPI has none there.
        let plain =
            |end: Endpoint| if record.protocol.has_ports() { end } else { Endpoint { port: 0, ..end } };
        let (client, server) = (plain(record.client), plain(record.server));
        let sent = flows.entry(pair(record.protocol, client, server)).or_default();
        *sent.entry(client).or_default() += record.to_server.packets;
        *sent.entry(server).or_default() += record.to_client.packets;
    }
    flows
}

/// The first name of each pair.
fn our_names(records: &[FlowRecord], group: Group) -> BTreeMap<Pair, &str> {
    let mut by_time: Vec<&FlowRecord> = records.iter().collect();
    by_time.sort_by_key(|record| record.first_seen);
    let mut names = BTreeMap::new();
    for record in by_time {
        if let Some(name) = record.names.as_deref().and_then(|hints| group.name(hints)) {
            names.entry(pair(record.protocol, record.client, record.server)).or_insert(name);
        }
    }
    names
}

#[test]
fn pairs_and_packets() {
    let Some(folder) = oracle("ndpi") else { return };
    let mut tally = Tally::new(KNOWN_PAIRS);
    let (mut files, mut packets) = (0, 0);
    for capture in captures(&folder) {
        let name = file_name(&capture);
        let collected = collect(&capture).unwrap_or_else(|error| panic!("{error}"));
        let counters = &collected.report.counters;
        assert!(counters.balanced(), "{name}: {counters:?}");
        (files, packets) = (files + 1, packets + counters.packets);
        let (ndpi, our) = (theirs(&rows(&folder, &name)), ours(&collected.records));
        let pairs: BTreeSet<&Pair> = ndpi.keys().chain(our.keys()).collect();
        for pair in pairs {
            tally.compare(&name, pair, &ndpi.get(pair), &our.get(pair));
        }
    }
    let (equal, compared) = (tally.equal, tally.compared);
    let share = equal as f64 / compared as f64;
    println!("ndpi: {files} captures, {packets} packets all accounted for");
    println!("ndpi: {equal} of {compared} endpoint pairs equal in packets each way: {:.2} %", share * 100.0);
    tally.finish();
    assert!(share >= PAIRS_EQUAL, "{share} of the pairs are equal, less than {PAIRS_EQUAL}");
}

#[test]
fn names() {
    let Some(folder) = oracle("ndpi") else { return };
    let mut tally = Tally::new(KNOWN_NAMES);
    // How many were compared, and how many were equal.
    let mut groups: BTreeMap<Group, [u64; 2]> = BTreeMap::new();
    for capture in captures(&folder) {
        let file = file_name(&capture);
        let collected = collect(&capture).unwrap_or_else(|error| panic!("{error}"));
        for row in rows(&folder, &file) {
            let Some(group) = Group::of(&row) else { continue };
            let (pair, ..) = pair_of(&row);
            let ours = our_names(&collected.records, group).get(&pair).copied().unwrap_or_default();
            let sni = row["sni"].to_lowercase();
            tally.compare(&file, &pair, &sni.as_str(), &ours);
            // Where nDPI has no name, we have none either, or the table says why.
            if !sni.is_empty() {
                let [compared, equal] = groups.entry(group).or_default();
                (*compared, *equal) = (*compared + 1, *equal + u64::from(sni == ours));
            }
        }
    }
    for (group, &[compared, equal]) in &groups {
        let share = equal as f64 / compared as f64 * 100.0;
        println!("ndpi: {equal} of {compared} names of {group:?} equal: {share:.2} %");
    }
    tally.finish();
    for (group, [compared, equal]) in groups {
        let enough = equal as f64 >= compared as f64 * NAMES_EQUAL;
        assert!(enough, "{equal} of {compared} names of {group:?} are equal, less than {NAMES_EQUAL}");
    }
}
