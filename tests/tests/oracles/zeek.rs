//! Against Zeek's conn.log: every row equal, or in a table with the reason.

use std::collections::BTreeMap;

use watershed_model::{Endpoint, FlowRecord, Protocol};

use crate::support::{Pair, captures, collect, file_name, oracle, pair, show, table};

/// Rows that differ, and why: capture, key as shown, field, reason.
const KNOWN: &[(&str, &str, &str, &str)] = &[(
    "pppoe.pcap",
    "udp [fe80::c801:eff:fe88:8]:547 [fe80::ce05:eff:fe88:0]:546",
    "direction",
    "the capture holds only a DHCPv6 server's answers: 547 is the server's port (RFC 9915), which Zeek does \
     not know",
)];

/// Everything that one side says about one pair of endpoints.
#[derive(Debug, Default)]
struct Row {
    rows: usize,
    packets: BTreeMap<Endpoint, u64>,
    ip_bytes: BTreeMap<Endpoint, u64>,
    payload: BTreeMap<Endpoint, u64>,
    originators: Vec<Endpoint>,
    states: Vec<String>,
    histories: Vec<String>,
    duration: f64,
    tunnelled: bool,
}

impl Row {
    #[expect(clippy::too_many_arguments, reason = "one argument for each column")]
    fn add(
        &mut self,
        originator: (Endpoint, [u64; 3]),
        responder: (Endpoint, [u64; 3]),
        state: &str,
        history: &str,
        duration: f64,
        tunnelled: bool,
    ) {
        self.rows += 1;
        for (end, [packets, ip_bytes, payload]) in [originator, responder] {
            *self.packets.entry(end).or_default() += packets;
            *self.ip_bytes.entry(end).or_default() += ip_bytes;
            *self.payload.entry(end).or_default() += payload;
        }
        self.originators.push(originator.0);
        self.states.push(state.to_owned());
        self.histories.push(history.to_owned());
        self.duration += duration;
        self.tunnelled |= tunnelled;
    }
}

fn ours(records: &[FlowRecord]) -> BTreeMap<Pair, Row> {
    let mut rows: BTreeMap<Pair, Row> = BTreeMap::new();
    for record in records {
        // Zeek's baselines have no rows for other protocols.
        if !matches!(record.protocol, Protocol::TCP | Protocol::UDP) && !record.protocol.is_icmp() {
            continue;
        }
        let numbers = |t: &watershed_model::Traffic| [t.packets, t.ip_bytes, t.payload_bytes];
        rows.entry(pair(record.protocol, record.client, record.server)).or_default().add(
            (record.client, numbers(&record.to_server)),
            (record.server, numbers(&record.to_client)),
            record.state.as_str(),
            record.history.as_str(),
            record.last_seen.since(record.first_seen).as_secs_f64(),
            record.encapsulation.as_ref().is_some_and(|e| !e.tunnels.is_empty()),
        );
    }
    rows
}

fn theirs(rows: &[BTreeMap<String, String>], capture: &str) -> BTreeMap<Pair, Row> {
    let mut found: BTreeMap<Pair, Row> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["pcap"] == capture) {
        let number = |column: &str| row[column].parse::<u64>().unwrap_or(0);
        let end = |host: &str, port: &str| Endpoint {
            address: row[host].parse().expect("an address"),
            port: number(port) as u16,
        };
        let (originator, responder) = (end("orig_h", "orig_p"), end("resp_h", "resp_p"));
        let protocol = Protocol(number("ip_proto") as u8);
        found.entry(pair(protocol, originator, responder)).or_default().add(
            (originator, ["orig_pkts", "orig_ip_bytes", "orig_bytes"].map(number)),
            (responder, ["resp_pkts", "resp_ip_bytes", "resp_bytes"].map(number)),
            &row["conn_state"],
            &row["history"],
            row["duration"].parse().unwrap_or(0.0),
            row["tunneled"] == "yes",
        );
    }
    found
}

/// The fields that differ, by the rules of the oracles' README.
fn differences(zeek: &Row, our: &Row) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut check = |field, equal: bool, zeek: String, ours: String| {
        if !equal {
            found.push((field, format!("Zeek {zeek}, ours {ours}")));
        }
    };
    let show = |value: &dyn std::fmt::Debug| format!("{value:?}");
    check("packets", zeek.packets == our.packets, show(&zeek.packets), show(&our.packets));
    check("ip_bytes", zeek.ip_bytes == our.ip_bytes, show(&zeek.ip_bytes), show(&our.ip_bytes));
    check("tunnelled", zeek.tunnelled == our.tunnelled, show(&zeek.tunnelled), show(&our.tunnelled));
    if zeek.rows != 1 || our.rows != 1 {
        return found;
    }
    let (state, history) = (zeek.states[0].as_str(), zeek.histories[0].as_str());
    let may_swap = matches!(state, "OTH" | "SHR") || history.contains('^');
    let same_direction = zeek.originators == our.originators;
    check(
        "direction",
        same_direction || may_swap,
        show(&zeek.originators),
        show(&our.originators),
    );
    if matches!(state, "SF" | "S1") && !history.contains(['g', 't', 'G', 'T']) && zeek.duration > 0.0 {
        check("payload", zeek.payload == our.payload, show(&zeek.payload), show(&our.payload));
    }
    if !matches!(state, "SF" | "RSTR") {
        let close = (zeek.duration - our.duration).abs() < 1e-5;
        check("duration", close, show(&zeek.duration), show(&our.duration));
    }
    if same_direction {
        check("state", zeek.states == our.states, show(&zeek.states), show(&our.states));
    }
    found
}

#[test]
fn every_row_of_conn_log() {
    let Some(folder) = oracle("zeek") else { return };
    let rows = table(&folder.join("conn.tsv"));
    let (mut compared, mut equal, mut unknown) = (0, 0, Vec::new());
    let mut met = vec![false; KNOWN.len()];
    for capture in captures(&folder) {
        let name = file_name(&capture);
        let collected = collect(&capture).unwrap_or_else(|error| panic!("{error}"));
        assert!(collected.report.counters.balanced(), "{name}: {:?}", collected.report.counters);
        let (zeek, our) = (theirs(&rows, &name), ours(&collected.records));
        let mut differs = |key: &Pair, field: &str, what: String| {
            let key = show(key);
            let known = KNOWN.iter().position(|k| (k.0, k.1, k.2) == (&name, &key, field));
            match known {
                Some(index) => met[index] = true,
                None => unknown.push(format!("{name}: {key}: {field}: {what}")),
            }
        };
        for (key, row) in &zeek {
            compared += row.rows;
            let Some(mine) = our.get(key) else {
                differs(key, "missing", format!("{row:?}"));
                continue;
            };
            let found = differences(row, mine);
            equal += if found.is_empty() { row.rows } else { 0 };
            for (field, what) in found {
                differs(key, field, what);
            }
        }
        for (key, row) in our.iter().filter(|(key, _)| !zeek.contains_key(key)) {
            differs(key, "invented", format!("{row:?}"));
        }
    }
    println!("zeek: {equal} of {compared} rows of conn.log equal, {} differ for known reasons", met.len());
    assert!(unknown.is_empty(), "{} unexplained differences:\n{}", unknown.len(), unknown.join("\n"));
    let stale: Vec<_> = KNOWN.iter().zip(&met).filter(|(_, met)| !**met).map(|(known, _)| known).collect();
    assert!(stale.is_empty(), "explained differences that are none: {stale:?}");
}
