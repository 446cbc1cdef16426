//! Roll-outs of a small cluster: what was observed passes after every step, a step binds its own alone, it is
//! taken back without a trace, and a mistake in any file is noticed.

use std::collections::BTreeSet;

use watershed_model::{Counters, Edge, Hour, Party, Protocol, Snapshot, TimeRange};

use super::written::Written;
use super::*;
use crate::confidence::{ConfidenceConfig, assess};
use crate::k8s::Manifests;
use crate::mine::{Level, mine};
use crate::nft::Hook;
use crate::small_cluster::{Cluster, cluster, edge, edges, outside, pod};
use crate::whatif::{Policies, what_if};

const DIALECTS: [Dialect; 5] =
    [Dialect::Kubernetes, Dialect::Cluster, Dialect::Cilium, Dialect::Calico, Dialect::Istio];

/// The small cluster; every edge seen in each of many hours.
fn seen() -> Vec<Edge> {
    let mut edges = edges();
    edges.iter_mut().for_each(|edge| edge.hours = (0..400).map(Hour).collect());
    edges
}

/// Does something with what steps are made of.
fn with<T>(edges: &[Edge], use_it: impl FnOnce(&Inputs<'_>) -> T) -> T {
    let period = TimeRange { start: Hour(0).start(), end: Hour(400).start() };
    let counters = Counters::default();
    let snapshot =
        Snapshot { period, edges: edges.to_vec(), names: vec![], listeners: vec![], loss: vec![], counters };
    let confidence = assess(&snapshot, edges, &ConfidenceConfig::default());
    let parties = edges.iter().flat_map(|edge| [&edge.key.client, &edge.key.server]);
    let internal: BTreeSet<&Party> = parties.filter(|party| matches!(party, Party::Workload(_))).collect();
    use_it(&Inputs {
        accepted: &edges.iter().collect::<Vec<_>>(),
        undecided: &[],
        by_hand: &[],
        internal: &internal,
        confidence: &confidence,
        coverage: 0.99,
        hook: Hook::Forward,
    })
}

fn planned(edges: &[Edge], unit: Unit, dialect: Dialect, level: Level) -> PolicySteps {
    let census = Census::of(edges, &[]).unwrap();
    let plan = mine(&census, level);
    let mined = Mined { census: &census, plan: &plan, dialect };
    with(edges, |inputs| plan_policies(inputs, unit, &mined)).unwrap_or_else(|error| panic!("{error}"))
}

/// Which of `edges` these files deny.
fn denied(files: &[&str], edges: &[Edge]) -> Vec<String> {
    let files = files.iter().enumerate().map(|(at, text)| (format!("{at}.yaml"), *text));
    let files: Vec<(String, &str)> = files.collect();
    let read = files.iter().map(|(name, text)| (name.as_str(), *text));
    let manifests = Manifests::read(read, "default").unwrap_or_else(|problems| panic!("{problems}"));
    let edges: Vec<&Edge> = edges.iter().collect();
    let outcome = what_if(Policies::Kubernetes(&manifests), &edges, &[]);
    outcome.denied.iter().map(|one| one.edge.to_string()).collect()
}

#[test]
fn nothing_observed_is_denied_after_any_step_and_each_step_denies_the_rest_of_its_own() {
    let seen = seen();
    let stranger = pod("shop", "stranger", "app=stranger");
    // To Istio, which knows no labels of clients, whoever is of the namespace may be meant.
    let intruder = pod("lone", "intruder", "app=intruder");
    for (dialect, level) in DIALECTS.into_iter().flat_map(|one| Level::ALL.map(|level| (one, level))) {
        let plan = planned(&seen, Unit::Workload, dialect, level);
        let units: BTreeSet<&str> = plan.steps.iter().map(|step| step.unit.as_str()).collect();
        let expected = [
            "kube-system/coredns",
            "ops/prometheus",
            "pay/pay-api",
            "pay/pay-db",
            "shop/api",
            "shop/db",
            "shop/front",
        ];
        assert_eq!(units, BTreeSet::from(expected), "{dialect:?} {level}");
        assert_eq!(plan.elsewhere.len(), 2, "hosts are no pods: {:?}", plan.elsewhere);
        let mut before: Vec<&str> = Vec::new();
        for step in &plan.steps {
            // From somebody whom no rule means, to everybody of the step.
            let tried = |party: &Party| edge(&intruder, party, Protocol::TCP, 9999);
            let own: Vec<Edge> = step.parties.iter().map(tried).collect();
            assert_eq!(denied(&before, &own), [""; 0], "{}: denied before its step", step.name);
            let with_revert = [&before[..], &[step.files.revert.as_str()]].concat();
            assert_eq!(denied(&with_revert, &own), [""; 0], "{}: denied when taken back", step.name);
            before.push(&step.files.apply);
            assert_eq!(denied(&before, &own).len(), own.len(), "{}: not denied after its step", step.name);
            assert_eq!(denied(&before, &seen), [""; 0], "{dialect:?} {level} {}", step.name);
        }
        // Nobody has seen the stranger, so it has no step: it is free until default deny.
        let leaves = edge(&stranger, &outside("192.0.2.1"), Protocol::TCP, 443);
        let leaves = [leaves, edge(&pod("shop", "nobody", "app=nobody"), &stranger, Protocol::TCP, 80)];
        assert_eq!(denied(&before, &leaves), [""; 0]);
        let default_deny = [plan.default_deny.apply.as_str()];
        // AuthorizationPolicy denies no egress.
        let expected = if dialect == Dialect::Istio { 1 } else { 2 };
        assert_eq!(denied(&default_deny, &leaves).len(), expected, "{dialect:?} {level}");
        assert_eq!(denied(&default_deny, &seen), [""; 0], "{dialect:?} {level}");
        // It asks for names like everybody: a rule for the whole namespace is for newcomers, too.
        let asks = [edge(&stranger, &cluster().dns, Protocol::UDP, 53)];
        assert_eq!(denied(&default_deny, &asks), [""; 0], "{dialect:?} {level}");
        let back = [&before[..], &[plan.default_deny.revert.as_str()]].concat();
        assert_eq!(denied(&back, &leaves), [""; 0], "{dialect:?} {level}");
    }
}

#[test]
fn a_namespace_is_one_step() {
    let plan = planned(&seen(), Unit::Namespace, Dialect::Calico, Level::Service);
    let units: BTreeSet<&str> = plan.steps.iter().map(|step| step.unit.as_str()).collect();
    assert_eq!(units, BTreeSet::from(["kube-system", "ops", "pay", "shop"]));
    let shop = plan.steps.iter().find(|step| step.unit == "shop").unwrap();
    assert_eq!(shop.parties.len(), 3);
    assert_eq!(shop.files.apply.matches("kind: NetworkPolicy").count(), 3);
}

#[test]
fn who_cannot_be_told_apart_is_one_step() {
    // The labels of `a` are a part of those of `bb`; nothing tells `ccc` and `dddd` apart.
    let (a, b) = (pod("shop", "a", "app=x"), pod("shop", "bb", "app=x tier=y"));
    let (c, d) = (pod("shop", "ccc", "app=z"), pod("shop", "dddd", "app=z"));
    let tcp = |client: &Party, server: &Party, port| edge(client, server, Protocol::TCP, port);
    let seen = [tcp(&a, &c, 80), tcp(&b, &d, 81), tcp(&c, &a, 82), tcp(&d, &b, 83)];
    for dialect in DIALECTS {
        let plan = planned(&seen, Unit::Workload, dialect, Level::Nano);
        let mut units: Vec<&str> = plan.steps.iter().map(|step| step.unit.as_str()).collect();
        units.sort_unstable();
        assert_eq!(units, ["shop/a and 1 more", "shop/ccc and 1 more"], "{dialect:?}");
    }
}

#[test]
fn nothing_observed_is_denied_between_two_objects_of_a_file() {
    // What is for `a` binds `bb` and `ccc` as well, and what is for `bb` binds `ccc`; two have no step.
    let (a, b) = (pod("shop", "a", "app=x"), pod("shop", "bb", "app=x tier=y"));
    let (c, d) = (pod("shop", "ccc", "app=x tier=y zone=z"), pod("shop", "dddd", "app=w zone=z"));
    let tcp = |client: &Party, server: &Party, port| edge(client, server, Protocol::TCP, port);
    let seen = [tcp(&b, &a, 80), tcp(&c, &b, 81), tcp(&d, &c, 82), tcp(&a, &d, 83)];
    for (dialect, own) in DIALECTS.into_iter().flat_map(|one| [(one, true), (one, false)]) {
        let census = Census::of(&seen, &[]).unwrap();
        let plan = mine(&census, Level::Nano);
        let mined = Mined { census: &census, plan: &plan, dialect };
        let stepless = BTreeSet::from([&d]);
        let plan = with(&seen, |inputs| {
            let internal = if own { inputs.internal } else { &stepless };
            plan_policies(&Inputs { internal, ..*inputs }, Unit::Workload, &mined).unwrap()
        });
        let applied = plan.steps.iter().map(|step| &step.files.apply).chain([&plan.default_deny.apply]);
        let back =
            [&plan.default_deny.revert].into_iter().chain(plan.steps.iter().map(|step| &step.files.revert));
        let mut state = Manifests::default();
        for object in applied.chain(back).flat_map(|text| text.split("\n---\n")) {
            state.apply(&Manifests::read([("object.yaml", object)], "default").unwrap());
            let outcome = what_if(Policies::Kubernetes(&state), &seen.each_ref(), &[]);
            assert!(outcome.denied.is_empty(), "{dialect:?}: denied once this is loaded:\n{object}");
        }
    }
}

#[test]
fn what_a_dialect_cannot_say_keeps_a_step_from_being_ready() {
    // The monitor pings pay: what NetworkPolicies do to pings is the plugin's choice.
    let told = |dialect| {
        let plan = planned(&seen(), Unit::Workload, dialect, Level::Service);
        let step = plan.steps.into_iter().find(|step| step.unit == "pay/pay-api").unwrap();
        (step.ready, step.unsaid)
    };
    assert_eq!(told(Dialect::Kubernetes), (false, 1));
    assert_eq!(told(Dialect::Cluster), (false, 1));
    // It is known that pings pass, whatever these policies say.
    assert_eq!(told(Dialect::Istio), (true, 0));
    assert_eq!(told(Dialect::Calico), (true, 0));
    assert_eq!(told(Dialect::Cilium), (true, 0));
}

#[test]
fn what_watches_is_staged_or_says_what_to_set() {
    let watch = |dialect| {
        let plan = planned(&seen(), Unit::Workload, dialect, Level::Service);
        plan.steps.into_iter().find(|step| step.unit == "shop/db").unwrap().files.watch
    };
    assert_eq!(watch(Dialect::Kubernetes), "");
    assert_eq!(watch(Dialect::Cluster), "");
    let dry = watch(Dialect::Istio);
    assert!(
        dry.contains("    istio.io/dry-run: \"true\"\nspec:") && dry.contains("NOT in ambient mode"),
        "{dry}"
    );
    let staged = watch(Dialect::Calico);
    assert!(staged.contains("kind: StagedNetworkPolicy") && !staged.contains("kind: NetworkPolicy"));
    let audit = watch(Dialect::Cilium);
    for part in [
        "kubectl -n shop get pods -l 'tier=db'",
        "PolicyAuditMode=Enabled",
        "kubectl apply -f apply.yaml",
        "--verdict AUDIT --namespace shop",
        "PolicyAuditMode=Disabled",
    ] {
        assert!(audit.contains(part), "{part} is missing in\n{audit}");
    }
}

/// Changes texts of the files of steps.
type Change = (&'static str, fn(&mut Files));

fn replace(text: &mut String, from: &str, to: &str) {
    *text = text.replace(from, to);
}

const OF_KUBERNETES: [Change; 8] = [
    ("a port that nobody uses", |files| replace(&mut files.apply, "5432", "5431")),
    ("a port too many", |files| replace(&mut files.apply, "port: 5432", "port: 5432\n      endPort: 5433")),
    ("everybody of the namespace is bound", |files| {
        let bound = "  podSelector:\n    matchLabels:\n      \"tier\": \"db\"\n  policyTypes";
        replace(&mut files.apply, bound, "  podSelector: {}\n  policyTypes");
    }),
    ("nobody is bound", |files| {
        replace(&mut files.apply, "\"tier\": \"db\"\n  policyTypes", "\"tier\": \"no\"\n  policyTypes");
    }),
    ("egress stays free", |files| replace(&mut files.apply, "  - Egress\n", "")),
    ("taken back by allowing everything to everybody", |files| {
        replace(
            &mut files.revert,
            "  podSelector:\n    matchLabels:\n      \"watershed-rollout\": \"taken-back\"\n",
            "  podSelector: {}\n",
        );
    }),
    ("taken back by another name", |files| replace(&mut files.revert, "name: \"rollout-", "name: \"other-")),
    ("not taken back", |files| files.revert.clone_from(&files.apply)),
];

/// Whom the object of `shop/db` that denies the rest is for.
const DB_REST: &str =
    "      podSelector:\n        matchLabels:\n          \"tier\": \"db\"\n  ingress:\n  - action: Deny";

const OF_CLUSTER: [Change; 7] = [
    ("a port that nobody uses", |files| replace(&mut files.apply, "5432", "5431")),
    ("the rest is denied before rules accept", |files| {
        replace(&mut files.apply, "priority: 1000", "priority: 1");
    }),
    ("the rest is denied above everything", |files| {
        replace(&mut files.apply, "tier: Baseline\n  priority: 1000", "tier: Admin\n  priority: 1000");
    }),
    ("everybody of the namespace is bound", |files| {
        replace(&mut files.apply, DB_REST, "      podSelector: {}\n  ingress:\n  - action: Deny");
    }),
    ("nobody is bound", |files| replace(&mut files.apply, DB_REST, &DB_REST.replace("db", "no"))),
    ("what denies is not taken back", |files| replace(&mut files.revert, ".rest\"", ".other\"")),
    ("not taken back", |files| files.revert.clone_from(&files.apply)),
];

/// Whom the policy of `shop/db` is for.
const DB: &str = "  selector:\n    matchLabels:\n      \"tier\": \"db\"\n  action";

const OF_ISTIO: [Change; 7] = [
    ("a port that nobody uses", |files| replace(&mut files.apply, "5432", "5431")),
    ("everybody of the namespace is bound", |files| replace(&mut files.apply, DB, "  action")),
    ("nobody is bound", |files| replace(&mut files.apply, DB, &DB.replace("db", "no"))),
    ("what was seen is refused", |files| {
        replace(&mut files.apply, "action: ALLOW\n  rules:", "action: DENY\n  rules:");
    }),
    ("clients of every namespace", |files| {
        replace(&mut files.apply, "namespaces:\n        - \"shop\"", "namespaces:\n        - \"*\"");
    }),
    ("taken back by another name", |files| replace(&mut files.revert, "name: \"rollout-", "name: \"other-")),
    ("not taken back", |files| files.revert.clone_from(&files.apply)),
];

#[test]
fn a_step_that_is_broken_in_any_known_way_is_refuted() {
    let seen = seen();
    let census = Census::of(&seen, &[]).unwrap();
    let plan = mine(&census, Level::Service);
    let said = Sayable::of(&census, plan.with(plan.rules.clone())).plan;
    for (dialect, plan, changes) in [
        (Dialect::Kubernetes, &plan, &OF_KUBERNETES[..]),
        (Dialect::Cluster, &plan, &OF_CLUSTER),
        (Dialect::Istio, &said, &OF_ISTIO),
    ] {
        let mined = Mined { census: &census, plan, dialect };
        for (what, change) in changes {
            let mut written = written(&seen, &mined);
            let before = written.files.clone();
            written.files.iter_mut().for_each(change);
            assert_ne!(written.files, before, "{dialect:?}, {what}: changes nothing");
            let told = written.prove(&mined).err();
            assert!(matches!(told, Some(Error::RefutedStep { .. })), "{dialect:?}, {what}: {told:?}");
        }
        let mut written = written(&seen, &mined);
        replace(&mut written.default_deny.apply, "watershed-rollout-default", "another");
        assert!(written.prove(&mined).is_err(), "{dialect:?}: default deny that is not taken back");
    }
}

#[test]
fn what_accepts_is_loaded_before_what_denies_and_taken_back_after_it() {
    // More clients than one policy can name.
    let server = pod("shop", "api", "tier=api");
    let client = |number: u16| pod(&format!("team-{number}"), "client", "tier=client");
    let seen: Vec<Edge> =
        (1..=30).map(|number| edge(&client(number), &server, Protocol::TCP, 8000 + number)).collect();
    let plan = planned(&seen, Unit::Workload, Dialect::Cluster, Level::Nano);
    let step = plan.steps.iter().find(|step| step.unit == "shop/api").unwrap();
    let order = |text: &str| -> Vec<String> {
        let names = text.lines().filter_map(|line| line.strip_prefix("  name: "));
        names.map(|name| name.trim_matches('"').rsplit('.').next().unwrap_or_default().to_owned()).collect()
    };
    let (apply, revert) = (order(&step.files.apply), order(&step.files.revert));
    assert_eq!((apply.len(), apply[1].as_str(), apply[2].as_str()), (3, "2", "rest"), "{apply:?}");
    assert_eq!((revert.len(), revert[0].as_str(), revert[2].as_str()), (3, "rest", "2"), "{revert:?}");
}

#[test]
fn istio_has_no_step_for_the_namespace_whose_policies_are_for_the_whole_mesh() {
    let gateway = pod("istio-system", "ingress", "app=ingress");
    let Cluster { front, monitor, .. } = cluster();
    let mut seen = seen();
    seen.push(edge(&gateway, &front, Protocol::TCP, 8443));
    seen.push(edge(&monitor, &gateway, Protocol::TCP, 15_020));
    let plan = planned(&seen, Unit::Workload, Dialect::Istio, Level::Service);
    assert!(plan.elsewhere.contains(&gateway), "{:?}", plan.elsewhere);
    let listed = |text: &str| plan.not_expressed.iter().any(|one| one.reason.contains(text));
    assert!(listed("for the whole mesh") && listed("denies no egress"), "{:?}", plan.not_expressed);
    let files = plan.steps.iter().map(|step| &step.files).chain([&plan.default_deny]);
    for text in files.flat_map(|files| [&files.watch, &files.apply, &files.revert]) {
        assert!(!text.contains("namespace: \"istio-system\""), "{text}");
    }
    assert!(plan.default_deny.apply.contains("\"istio-system\""), "it is a client like others");
}

#[test]
fn what_istio_does_not_govern_closes_nothing_and_puts_nobody_at_risk() {
    let told = |dialect| {
        let plan = planned(&seen(), Unit::Workload, dialect, Level::Service);
        let step = plan.steps.into_iter().find(|step| step.unit == "kube-system/coredns").unwrap();
        (step.closed, step.fan_in)
    };
    // Names are asked for over UDP.
    assert_eq!(told(Dialect::Istio), (0, 0));
    assert_eq!(told(Dialect::Kubernetes).1, 5);
}

#[test]
fn what_is_to_be_staged_and_is_enforced_is_refuted() {
    let seen = seen();
    let census = Census::of(&seen, &[]).unwrap();
    let plan = mine(&census, Level::Service);
    let said = Sayable::of(&census, plan.with(plan.rules.clone())).plan;
    for (dialect, plan, from, to) in [
        (Dialect::Calico, &plan, "kind: Staged", "kind: "),
        (Dialect::Calico, &plan, "  - 5432", "  - 5431"),
        (Dialect::Istio, &said, "dry-run: \"true\"", "dry-run: \"false\""),
        (Dialect::Istio, &said, "5432", "5431"),
    ] {
        let mined = Mined { census: &census, plan, dialect };
        let mut written = written(&seen, &mined);
        let before = written.files.clone();
        written.files.iter_mut().for_each(|files| replace(&mut files.watch, from, to));
        assert_ne!(written.files, before, "{dialect:?}: {from} is not there");
        assert!(written.prove(&mined).is_err(), "{dialect:?}: {from} -> {to}");
    }
}

fn written(seen: &[Edge], mined: &Mined<'_>) -> Written {
    with(seen, |inputs| {
        let each = mined.plan.each(mined.census);
        let (groups, _) = groups(inputs, Unit::Workload, mined, &each);
        let mut steps = Vec::new();
        for group in groups {
            let draft = Draft::of(&group.parties, inputs, &Traffic::of(inputs));
            steps.push((
                super::super::step(
                    group.name.clone(),
                    &group.parties,
                    &draft,
                    &BTreeMap::new(),
                    inputs,
                    true,
                ),
                group,
            ));
        }
        in_order(&mut steps);
        Written::of(mined, each, &steps).unwrap()
    })
}

#[test]
fn an_order_that_depends_on_nothing_but_what_was_seen() {
    let Cluster { api, db, .. } = cluster();
    let mut turned = seen();
    turned.reverse();
    let names = |edges: &[Edge]| {
        let plan = planned(edges, Unit::Workload, Dialect::Cilium, Level::Service);
        plan.steps.into_iter().map(|step| (step.name, step.files)).collect::<Vec<_>>()
    };
    assert_eq!(names(&seen()), names(&turned));
    assert!(names(&seen()).iter().any(|(name, _)| name.ends_with("-shop-db")), "{api} -> {db}");
}
