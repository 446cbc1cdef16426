//! What each format looks like, and that no name breaks it.

use std::sync::Arc;

use proptest::prelude::*;
use watershed_model::{Hour, Loss, LossEntry, Party, Snapshot, Timestamp, Workload};

use super::*;
use crate::GraphConfig;
use crate::testing::{START, snapshot, tcp, udp};

fn named(name: &str, labels: &[(&str, &str)]) -> Party {
    let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    Party::Workload(Arc::new(Workload { name: name.to_owned(), labels, ..Workload::default() }))
}

/// web → db by TCP and by an unclear UDP, a visitor from the internet, and a refused try.
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
    insta::assert_snapshot!(rendered(Format::Json), @"");
}

#[test]
fn dot_draws_what_may_become_rules() {
    insta::assert_snapshot!(rendered(Format::Dot), @"");
}

#[test]
fn mermaid_draws_the_same() {
    insta::assert_snapshot!(rendered(Format::Mermaid), @"");
}

#[test]
fn graphml_has_every_edge() {
    let text = rendered(Format::GraphMl);
    let edge = &text[text.find("    <edge").unwrap()..];
    insta::assert_snapshot!(&edge[..edge.find("</edge>").unwrap()], @"");
    assert_eq!((text.matches("<node").count(), text.matches("<edge").count()), (3, 4));
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
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(2), ..ProptestConfig::default() })]

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
