//! Cyclonus' model of NetworkPolicy, from which the network-policy-api's policy-assistant was made, as a judge of
//! random policies in random clusters; and Kubernetes' own selectors of labels, as a judge of ours.
//!
//! In two things Cyclonus' model of a selector is not Kubernetes': there `NotIn` matches nothing that lacks the label,
//! and an empty value in `matchLabels` matches what lacks the label. Random policies keep to labels that all have
//! there, and Kubernetes' own code is asked about the rest.

mod judges;
#[path = "random_clusters/mod.rs"]
mod random_clusters;

use random_clusters::hold_against;
use random_clusters::random::{Random, policy};
use serde_json::{Value, json};
use watershed_model::Labels;
use watershed_policy::k8s::Manifests;

/// Random clusters.
const CLUSTERS: u64 = 3000;

/// Random selectors.
const SELECTORS: u64 = 3000;

/// Where random choices start; a cluster's number is added.
const SEED: u64 = 0x5eed_0e70;

#[test]
fn random_policies_mean_what_cyclonus_says() {
    let tally = hold_against("networkpolicy", SEED..SEED + CLUSTERS);
    println!("Cyclonus: {CLUSTERS} clusters from seed {SEED:#x}, {tally}");
    tally.must_agree();
}

#[test]
fn random_selectors_mean_what_kubernetes_says() {
    let labels: Vec<Labels> = ["", "a=x", "a=", "a=y b=x", "b=", "a=x b=y zone=north", "zone="]
        .iter()
        .map(|text| text.split_whitespace().filter_map(|pair| pair.split_once('=')))
        .map(|pairs| pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
        .collect();
    let selectors: Vec<String> =
        (0..SELECTORS).map(|number| Random(fastrand::Rng::with_seed(SEED + number)).any_selector()).collect();
    let questions: Vec<Value> =
        selectors.iter().map(|selector| json!({"selector": selector, "labels": labels})).collect();
    let (mut valid, mut contradictory, mut different) = (0, 0, Vec::new());
    for (selector, answer) in selectors.iter().zip(judges::ask("networkpolicy", &questions)) {
        let text = policy("p", "one", &format!("podSelector: {selector}"));
        let ours = Manifests::read([("p.yaml", text.as_str())], "default").ok().map(|manifests| {
            let subject = &manifests.policies[0].subject;
            labels.iter().map(|labels| subject.matches(labels)).collect::<Vec<_>>()
        });
        let theirs = answer.get("error").is_none().then(|| answer["matches"].clone());
        valid += usize::from(ours.is_some());
        // Ours refuses what can match nothing, as a mistake; there it is a selector, and matches nothing.
        let matches_nothing =
            theirs.as_ref().is_some_and(|theirs| *theirs == json!(vec![false; labels.len()]));
        if ours.is_none() && matches_nothing {
            contradictory += 1;
            continue;
        }
        if ours.as_ref().map(|ours| json!(ours)) != theirs {
            different.push(format!("{selector}\n  ours {ours:?}\n  theirs {answer}"));
        }
    }
    println!(
        "Kubernetes: {SELECTORS} selectors from seed {SEED:#x}, {valid} valid and {contradictory} refused that match nothing, {} disagreements",
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
}

impl Random {
    /// A selector of anything, now and then of a kind that is refused.
    fn any_selector(&mut self) -> String {
        let requirement = |random: &mut Self| {
            let key = random.one(&["a", "b", "zone"]);
            let operator = random.one(&["In", "NotIn", "Exists", "DoesNotExist"]);
            let with_values = operator.ends_with("In") != (random.0.u8(..20) == 0);
            let values = if with_values { random.one(&[", values: [x]", ", values: [x, \"\"]"]) } else { "" };
            format!("{{key: {key}, operator: {operator}{values}}}")
        };
        let expressions: Vec<String> = (0..self.0.usize(..3)).map(|_| requirement(self)).collect();
        let labels = self.one(&["", "a: x", "a: \"\"", "b: x, zone: north", "zone: \"\""]);
        format!("{{matchLabels: {{{labels}}}, matchExpressions: [{}]}}", expressions.join(", "))
    }
}
