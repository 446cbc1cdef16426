//! Who is the client, when the capture starts too late to see.

mod mask;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use watershed_model::{Endpoint, Evidence, FlowRecord, Protocol};

use crate::support::{Pair, captures, file_name, oracle, pair};
use mask::{Masked, collect};

#[test]
fn explore() {
    let mut all: Vec<PathBuf> = vec!["lab/recording/shop.pcapng".into()];
    for kind in ["zeek", "ndpi"] {
        let Some(folder) = oracle(kind) else { return };
        all.extend(captures(&folder));
    }
    for masked in [Masked::Handshakes, Masked::FirstHalves] {
        // (proto, kind) -> [right, wrong]
        let mut counts: BTreeMap<(String, &str), [u32; 2]> = BTreeMap::new();
        for capture in &all {
            let (whole, late) = (collect(capture, None), collect(capture, Some(masked)));
            let mut truth: BTreeMap<Pair, Endpoint> = BTreeMap::new();
            for r in &whole {
                if sure(r) {
                    truth.insert(pair(r.protocol, r.client, r.server), r.client);
                }
            }
            let mut fan: BTreeMap<(Protocol, Endpoint), BTreeSet<std::net::IpAddr>> = BTreeMap::new();
            for r in late.iter().filter(|r| r.answered()) {
                for (me, peer) in [(r.client, r.server), (r.server, r.client)] {
                    fan.entry((r.protocol, me)).or_default().insert(peer.address);
                }
            }
            let mut seen = BTreeSet::new();
            for r in &late {
                let p = pair(r.protocol, r.client, r.server);
                let Some(client) = truth.get(&p) else { continue };
                if !seen.insert(p) {
                    continue;
                }
                let e = r.evidence;
                let right = *client == r.client;
                let mut vote = |kind: &'static str, says: bool| {
                    counts.entry((r.protocol.to_string(), kind)).or_default()[usize::from(says != right)] +=
                        1;
                };
                let app = e.intersects(Evidence::TLS_CLIENT_HELLO | Evidence::HTTP_REQUEST);
                let dns = e.intersects(Evidence::DNS_QUERY | Evidence::DNS_RESPONSE);
                let quic = e.intersects(Evidence::QUIC_CLIENT_HELLO);
                vote("verdict", true);
                if app {
                    vote("app", true);
                }
                if dns {
                    vote("dns", true);
                }
                if quic {
                    vote("quic", true);
                }
                let known = e.contains(Evidence::WELL_KNOWN_PORT);
                if known {
                    vote("known", true);
                }
                if e.contains(Evidence::CONTRADICTED) {
                    vote("contradicted", true);
                }
                let plain = !known && !app && !dns && !quic && !e.contains(Evidence::CONTRADICTED);
                let eph = |p: Endpoint| p.port >= 32768;
                let iana = |p: Endpoint| p.port >= 49152;
                vote("first", e.contains(Evidence::FIRST_PACKET));
                if r.client.port != r.server.port {
                    vote("lower", r.server.port < r.client.port);
                }
                if eph(r.client) != eph(r.server) {
                    vote("ephemeral", eph(r.client));
                }
                let (c, s) = (
                    fan.get(&(r.protocol, r.client)).map_or(0, |f| f.len()),
                    fan.get(&(r.protocol, r.server)).map_or(0, |f| f.len()),
                );
                if c != s {
                    vote("fan", s > c);
                }
                if c != s && c.min(s) == 1 && c.max(s) > 2 {
                    vote("fan>2", s > c);
                }
                if plain {
                    vote("plain first", e.contains(Evidence::FIRST_PACKET));
                    if r.client.port != r.server.port {
                        vote("plain lower", r.server.port < r.client.port);
                    }
                    if eph(r.client) != eph(r.server) {
                        vote("plain ephemeral", eph(r.client));
                    }
                    if iana(r.client) != iana(r.server) {
                        vote("plain iana", iana(r.client));
                    }
                    if c != s {
                        vote("plain fan", s > c);
                    }
                    if eph(r.client) == eph(r.server) && r.client.port != r.server.port {
                        vote("plain same class lower", r.server.port < r.client.port);
                    }
                    if eph(r.client) == eph(r.server) {
                        vote("plain same class first", e.contains(Evidence::FIRST_PACKET));
                    }
                    if (r.server.port < r.client.port) != right && r.protocol == Protocol::TCP {
                        println!(
                            "    lower wrong: {} {} truth client {client} fan {c} {s}",
                            file_name(capture),
                            crate::support::show(&p)
                        );
                    }
                }
            }
        }
        println!("{masked:?}");
        for ((p, k), [r, w]) in counts {
            println!("  {p:5} {k:24} {r:6} {w:6}  {:.2}", ((f64::from(r) + 0.5) / (f64::from(w) + 0.5)).ln());
        }
    }
}

/// Whether the direction of a record from the whole capture is beyond doubt.
fn sure(record: &FlowRecord) -> bool {
    let e = record.evidence;
    e.intersects(Evidence::SYN | Evidence::SYN_ACK | Evidence::SCTP_INIT)
        || e.intersects(Evidence::DNS_QUERY | Evidence::DNS_RESPONSE | Evidence::QUIC_CLIENT_HELLO)
}
