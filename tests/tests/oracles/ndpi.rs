//! Against nDPI's flow lists: endpoint pairs, packets each way, and names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_model::{Endpoint, Protocol};

use crate::support::{Collected, Pair, captures, collect, file_name, oracle, pair, show, table};

/// Packets that each end sent.
type Sent = BTreeMap<Endpoint, u64>;

fn ours(collected: &Collected) -> BTreeMap<Pair, Sent> {
    let mut flows: BTreeMap<Pair, Sent> = BTreeMap::new();
    for record in &collected.records {
        let plain = |end: Endpoint| if record.protocol.has_ports() { end } else { Endpoint { port: 0, ..end } };
        let (client, server) = (plain(record.client), plain(record.server));
        let sent = flows.entry(pair(record.protocol, client, server)).or_default();
        *sent.entry(client).or_default() += record.to_server.packets;
        *sent.entry(server).or_default() += record.to_client.packets;
    }
    flows
}

fn theirs(rows: &[BTreeMap<String, String>]) -> BTreeMap<Pair, Sent> {
    let mut flows: BTreeMap<Pair, Sent> = BTreeMap::new();
    for row in rows {
        let number = |column: &str| row[column].parse::<u64>().unwrap_or(0);
        let end = |host: &str, port: &str| Endpoint {
            address: row[host].parse::<IpAddr>().expect("an address"),
            port: number(port) as u16,
        };
        let protocol = Protocol::parse(&row["proto"]).expect("a protocol");
        let (source, destination) = (end("src", "sport"), end("dst", "dport"));
        let sent = flows.entry(pair(protocol, source, destination)).or_default();
        *sent.entry(source).or_default() += number("pkts_fwd");
        *sent.entry(destination).or_default() += number("pkts_rev");
    }
    flows
}

#[test]
fn pairs_and_packets() {
    let Some(folder) = oracle("ndpi") else { return };
    let (mut compared, mut equal) = (0_u64, 0_u64);
    let mut unknown = Vec::new();
    for capture in captures(&folder) {
        let name = file_name(&capture);
        let collected = collect(&capture).unwrap_or_else(|error| panic!("{error}"));
        let (ndpi, our) = (theirs(&table(&folder.join("flows").join(format!("{name}.tsv")))), ours(&collected));
        let keys: BTreeSet<&Pair> = ndpi.keys().chain(our.keys()).collect();
        for key in keys {
            compared += 1;
            if ndpi.get(key) == our.get(key) {
                equal += 1;
            } else {
                unknown.push(format!("{name}: {}: nDPI {:?}, ours {:?}", show(key), ndpi.get(key), our.get(key)));
            }
        }
    }
    println!("ndpi: {equal} of {compared} pairs equal");
    assert!(unknown.is_empty(), "{} differences:\n{}", unknown.len(), unknown.join("\n"));
}
