//! Which labels workloads get, and what they are told about it.

use proptest::prelude::*;
use watershed_model::Labels;

use super::*;

fn workload(namespace: Option<&str>, name: &str, labels: &[(&str, &str)]) -> Workload {
    let labels: Labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    Workload { name: name.to_owned(), namespace: namespace.map(str::to_owned), labels, ..Workload::default() }
}

/// What the rules make of a workload: `role app env loc`.
fn segments(rules: &LabelRules, workload: &Workload) -> String {
    let labelled = rules.label(workload).unwrap_or_else(|| workload.clone());
    SEGMENTS.map(|label| labelled.labels.get(label).map_or("-", String::as_str)).join(" ")
}

#[test]
fn usual_labels_tell_what_is_what() {
    let rules = LabelRules::default();
    let pod = workload(
        Some("shop"),
        "cart",
        &[
            ("app.kubernetes.io/name", "redis"),
            ("app.kubernetes.io/component", "cache"),
            ("app.kubernetes.io/part-of", "shop"),
            ("environment", "prod"),
            ("topology.kubernetes.io/zone", "fra-1"),
            ("pod-template-hash", "5d59d67564"),
        ],
    );
    assert_eq!(segments(&rules, &pod), "cache shop prod fra-1");
    let compose = workload(
        None,
        "shop-db-1",
        &[("com.docker.compose.project", "shop"), ("com.docker.compose.service", "db")],
    );
    assert_eq!(segments(&rules, &compose), "db shop - -");
    let given = workload(None, "x", &[("app", "own"), ("app.kubernetes.io/part-of", "shop"), ("tier", "")]);
    assert_eq!(segments(&rules, &given), "- own - -", "what the source says stays, and nothing is no role");
}

#[test]
fn names_tell_what_labels_do_not() {
    let rules = LabelRules::default();
    let named = |name| segments(&rules, &workload(None, name, &[]));
    assert_eq!(named("web-01.prod.fra"), "web - prod fra");
    assert_eq!(named("shop-web-01.test.ber"), "web shop test ber");
    for other in
        ["web-01.example.com", "web.prod.fra", "web-01.prod.fra.example.com", "-01.prod.fra", "web-01"]
    {
        assert_eq!(named(other), "- - - -", "{other}");
    }
    let own = |pattern: &str, workload: &Workload| {
        segments(&LabelRules { names: vec![pattern.parse().unwrap()], ..LabelRules::default() }, workload)
    };
    let pod = workload(Some("shop-prod"), "web", &[]);
    assert_eq!(own("{app}-{env:prod|test}/{role}", &pod), "web shop prod -");
    assert_eq!(own("{app}-{env:prod|test}/{*}", &pod), "- shop prod -");
    assert_eq!(own("{app}-{env}/{role}x", &pod), "- - - -");
    assert_eq!(own("{*}é{role}", &workload(None, "caféweb", &[])), "web - - -");
}

#[test]
fn what_is_no_pattern_is_told() {
    for (text, told) in [
        ("web", "`web` is no pattern of names: it tells no label; name one, such as {role}"),
        ("{role", "`{role` is no pattern of names: a `{` is never closed; add a `}`"),
        (
            "{role}-{rack}",
            "`{role}-{rack}` is no pattern of names: {rack} stands for nothing; write {role}, {app}, {env}, {loc}, {#} or {*}",
        ),
        (
            "{role}{#}",
            "`{role}{#}` is no pattern of names: two parts in braces follow each other; put what separates them in between",
        ),
        ("{*}-{role}.{*}", "`{*}-{role}.{*}` is no pattern of names: {*} is there twice; take one out"),
        ("{role}-{role}", "`{role}-{role}` is no pattern of names: {role} is there twice; take one out"),
    ] {
        assert_eq!(text.parse::<NamePattern>().unwrap_err().to_string(), told);
    }
}

#[test]
fn every_label_is_explained() {
    let rules = LabelRules::default();
    let given =
        workload(None, "web-01.prod.fra", &[("loc", "site-a"), ("app.kubernetes.io/part-of", "shop")]);
    let labelled = rules.label(&given).unwrap();
    let told = rules
        .explain(&labelled)
        .map(|why| format!("{}={} {}", why.label, why.value.unwrap_or("-"), why.reason));
    assert_eq!(
        told,
        [
            "role=web from its name by {role}-{#}.{env:prod|production|stage|staging|test|dev|qa|uat|lab}.{loc}",
            "app=shop from its label app.kubernetes.io/part-of",
            "env=prod from its name by {role}-{#}.{env:prod|production|stage|staging|test|dev|qa|uat|lab}.{loc}",
            "loc=site-a given by the source",
        ]
    );
    let nothing = workload(None, "x", &[]);
    assert!(rules.explain(&nothing).iter().all(|why| why.reason == Reason::Nothing));
}

#[test]
fn the_same_workload_is_labelled_once() {
    let mut labelling = Labelling::default();
    let web = Arc::new(workload(None, "web-01.prod.fra", &[]));
    let first = labelling.label(&web);
    assert!(Arc::ptr_eq(&first, &labelling.label(&Arc::new((*web).clone()))));
    assert_eq!(labelling.label(&first), first, "labelling changes nothing that has its labels");
}

proptest! {
    #![proptest_config(crate::testing::seeded(300))]

    #[test]
    fn no_pattern_and_no_name_makes_it_panic(
        pattern in "[a-z{}#*:|./é-]{0,24}",
        parts in prop::collection::vec("\\{role\\}|\\{env:a\\|b\\}|\\{#\\}|\\{\\*\\}|[a-b.-]", 0..6),
        name in "[a-b0-9./é-]{0,12}",
    ) {
        for text in [pattern, parts.concat()] {
            if let Ok(pattern) = text.parse::<NamePattern>() {
                let workload = workload(Some(&name), &name, &[]);
                for label in SEGMENTS {
                    let value = pattern.value(&workload, label);
                    prop_assert!(value.is_none_or(|value| !value.is_empty()));
                }
            }
        }
    }
}
