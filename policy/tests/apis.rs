//! Calico's and Istio's own Go code as a judge: it takes every exported object, and reads selectors as ours does.
//!
//! The judge is `tests/support/apis`, built from the modules that it names. Its selectors are of an
//! early version of the language, without `contains`, `starts with`, `ends with` and `global()`, and
//! in which no label is called `in`.

#[path = "cluster/mod.rs"]
mod cluster;
#[path = "judges/ask.rs"]
mod judges;

use cluster::{Cluster, cluster, edge, edges};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use watershed_model::{Labels, Protocol};
use watershed_policy::calico::{Expression, Labelled};
use watershed_policy::export::calico::{self, Form};
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::mine::{Census, Level, mine};

/// Selectors that both read.
const SELECTORS: usize = 3000;

/// The seed of selectors; printed where they disagree.
const SEED: u8 = 17;

#[test]
fn their_own_types_hold_every_object() {
    let Cluster { api, pay, .. } = cluster();
    let mut edges = edges();
    edges.push(edge(&pay, &api, Protocol::ICMP, 8));
    edges.push(edge(&pay, &api, Protocol(50), 0));
    let census = Census::of(&edges, &[]).expect("a census");
    let mut objects = Vec::new();
    for level in Level::ALL {
        let plan = mine(&census, level);
        for form in [Form::Enforced, Form::Staged] {
            objects.extend(calico::export(&census, &plan, form).expect("policies").files);
        }
        let sayable = Sayable::of(&census, plan);
        objects.extend(istio::export(&census, &sayable).expect("policies").files);
    }
    objects.retain(|(path, _)| !path.ends_with("kustomization.yaml"));
    let questions: Vec<Value> = objects.iter().map(|(_, text)| json!({ "object": text })).collect();
    for ((path, text), answer) in objects.iter().zip(judges::ask("apis", &questions)) {
        assert_eq!(answer["error"], "", "{path}\n{text}");
    }
    println!("{} objects of Calico and Istio are what their types hold", objects.len());
    let wrong =
        objects.iter().map(|(_, text)| json!({ "object": text.replace("spec:\n", "spec:\n  no: 1\n") }));
    for answer in judges::ask("apis", &wrong.collect::<Vec<_>>()) {
        assert_ne!(answer["error"], "", "an unknown field");
    }
}

fn selector() -> impl Strategy<Value = String> {
    let key = || prop::sample::select(vec!["a", "b", "has", "x.io/y"]);
    let value = || prop::sample::select(vec!["'1'", "\"2\"", "''", "'it\"s'"]);
    let leaf = prop_oneof![
        (key(), prop::sample::select(vec!["==", "!="]), value())
            .prop_map(|(k, op, v)| format!("{k} {op} {v}")),
        (key(), prop::sample::select(vec!["in", "not in", "not  in"]), prop::collection::vec(value(), 0..3))
            .prop_map(|(key, operator, values)| format!("{key} {operator} {{{}}}", values.join(", "))),
        key().prop_map(|key| format!("has({key})")),
        Just("all()".to_owned()),
    ];
    let whole = leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("!{one}")),
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("{one} && {other}")),
            (inner.clone(), inner).prop_map(|(one, other)| format!("({one}) || {other}")),
        ]
    });
    let words = vec![
        "a ",
        "b",
        "==",
        "!=",
        "b in ",
        "a not in ",
        "'1'",
        "{'1'}",
        "{",
        "}",
        "(",
        ")",
        "has(a)",
        "all()",
        "&&",
        "||",
        "!",
        ",",
        "\"",
        " ",
        "=",
        "&",
    ];
    let shuffled = prop::collection::vec(prop::sample::select(words), 0..7).prop_map(|words| words.concat());
    prop_oneof![2 => whole, 1 => shuffled]
}

/// Labels of an endpoint.
struct Endpoint<'a>(&'a Labels);

impl Labelled for Endpoint<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn is_global(&self) -> bool {
        true
    }
}

#[test]
fn selectors_mean_the_same_to_calico() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[SEED; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let selectors: Vec<String> =
        (0..SELECTORS).map(|_| selector().new_tree(&mut runner).expect("a selector").current()).collect();
    let labels: Vec<Labels> =
        ["", "a=1", "a=2 b=1", "a= in=1", "x.io/y=2 has=it\"s", "a=1 b=2 in=2 has=1 x.io/y=1"]
            .iter()
            .map(|text| text.split_whitespace().filter_map(|pair| pair.split_once('=')))
            .map(|pairs| pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
            .collect();
    let questions: Vec<Value> =
        selectors.iter().map(|selector| json!({ "selector": selector, "labels": labels })).collect();
    let (mut valid, mut differ) = (0, Vec::new());
    for (selector, answer) in selectors.iter().zip(judges::ask("apis", &questions)) {
        let ours = Expression::parse(selector).ok().map(|expression| {
            labels.iter().map(|labels| expression.matches(&Endpoint(labels))).collect::<Vec<bool>>()
        });
        let theirs = (answer["error"] == "").then(|| answer["matches"].clone());
        valid += usize::from(ours.is_some());
        if ours.as_ref().map(|ours| json!(ours)) != theirs {
            differ.push(format!("{selector}\n  ours {ours:?}\n  theirs {answer}"));
        }
    }
    println!("{SELECTORS} selectors (seed {SEED}), {valid} valid: {} disagreements", differ.len());
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
