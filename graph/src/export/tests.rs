//! What each format looks like, and that no name breaks it.

use std::sync::Arc;

use proptest::prelude::*;
use watershed_model::{Hour, Loss, LossEntry, Snapshot, Timestamp, Workload};

use super::*;
use crate::GraphConfig;
use crate::testing::{START, snapshot, tcp, udp};

fn named(name: &str, labels: &[(&str, &str)]) -> Party {
    let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    Party::Workload(Arc::new(Workload { name: name.to_owned(), labels, ..Workload::default() }))
}

/// web → db by TCP and by an unclear UDP, a visitor from the internet, a payment service there, and a refused try.
fn shop() -> Snapshot {
    let (web, db) = (named("web", &[("app", "shop")]), named("db", &[]));
    let mut snapshot = snapshot([
        tcp("10.0.0.1", "10.0.0.2", 5432)
            .edit(|e| (e.key.client, e.key.server) = (web.clone(), db.clone()))
            .build(),
        tcp("10.0.0.1", "10.0.0.2", 40_000)
            .with(watershed_model::ConnState::Oth, watershed_model::Evidence::FIRST_PACKET)
            .edit(|e| (e.key.client, e.key.server) = (web.clone(), db.clone()))
            .build(),
        tcp("203.0.113.9", "10.0.0.1", 443)
            .edit(|e| (e.key.server, e.names) = (web.clone(), ["shop.example".into()].into()))
            .build(),
        tcp("10.0.0.1", "192.0.2.7", 443)
            .edit(|e| (e.key.client, e.names) = (web.clone(), ["pay.example".into()].into()))
            .build(),
        tcp("203.0.113.9", "10.0.0.1", 22).refused().edit(|e| e.key.server = web.clone()).build(),
    ]);
    let hour = Hour::of(Timestamp::from_parts(START, 0));
    snapshot.loss = vec![LossEntry { agent: "agent".into(), hour, loss: Loss::KernelDropped, count: 7 }];
    snapshot
}

fn rendered(format: Format) -> String {
    let snapshot = shop();
    format.render(&Graph::of(&snapshot, &GraphConfig::default()))
}

#[test]
fn json_has_one_element_a_line() {
    insta::assert_snapshot!(rendered(Format::Json), @r##"
    {
      "schema_version": 1,
      "period": {"start":"2026-01-02T03:00:00Z","end":"2026-01-02T03:01:00Z"},
      "counters": {"packets":100,"captured_bytes":0,"in_flows":100,"repeated":0,"skipped":{},"refused":{},"kernel_dropped":0,"snapped":0,"reassembled":0,"flows_started":0,"flows_evicted":0,"records":0,"names":0,"names_limited":0},
      "loss": [
        {"agent":"agent","hour":"2026-01-02T03:00:00Z","loss":"kernel_dropped","count":7}
      ],
      "nodes": [
        {"id":"db","kind":"host","addresses":["10.0.0.2"],"scope":"internal","role":"server","tier":2,"dependants":1,"dependencies":0},
        {"id":"web","kind":"host","labels":{"app":"shop"},"addresses":["10.0.0.1"],"names":["shop.example"],"scope":"internal","role":"both","tier":1,"dependants":1,"dependencies":2},
        {"id":"192.0.2.7","kind":"address","addresses":["192.0.2.7"],"names":["pay.example"],"scope":"public","role":"server","tier":2,"dependants":1,"dependencies":0},
        {"id":"203.0.113.9","kind":"address","addresses":["203.0.113.9"],"scope":"public","role":"client","tier":0,"dependants":0,"dependencies":1}
      ],
      "edges": [
        {"client":"web","server":"db","protocol":"tcp","port":5432,"service":"postgresql","verdict":"accepted","direction":0.999999,"connections":1,"answered":1,"packets_to_server":6,"packets_to_client":5,"bytes_to_server":900,"bytes_to_client":4000,"first_seen":"2026-01-02T03:00:00Z","last_seen":"2026-01-02T03:01:00Z","states":{"SF":1},"evidence":{"first_packet":1,"handshake":1,"syn":1,"syn_ack":1},"names":[],"hours":["2026-01-02T03:00:00Z"],"client_addresses":["10.0.0.1"],"server_addresses":["10.0.0.2"],"observers":["agent"]},
        {"client":"web","server":"db","protocol":"tcp","port":40000,"verdict":"needs_person","doubt":"no_evidence","direction":0.5,"connections":1,"answered":1,"packets_to_server":6,"packets_to_client":5,"bytes_to_server":900,"bytes_to_client":4000,"first_seen":"2026-01-02T03:00:00Z","last_seen":"2026-01-02T03:01:00Z","states":{"OTH":1},"evidence":{"first_packet":1},"names":[],"hours":["2026-01-02T03:00:00Z"],"client_addresses":["10.0.0.1"],"server_addresses":["10.0.0.2"],"observers":["agent"]},
        {"client":"web","server":"192.0.2.7","protocol":"tcp","port":443,"service":"https","verdict":"accepted","direction":0.999999,"connections":1,"answered":1,"packets_to_server":6,"packets_to_client":5,"bytes_to_server":900,"bytes_to_client":4000,"first_seen":"2026-01-02T03:00:00Z","last_seen":"2026-01-02T03:01:00Z","states":{"SF":1},"evidence":{"first_packet":1,"handshake":1,"syn":1,"syn_ack":1},"names":["pay.example"],"hours":["2026-01-02T03:00:00Z"],"client_addresses":["10.0.0.1"],"server_addresses":["192.0.2.7"],"observers":["agent"]},
        {"client":"203.0.113.9","server":"web","protocol":"tcp","port":22,"service":"ssh","verdict":"refused","direction":0.999999,"connections":1,"answered":0,"packets_to_server":1,"packets_to_client":1,"bytes_to_server":44,"bytes_to_client":40,"first_seen":"2026-01-02T03:00:00Z","last_seen":"2026-01-02T03:01:00Z","states":{"REJ":1},"evidence":{"first_packet":1,"syn":1},"names":[],"hours":["2026-01-02T03:00:00Z"],"client_addresses":["203.0.113.9"],"server_addresses":["10.0.0.1"],"observers":["agent"]},
        {"client":"203.0.113.9","server":"web","protocol":"tcp","port":443,"service":"https","verdict":"accepted","direction":0.999999,"connections":1,"answered":1,"packets_to_server":6,"packets_to_client":5,"bytes_to_server":900,"bytes_to_client":4000,"first_seen":"2026-01-02T03:00:00Z","last_seen":"2026-01-02T03:01:00Z","states":{"SF":1},"evidence":{"first_packet":1,"handshake":1,"syn":1,"syn_ack":1},"names":["shop.example"],"hours":["2026-01-02T03:00:00Z"],"client_addresses":["203.0.113.9"],"server_addresses":["10.0.0.1"],"observers":["agent"]}
      ],
      "shared_services": [],
      "exposed": [
        {"node":"web","services":[{"protocol":"tcp","port":443,"service":"https","peers":1,"connections":1,"used":true}]}
      ],
      "egress": [
        {"node":"web","services":[{"protocol":"tcp","port":443,"service":"https","peers":1,"connections":1,"used":true}]}
      ],
      "scans": [
        {"source":"203.0.113.9","protocol":"tcp","kind":"probe","targets":["web"],"ports":"22","open":[],"unanswered":0,"refused":1,"connections":1,"first_seen":"2026-01-02T03:00:00Z","last_seen":"2026-01-02T03:01:00Z"}
      ]
    }
    "##);
}

#[test]
fn dot_draws_what_may_become_rules() {
    insta::assert_snapshot!(rendered(Format::Dot), @r##"
    digraph watershed {
      rankdir=LR;
      node [shape=box];
      n_db [label="db"];
      n_web [label="web"];
      n_192_0_2_7 [label="192.0.2.7 (pay.example)", shape=ellipse];
      n_203_0_113_9 [label="203.0.113.9", shape=ellipse];
      n_web -> n_db [label="tcp/5432 postgresql"];
      n_web -> n_db [label="tcp/40000", style=dashed];
      n_web -> n_192_0_2_7 [label="tcp/443 https"];
      n_203_0_113_9 -> n_web [label="tcp/443 https"];
    }
    "##);
}

#[test]
fn mermaid_draws_the_same() {
    insta::assert_snapshot!(rendered(Format::Mermaid), @r##"
    flowchart LR
      n_db["db"]
      n_web["web"]
      n_192_0_2_7("192.0.2.7 (pay.example)")
      n_203_0_113_9("203.0.113.9")
      n_web -->|"tcp/5432 postgresql"| n_db
      n_web -.->|"tcp/40000"| n_db
      n_web -->|"tcp/443 https"| n_192_0_2_7
      n_203_0_113_9 -->|"tcp/443 https"| n_web
    "##);
}

#[test]
fn graphml_has_every_edge() {
    let text = rendered(Format::GraphMl);
    let edge = &text[text.find("    <edge").unwrap()..];
    insta::assert_snapshot!(&edge[..edge.find("</edge>").unwrap()], @r##"
    <edge source="n_web" target="n_db">
      <data key="edge_protocol">tcp</data>
      <data key="edge_port">5432</data>
      <data key="edge_service">postgresql</data>
      <data key="edge_verdict">accepted</data>
      <data key="edge_direction">0.999999</data>
      <data key="edge_connections">1</data>
      <data key="edge_answered">1</data>
      <data key="edge_packets_to_server">6</data>
      <data key="edge_packets_to_client">5</data>
      <data key="edge_bytes_to_server">900</data>
      <data key="edge_bytes_to_client">4000</data>
      <data key="edge_first_seen">2026-01-02T03:00:00Z</data>
      <data key="edge_last_seen">2026-01-02T03:01:00Z</data>
      <data key="edge_why">answered, and the direction is clear</data>
    "##);
    assert_eq!((text.matches("<node").count(), text.matches("<edge").count()), (4, 5));
}

#[test]
fn mermaid_leaves_out_what_it_could_not_draw_and_says_so() {
    let edges = (0..600).map(|n| {
        let edge = udp("10.0.0.1", &format!("10.1.{}.{}", n / 200, n % 200), 53);
        edge.answered(u64::from(n == 599) * 9 + 1).build()
    });
    let snapshot = snapshot(edges);
    let text = Format::Mermaid.render(&Graph::of(&snapshot, &GraphConfig::default()));
    assert_eq!(text.matches("-->").count(), 500);
    assert!(text.contains("%% 100 arrows") && text.contains("10.1.2.199"));
}

#[test]
fn labels_do_not_grow_without_end() {
    let snapshot = snapshot((8000..8010).map(|port| tcp("10.0.0.1", "10.0.0.2", port).build()));
    let text = Format::Dot.render(&Graph::of(&snapshot, &GraphConfig::default()));
    assert!(text.contains("tcp/8000, tcp/8001, tcp/8002, tcp/8003, 6 more"), "{text}");
}

/// Names as an attacker would choose them, among arbitrary ones.
fn any_name() -> impl Strategy<Value = String> {
    let hostile = [
        "\"];",
        "\"]\nx[\"",
        "]]>",
        "<!--",
        "&quot;",
        "\\",
        "\\\"",
        "a|b",
        "`",
        "#quot;",
        "end",
        "%%{init",
        "\u{0}",
        "\u{ffff}",
    ];
    prop_oneof![any::<String>(), prop::sample::select(hostile.to_vec()).prop_map(str::to_owned)]
}

fn hostile(client: &str, server: &str, name: &str) -> Snapshot {
    let edge = tcp("10.0.0.1", "10.0.0.2", 443).edit(|edge| {
        edge.key.client = named(client, &[(name, client)]);
        edge.key.server = named(server, &[]);
        edge.names = [name.into()].into();
    });
    snapshot([edge.build()])
}

/// Reads XML to its end and returns its text.
fn xml_text(xml: &str) -> Result<String, quick_xml::Error> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut text = String::new();
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(text),
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(entity) => match &*entity {
                "lt" => text.push('<'),
                "gt" => text.push('>'),
                "amp" => text.push('&'),
                "quot" => text.push('"'),
                other => panic!("unknown entity {other}"),
            },
            Event::Start(_) | Event::End(_) | Event::Empty(_) | Event::Decl(_) => {}
            other => panic!("an event that the export never writes: {other:?}"),
        }
    }
}

/// What is left of a line without its quoted strings, honouring backslashes.
fn outside_quotes(line: &str, backslash_escapes: bool) -> String {
    let (mut outside, mut quoted, mut escaped) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted && backslash_escapes => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted => outside.push(c),
            _ => {}
        }
    }
    assert!(!quoted && !escaped, "an open quote: {line}");
    outside
}

fn shape(text: &str, backslash_escapes: bool) -> Vec<String> {
    let skeleton = |line: &str| outside_quotes(line, backslash_escapes);
    let ids = |line: String| {
        line.split_whitespace().filter(|word| !word.starts_with("n_")).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(skeleton).map(ids).collect()
}

proptest! {
    #![proptest_config(crate::testing::seeded(500))]

    #[test]
    fn no_name_breaks_a_format(client in any_name(), server in any_name(), name in any_name()) {
        let snapshot = hostile(&client, &server, &name);
        let graph = Graph::of(&snapshot, &GraphConfig::default());

        let json: serde_json::Value = serde_json::from_str(&Format::Json.render(&graph)).unwrap();
        prop_assert_eq!(json["edges"][0]["names"][0].as_str(), Some(&*name));

        let text = xml_text(&Format::GraphMl.render(&graph)).unwrap();
        if client.chars().all(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')) {
            prop_assert!(text.contains(&client));
        }

        let harmless = hostile("a", "b", "c");
        let harmless = Graph::of(&harmless, &GraphConfig::default());
        for (format, escapes) in [(Format::Dot, true), (Format::Mermaid, false)] {
            prop_assert_eq!(shape(&format.render(&graph), escapes), shape(&format.render(&harmless), escapes));
        }
    }
}
