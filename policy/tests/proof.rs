//! The proof holds for what is exported, and for nothing else: every way to break the text must break it.

mod common;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::{edge, host, shop};
use proptest::prelude::*;
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::export::nftables::{self, Nftables};
use watershed_policy::nft::{Action, Hook, Ruleset};
use watershed_policy::proof::{self, Refutation};
use watershed_policy::{Error, Rule, RuleSet, Service, Tuple};

fn export(edges: &[Edge], hook: Hook) -> Nftables {
    nftables::export(&RuleSet::from_edges(edges, &[]).expect("rules"), hook)
}

fn refuted(edges: &[Edge], export: &Nftables) -> Refutation {
    match proof::prove(edges, export, "test") {
        Err(Error::Refuted(refutation)) => *refutation,
        Err(other) => panic!("not refuted but: {other}"),
        Ok(certificate) => panic!("not refuted: {certificate:?}\n{}", export.allow),
    }
}

/// The export of the shop with `from` replaced by `to` everywhere in its allow rules.
fn broken(from: &str, to: &str) -> Nftables {
    let mut export = export(&shop(), Hook::Forward);
    assert!(export.allow.contains(from), "{from} is not in\n{}", export.allow);
    export.allow = export.allow.replace(from, to);
    export
}

/// As [`broken`], with sets that take prefixes and ranges.
fn widened(from: &str, to: &str) -> Nftables {
    let mut export = broken(from, to);
    for family in ["ipv4_addr", "ipv6_addr"] {
        export.allow = export.allow.replace(family, &format!("{family}; flags interval"));
    }
    export
}

/// The export of the shop without the lines that hold `part`.
fn without(part: &str) -> Nftables {
    let mut export = export(&shop(), Hook::Forward);
    let kept: Vec<_> = export.allow.lines().filter(|line| !line.contains(part)).collect();
    assert!(kept.len() < export.allow.lines().count());
    export.allow = kept.join("\n");
    export
}

#[test]
fn the_shop_is_proven_with_its_price() {
    for hook in [Hook::Forward, Hook::Input] {
        let certificate = proof::prove(&shop(), &export(&shop(), hook), "1.2.3").expect("proven");
        assert_eq!((certificate.edges_replayed, certificate.edges_held_back), (7, 0));
        // app -> db 2+1, monitor -> db 1+1, dns 2, 443 2, ping 2+1, sctp 2+1.
        assert_eq!((certificate.tuples_observed, certificate.tuples_unobserved), (15, 0));
        assert!(certificate.probes_denied > 100, "{certificate:?}");
        let json = certificate.to_json().expect("json");
        assert!(
            json.contains("\"tool_version\": \"1.2.3\"") && json.contains("\"tuples_allowed\": 15"),
            "{json}"
        );
    }
}

#[test]
fn what_a_rule_allows_beyond_its_edges_is_counted() {
    let ip = |last: u8| vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))];
    let edges = [
        edge((host("a"), &ip(1)), (host("s"), &ip(3)), Protocol::TCP, 80),
        edge((host("b"), &ip(2)), (host("s"), &ip(4)), Protocol::TCP, 80),
    ];
    let certificate = proof::prove(&edges, &export(&edges, Hook::Forward), "test").expect("proven");
    assert_eq!((certificate.tuples_observed, certificate.tuples_allowed()), (2, 4));
}

#[test]
fn the_input_is_known_by_its_digest_whatever_its_order() {
    let digest = |edges: &[Edge]| {
        proof::prove(edges, &export(edges, Hook::Forward), "test").expect("proven").input_sha256
    };
    let edges = shop();
    let mut others: Vec<_> = edges.iter().rev().cloned().collect();
    assert_eq!(digest(&edges), digest(&others));
    others[0].answered -= 1;
    assert_ne!(digest(&edges), digest(&others));
}

#[test]
fn nothing_is_dropped_before_default_deny_and_after_its_revert() {
    let files = export(&shop(), Hook::Forward);
    let stranger = Tuple {
        client: Ipv4Addr::new(203, 0, 113, 9).into(),
        server: Ipv4Addr::new(10, 0, 2, 1).into(),
        service: Service::Port { protocol: Protocol::TCP, port: 5432 },
    };
    let action = |texts: &[&str]| {
        let ruleset = Ruleset::read(texts.iter().map(|text| ("t.nft", *text))).expect("ruleset");
        ruleset.evaluate(Hook::Forward, &stranger).action
    };
    assert_eq!(action(&[&files.allow]), Action::Accept);
    assert_eq!(action(&[&files.allow, &files.default_deny]), Action::Drop);
    assert_eq!(action(&[&files.allow, &files.default_deny, &files.revert]), Action::Accept);
    assert_eq!(action(&[&files.allow, &files.default_deny, &files.allow]), Action::Accept);
}

#[test]
fn dropping_what_was_observed_is_found() {
    let denied = |export: &Nftables| -> Vec<String> {
        refuted(&shop(), export).denied.iter().map(|denied| denied.edge.to_string()).collect()
    };
    // An address missing from the clients and one from the servers.
    assert_eq!(denied(&broken("\t\t\t10.0.4.7,\n", "")).len(), 2);
    assert_eq!(denied(&broken("\t\t\t2001:db8:2::1,\n", "")).len(), 3);
    // UDP lost, ICMPv6 lost, one IP version lost.
    assert_eq!(denied(&without("udp dport 53 ")), ["shop/app -> shop/dns udp/53"]);
    assert_eq!(denied(&without("icmpv6 type 128 ")), ["shop/monitor -> shop/app icmpv6/128"]);
    assert_eq!(denied(&without("ip6 saddr")).len(), 4);
    // The port of something else; IPv6 hosts written as networks of another host.
    assert_eq!(denied(&broken("dport 5432", "dport 15432")).len(), 2);
    assert_eq!(denied(&widened("2001:db8:1::1,", "2001:db8::/128,")).len(), 3);
    // The whole table gone, or never reached.
    assert_eq!(denied(&without("jump watershed_allow")).len(), 7);
    assert_eq!(denied(&broken("counter accept comment", "counter drop comment")).len(), 7);
}

#[test]
fn admitting_what_was_not_observed_is_found() {
    let admitted = |export: &Nftables| {
        let refutation = refuted(&shop(), export);
        assert!(refutation.admitted_count > 0, "{refutation}");
        assert_eq!(refutation.denied, [], "{refutation}");
    };
    admitted(&widened("10.0.4.7,", "0.0.0.0/0,"));
    admitted(&widened("10.0.4.7,", "10.0.4.6/31,"));
    admitted(&widened("10.0.4.7,", "10.0.4.7-10.0.4.8,"));
    admitted(&widened("10.0.2.1,", "10.0.0.0/8,"));
    admitted(&widened("2001:db8:4::7,", "2001:db8::/32,"));
    admitted(&widened("2001:db8:4::7,", "::/0,"));
    admitted(&broken("10.0.4.7,", "10.0.4.7, 203.0.113.77,"));
    admitted(&broken("dport 5432", "dport 5432-5433"));
    admitted(&broken("dport 5432", "dport { 5432, 22 }"));
    admitted(&broken("tcp dport 443 ", "meta l4proto 6 "));
    admitted(&broken("tcp dport 443 ", "th dport 443 "));
    admitted(&broken("tcp dport 443 ", ""));
    admitted(&broken("icmp type 8 ", "icmp type 0-255 "));
    admitted(&broken("\tct state established,related", "\tct state new,established,related"));
    admitted(&broken("jump watershed_allow", "jump watershed_allow\naccept"));
    // The first rule's clients left out: anyone may come.
    let text = export(&shop(), Hook::Forward).allow;
    let rule = text.lines().find(|line| line.contains("sctp dport 9")).expect("rule");
    let (_, rest) = rule.split_once(" ip daddr").expect("destination");
    admitted(&broken(rule, &format!("\t\tip daddr{rest}")));
}

#[test]
fn exchanging_the_sides_is_found() {
    let mut export = broken("saddr", "other");
    export.allow = export.allow.replace("daddr", "saddr").replace("other", "daddr");
    let refutation = refuted(&shop(), &export);
    assert_eq!(refutation.denied.len(), 7);
    assert!(refutation.admitted_count > 0);
}

#[test]
fn default_deny_must_deny_and_its_revert_revert() {
    let mut never = export(&shop(), Hook::Forward);
    never.default_deny = never.revert.clone();
    assert!(refuted(&shop(), &never).admitted_count > 0);
    let mut stuck = export(&shop(), Hook::Forward);
    stuck.revert = stuck.default_deny.clone();
    assert!(refuted(&shop(), &stuck).revert_differs);
}

#[test]
fn what_is_refuted_names_its_edges_and_rules() {
    let message = proof::prove(&shop(), &without("udp dport 53 "), "test").expect_err("refuted").to_string();
    let edge = "it denies 1 accepted edges: shop/app -> shop/dns udp/53 (10.0.1.1 -> 10.0.3.53:53 udp)";
    assert!(message.contains(edge), "{message}");
    let message =
        proof::prove(&shop(), &broken("dport 5432", "dport 5432-5433"), "test").expect_err("refuted");
    assert!(message.to_string().contains(" by rules.nft:"), "{message}");
}

fn address() -> impl Strategy<Value = IpAddr> {
    // Few and close together, so that neighbours of one are members of another.
    prop_oneof![
        (0..12_u8).prop_map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))),
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        (0..6_u16).prop_map(|last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ]
}

fn party() -> impl Strategy<Value = (Party, Vec<IpAddr>)> {
    let workload = ("[a-cü\"\\\\\n /]{0,3}", prop::collection::vec(address(), 0..4));
    prop_oneof![
        workload.prop_map(|(name, addresses)| (host(&name), addresses)),
        address().prop_map(|address| (Party::Address(address), vec![address])),
    ]
}

fn edges() -> impl Strategy<Value = Vec<Edge>> {
    let protocol = prop_oneof![
        Just(Protocol::TCP),
        Just(Protocol::UDP),
        Just(Protocol::SCTP),
        Just(Protocol::ICMP),
        Just(Protocol::ICMPV6),
        any::<u8>().prop_map(Protocol),
    ];
    let port = prop_oneof![0..4_u16, 125..140_u16, any::<u16>()];
    let edge = (party(), party(), protocol, port).prop_map(
        |((client, clients), (server, servers), protocol, port)| {
            edge((client, &clients), (server, &servers), protocol, port)
        },
    );
    prop::collection::vec(edge, 0..12).prop_map(|edges| {
        let by_key: BTreeMap<_, _> = edges.into_iter().map(|edge| (edge.key.clone(), edge)).collect();
        by_key.into_values().collect()
    })
}

fn seeded(cases: u32) -> ProptestConfig {
    let rng_seed = prop::test_runner::RngSeed::Fixed(1);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn every_export_is_proven(edges in edges(), input in any::<bool>()) {
        let export = export(&edges, if input { Hook::Input } else { Hook::Forward });
        let certificate = proof::prove(&edges, &export, "test");
        prop_assert!(certificate.is_ok(), "{}\n{}", certificate.unwrap_err(), export.allow);
        // What rules say that they cost is what the text of them turns out to admit.
        let (certificate, rules) = (certificate.unwrap(), RuleSet::from_edges(&edges, &[]).expect("rules").rules);
        let sum = |of: fn(&Rule) -> u64| rules.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|rule| rule.price), certificate.tuples_unobserved);
        prop_assert_eq!(sum(|rule| rule.all), certificate.tuples_allowed());
    }

    #[test]
    fn a_lost_address_or_rule_is_found(edges in edges(), pick in any::<prop::sample::Index>()) {
        let mut export = export(&edges, Hook::Forward);
        let text = export.allow.clone();
        let lines: Vec<_> = text.lines().collect();
        let vital = |line: &str| {
            let element = line.starts_with("\t\t\t");
            element || line.contains(" saddr ")
        };
        let candidates: Vec<_> = (0..lines.len()).filter(|&at| vital(lines[at])).collect();
        prop_assume!(!candidates.is_empty());
        let lost = *pick.get(&candidates);
        let kept: Vec<_> = (0..lines.len()).filter(|&at| at != lost).map(|at| lines[at]).collect();
        export.allow = kept.join("\n");
        // Another rule may allow the same: then nothing is lost, and the proof is right to hold.
        match proof::prove(&edges, &export, "test") {
            Err(Error::Refuted(refutation)) => prop_assert!(!refutation.denied.is_empty()),
            Err(other) => prop_assert!(false, "{}", other),
            Ok(_) => prop_assert!(overlapping(&edges), "not found: {}", lines[lost]),
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*", words in prop::collection::vec(word(), 0..60)) {
        let _ = Ruleset::read([("text", text.as_str())]);
        let _ = Ruleset::read([("words", words.join(" ").as_str())]);
        let framed = format!("table inet t {{ chain a {{ {} }} }}", words.join(" "));
        let _ = Ruleset::read([("framed", framed.as_str())]);
    }
}

/// Whether two parties share an address, or the tuple passes anyway as IPv6's own.
fn overlapping(edges: &[Edge]) -> bool {
    let shared = edges.iter().enumerate().any(|(at, edge)| {
        let others = edges.iter().skip(at + 1);
        others.clone().any(|other| {
            (edge.key.protocol, edge.key.port) == (other.key.protocol, other.key.port)
                && !edge.server_addresses.is_disjoint(&other.server_addresses)
        })
    });
    shared || edges.iter().any(|edge| edge.key.protocol == Protocol::ICMPV6 || !edge.key.protocol.has_ports())
}

fn word() -> impl Strategy<Value = &'static str> {
    let words = "table inet t a b chain set type ipv4_addr ipv6_addr flags interval elements = { } ; , @ @a ip ip6 \
                 saddr daddr 10.0.0.1 10.0.0.0/8 ::1 ::/0 1-2 2-1 - / meta l4proto tcp dport udp th icmp icmpv6 ct \
                 state new established counter packets bytes 1 comment \"x\" \" log prefix limit rate 5/second accept \
                 drop return jump hook filter forward input priority policy iifname \"lo\" delete \n # 99999999999";
    prop::sample::select(words.split(' ').collect::<Vec<_>>())
}
