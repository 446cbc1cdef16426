//! The file: what it says, what it refuses and how, and that writing it loses nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use watershed_model::{Labels, Protocol, Timestamp};

use super::*;
use crate::{Namespace, Service};

const FILE: &str = r#"
version: 1
rules:
  - {id: allow-db-ingress-5d96e11e97835989, decision: approved, by: alice, at: 2026-11-28T12:00:00Z, comment: as designed}
  - id: allow-web-egress-0c9a1bb5e4cf2e77
    decision: rejected
  - {id: allow-b, comment: "ask bob"}
exclude:
  - {client: {namespace: shop, labels: {app: debug}}, ports: [tcp/22], comment: gone}
  - {server: {networks: [10.0.0.0/8, 2001:db8::1]}}
allow:
  - {client: {namespace: "*", labels: {app: backup}}, server: {name: vault}, ports: [tcp/9000-9010, icmp/8, esp]}
"#;

fn read(text: &str) -> Decisions {
    Decisions::read("decisions.yaml", text).expect("decisions")
}

fn refused(text: &str) -> String {
    Decisions::read("decisions.yaml", text).expect_err("problems").to_string()
}

#[test]
fn a_file_says_what_was_decided() {
    let decisions = read(FILE);
    assert!(decisions.rejects("allow-web-egress-0c9a1bb5e4cf2e77"));
    assert_eq!(decisions.of("allow-db-ingress-5d96e11e97835989"), Some(Decision::Approved));
    assert_eq!(decisions.of("allow-b"), None);
    assert_eq!(
        decisions.rules["allow-db-ingress-5d96e11e97835989"].to_string(),
        "approved by alice on 2026-11-28: as designed"
    );
    assert_eq!(decisions.rules["allow-b"].to_string(), "ask bob");
    let excluded: Vec<String> = decisions.exclude.iter().map(ToString::to_string).collect();
    assert_eq!(
        excluded,
        ["shop/app=debug -> anybody: tcp/22", "anybody -> 10.0.0.0/8, 2001:db8::1/128: anything"]
    );
    assert_eq!(
        decisions.allow[0].to_string(),
        "every namespace/app=backup -> vault: icmp/8 esp tcp/9000-9010"
    );
    assert_eq!(read(""), Decisions::default());
    assert_eq!(read("# nothing yet\nversion: 1\n"), Decisions::default());
}

#[test]
fn a_broken_file_is_told_with_line_value_and_what_to_do() {
    for (text, told) in [
        ("rules: []\n", "1:1: there is no `version`; write `version: 1` at the top"),
        ("version: 2\n", "1:10: `version` must be 1, found `2`"),
        (
            "version: 1\nexcludes: []\n",
            "2:1: unknown field `excludes` in the file; known are version, rules, exclude, allow",
        ),
        (
            "version: 1\nrules:\n- {id: allow-a, decision: maybe}\n",
            "3:27: `decision` must be approved or rejected, found the text `maybe`",
        ),
        ("version: 1\nrules:\n- {id: Allow A, decision: approved}\n", "3:8: \"Allow A\" is no id of a rule"),
        (
            "version: 1\nrules:\n- {id: allow-a}\n",
            "3:8: neither a decision nor a comment is given for allow-a",
        ),
        (
            "version: 1\nrules:\n- {id: a, comment: b}\n- {id: a, comment: c}\n",
            "4:8: rule a was decided further up already; take one entry out",
        ),
        (
            "version: 1\nrules:\n- {id: a, comment: b, at: noon}\n",
            "3:27: `noon` is no time; write a time such as",
        ),
        (
            "version: 1\nexclude:\n- {client: {networks: [10.0.0.1/8]}}\n",
            "3:24: `10.0.0.1/8` has bits of a host; write 10.0.0.0/8 for the network or 10.0.0.1 for the address",
        ),
        ("version: 1\nexclude:\n- {ports: [tcp/22]}\n", "3:3: an exclusion of everybody would leave no rule"),
        (
            "version: 1\nexclude:\n- {client: web}\n",
            "3:12: `client` must be a mapping, found the text `web`; write",
        ),
        (
            "version: 1\nallow:\n- {client: {name: a}, server: {name: b}, ports: [tcp/0]}\n",
            "3:50: `tcp/0` is no port; write tcp/443",
        ),
        (
            "version: 1\nallow:\n- {client: {name: a}, server: {name: b}}\n",
            "3:3: there are no `ports`; write",
        ),
        (
            "version: 1\nallow:\n- {client: {namespace: shop, name: web}, server: {name: b}, ports: [tcp/1]}\n",
            "3:12: a rule selects the workloads of shop by labels and not by name; write",
        ),
        (
            "version: 1\nallow:\n- {client: {networks: [::1]}, server: {networks: [::2]}, ports: [tcp/1]}\n",
            "both ends are networks",
        ),
        ("version: 1\n---\nversion: 1\n", "the file must be one document; take out `---`"),
        ("version: [1\n", "this is no YAML"),
    ] {
        let problem = refused(text);
        assert!(problem.starts_with("cannot use the decisions: decisions.yaml:"), "{problem}");
        assert!(problem.contains(told), "{problem:?} does not say {told:?}");
    }
}

#[test]
fn deciding_keeps_what_others_said() {
    let mut decisions = read(FILE);
    let said = Said {
        decision: Some(Decision::Rejected),
        by: Some("carol".into()),
        at: "2026-11-29T08:00:00Z".parse().ok(),
        comment: None,
    };
    decisions.decide("allow-b", said.clone()).expect("decided");
    let again = read(&decisions.write());
    assert_eq!(again.rules["allow-b"], said);
    assert_eq!((&again.exclude, &again.allow), (&read(FILE).exclude, &read(FILE).allow));
    assert_eq!(again.rules.len(), 3);
    for (id, said) in [("", said.clone()), ("a b", said), ("allow-c", Said::default())] {
        let before = decisions.clone();
        decisions.decide(id, said).expect_err("refused");
        assert_eq!(decisions, before);
    }
    let long = Said { comment: Some("x".repeat(5000)), ..Said::default() };
    let error = decisions.decide("allow-c", long).expect_err("too long").to_string();
    assert_eq!(error, "`comment` has 5000 bytes and may have 4096; shorten it");
}

fn networks() -> impl Strategy<Value = ipnet::IpNet> {
    prop_oneof![
        (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(address, bits)| ipnet::Ipv4Net::new_assert(
            address.into(),
            bits
        )
        .trunc()
        .into()),
        (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(address, bits)| ipnet::Ipv6Net::new_assert(
            address.into(),
            bits
        )
        .trunc()
        .into()),
    ]
}

/// `by_name`: whether a workload in a namespace may be meant by its name.
fn end(by_name: bool) -> impl Strategy<Value = End> {
    let namespace = prop_oneof![
        Just(Namespace::Hosts),
        Just(Namespace::Every),
        ".+".prop_filter("a star is every namespace", |name| name != "*").prop_map(Namespace::One),
    ];
    let labels = prop::collection::btree_map(".*", ".*", 0..3);
    let in_one = proptest::option::of(".+".prop_filter("a star is every namespace", |name| name != "*"));
    prop_oneof![
        (namespace, labels).prop_map(|(namespace, labels): (_, Labels)| End::Workloads { namespace, labels }),
        (in_one, ".+")
            .prop_map(move |(namespace, name)| End::Named { namespace: namespace.filter(|_| by_name), name }),
        prop::collection::vec(networks(), 1..3).prop_map(End::Networks),
    ]
}

fn allowed() -> impl Strategy<Value = Allowed> {
    prop_oneof![
        Just(Allowed::Anything),
        (any::<u8>(), any::<u8>(), 1..=u16::MAX, 1..=u16::MAX).prop_map(|(protocol, kind, one, other)| {
            let protocol = Protocol(protocol);
            match Service::new(protocol, u16::from(kind)) {
                Some(Service::Port { .. }) | None => Allowed::Ports(protocol, one.min(other), one.max(other)),
                Some(service) => Allowed::Service(service),
            }
        }),
    ]
}

fn ports(least: usize) -> impl Strategy<Value = Vec<Allowed>> {
    let sorted = |ports: BTreeSet<Allowed>| ports.into_iter().collect();
    prop::collection::btree_set(allowed(), least..4).prop_map(sorted)
}

fn said() -> impl Strategy<Value = Said> {
    let decision = proptest::option::of(prop_oneof![Just(Decision::Approved), Just(Decision::Rejected)]);
    let at = proptest::option::of(any::<i64>().prop_map(Timestamp::from_nanos));
    let text = || proptest::option::of(any::<String>().prop_filter("short", |text| text.len() < 200));
    (decision, text(), at, text(), any::<String>().prop_filter("short", |text| text.len() < 200)).prop_map(
        |(decision, by, at, comment, other)| {
            let comment = if decision.is_none() { Some(comment.unwrap_or(other)) } else { comment };
            Said { decision, by, at, comment }
        },
    )
}

fn decisions() -> impl Strategy<Value = Decisions> {
    let comment = || proptest::option::of(any::<String>());
    let exclusion = (end(true), proptest::option::of(end(true)), any::<bool>(), ports(0), comment())
        .prop_map(|(one, other, swap, ports, comment)| {
            let (client, server) = if swap { (other, Some(one)) } else { (Some(one), other) };
            Exclusion { client, server, ports, comment }
        });
    let manual = (end(false), end(false), ports(1), comment())
        .prop_filter("one end has rules", |(client, server, ..)| {
            !matches!((client, server), (End::Networks(_), End::Networks(_)))
        })
        .prop_map(|(client, server, ports, comment)| Manual { client, server, ports, comment });
    (
        prop::collection::btree_map("[a-z0-9-]{1,40}", said(), 0..4),
        prop::collection::vec(exclusion, 0..4),
        prop::collection::vec(manual, 0..4),
    )
        .prop_map(|(rules, exclude, allow)| Decisions { rules, exclude, allow })
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(decisions in decisions()) {
        let text = decisions.write();
        let again = Decisions::read("decisions.yaml", &text).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        prop_assert_eq!(&again, &decisions);
        prop_assert_eq!(again.write(), text);
    }
}
