//! Istio's own code as a judge: what it and an engine of Envoy's RBAC say of exported policies, and of random ones
//! in random meshes.
//!
//! The judge is a program of its own, `tests/support/istio`. Istio chooses the policies of each server and makes
//! filters for Envoy of them, as for a sidecar; gRPC's engine evaluates these.

#[path = "cluster/mod.rs"]
mod cluster;
#[path = "judges/ask.rs"]
mod judges;
mod mesh;

use std::collections::BTreeSet;

use cluster::{Cluster, cluster, edge, edges, pod};
use mesh::random::Fields;
use mesh::{Mesh, digits, refused};
use serde_json::Value;
use watershed_model::{Counters, Edge, Hour, Party, Protocol, Snapshot, TimeRange};
use watershed_policy::confidence::{ConfidenceConfig, assess};
use watershed_policy::export::directory::{DEFAULT_DENY, KUSTOMIZATION, REVERT};
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::nft::Hook;
use watershed_policy::rollout::{Dialect, Inputs, Mined, PolicySteps, Unit, plan_policies};

/// Random meshes.
const MESHES: u64 = 3000;

/// Where random choices start; a mesh's number is added.
const SEED: u64 = 0x5eed_1570;

#[test]
fn random_policies_mean_what_istio_says() {
    let meshes: Vec<Mesh> =
        (0..MESHES).map(|number| Mesh::random(SEED + number, Fields::Connections)).collect();
    let questions: Vec<Value> = meshes.iter().map(Mesh::question).collect();
    let (mut connections, mut denied, mut dry, mut different) = (0_u64, 0_u64, 0_u64, Vec::new());
    for (number, (mesh, answer)) in (0..).zip(meshes.iter().zip(judges::ask("istio", &questions))) {
        let told = |what: String| format!("seed {:#x}: {what}", SEED + number);
        let (ours, asked) = (mesh.ours(), mesh.asked());
        let [enforced, meant] = ["enforced", "meant"].map(|key| digits(&answer, key));
        let Some(ours) = ours.as_ref().ok().filter(|_| enforced.len() == asked.len()) else {
            different.push(told(format!("ours {ours:?}\ntheirs {answer}\n{}", mesh.policies.join("---\n"))));
            continue;
        };
        // A pod always reaches itself.
        for (at, &asked) in asked.iter().enumerate().filter(|(_, asked)| asked.client != asked.server) {
            let ours = (ours.enforced[at], ours.meant[at]);
            connections += 1;
            denied += u64::from(!ours.0);
            dry += u64::from(ours.0 != ours.1);
            if ours != (enforced[at], meant[at]) {
                different.push(told(format!("ours {ours:?} in force and meant: {}", mesh.tell(asked))));
            }
        }
    }
    println!(
        "Istio: {MESHES} meshes from seed {SEED:#x}, {connections} connections, {denied} denied, {dry} that dry runs decide, {} disagreements",
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
    assert!(denied > connections / 10 && denied < connections / 10 * 9 && dry > 0, "all verdicts are common");
}

/// The small cluster; the same with service accounts; with a workload of the root namespace.
fn estates() -> [Vec<Edge>; 3] {
    let Cluster { front, monitor, .. } = cluster();
    let account = "projectcalico.org/serviceaccount";
    let of = |name: &str| pod("shop", name, &format!("tier={name} {account}={name}"));
    let [cart, batch, orders] = ["cart", "batch-job", "orders"].map(of);
    let mut accounts = edges();
    accounts.push(edge(&cart, &orders, Protocol::TCP, 8080));
    accounts.push(edge(&batch, &orders, Protocol::TCP, 9090));
    let gateway = pod("istio-system", "ingress", "app=ingress");
    let mut gateways = edges();
    gateways.push(edge(&gateway, &front, Protocol::TCP, 8443));
    gateways.push(edge(&monitor, &gateway, Protocol::TCP, 15_020));
    [edges(), accounts, gateways]
}

#[test]
fn what_is_exported_means_to_istio_what_the_rules_say() {
    let (mut files, mut compared, mut probes, mut replayed) = (0, 0, 0, 0);
    for (edges, level) in estates().iter().flat_map(|edges| Level::ALL.map(|level| (edges, level))) {
        let census = Census::of(edges, &[]).expect("a census");
        let sayable = Sayable::of(&census, mine(&census, level));
        let export = istio::export(&census, &sayable).expect("policies").files;
        let but = |without: &str| -> Vec<&str> {
            let paths = export.iter().filter(|(path, _)| {
                !path.ends_with(KUSTOMIZATION) && path.split('/').next() != Some(without)
            });
            paths.map(|(_, text)| text.as_str()).collect()
        };
        files += export.keys().filter(|path| !path.ends_with(KUSTOMIZATION)).count();
        let seen = Mesh::seen(edges);
        let [enforced, reverted] = [REVERT, DEFAULT_DENY].map(|without| seen.with(but(without)));
        let answers = judges::ask("istio", &[enforced.question(), reverted.question()]);
        let (theirs, open) = (digits(&answers[0], "enforced"), digits(&answers[1], "enforced"));
        let ours = enforced.ours().expect("valid").enforced;
        assert_eq!(ours.len(), theirs.len(), "{level}: {}", answers[0]);
        assert!(open.len() == ours.len() && open.iter().all(|&allowed| allowed), "{level}: {}", answers[1]);
        for ((asked, ours), theirs) in enforced.asked().into_iter().zip(ours).zip(theirs) {
            if asked.client == asked.server {
                continue;
            }
            let told = || format!("{level}: ours {ours}, theirs {theirs}: {}", enforced.tell(asked));
            assert_eq!(ours, theirs, "{}", told());
            let declared =
                enforced.is_free(edges, asked) || enforced.is_declared(&sayable.plan.rules, edges, asked);
            assert_eq!(theirs, declared, "declared {declared}: {}", told());
            let is_seen = enforced.is_seen(edges, asked);
            assert!(theirs || !is_seen, "seen and denied: {}", told());
            compared += 1;
            probes += usize::from(!theirs);
            replayed += usize::from(is_seen);
        }
    }
    println!(
        "Istio: {files} exported files, {compared} connections, {replayed} seen and allowed, {probes} denied"
    );
    assert!(replayed > 0 && probes > replayed);
}

/// Steps of a roll-out for Istio.
fn steps(edges: &[Edge], level: Level) -> PolicySteps {
    let census = Census::of(edges, &[]).expect("a census");
    let plan = mine(&census, level);
    let period = TimeRange { start: Hour(0).start(), end: Hour(400).start() };
    let counters = Counters::default();
    let snapshot =
        Snapshot { period, edges: edges.to_vec(), names: vec![], listeners: vec![], loss: vec![], counters };
    let parties = edges.iter().flat_map(|edge| [&edge.key.client, &edge.key.server]);
    let internal: BTreeSet<&Party> = parties.filter(|party| matches!(party, Party::Workload(_))).collect();
    let inputs = Inputs {
        accepted: &edges.iter().collect::<Vec<_>>(),
        undecided: &[],
        by_hand: &[],
        internal: &internal,
        confidence: &assess(&snapshot, edges, &ConfidenceConfig::default()),
        coverage: 0.99,
        hook: Hook::Forward,
    };
    let mined = Mined { census: &census, plan: &plan, dialect: Dialect::Istio };
    plan_policies(&inputs, Unit::Workload, &mined).unwrap_or_else(|error| panic!("{level}: {error}"))
}

#[test]
fn a_dry_run_refuses_nothing_and_shows_what_enforcing_refuses() {
    let (mut files, mut shown) = (0, 0);
    for (edges, level) in estates().iter().flat_map(|edges| Level::ALL.map(|level| (edges, level))) {
        let PolicySteps { steps, default_deny, .. } = steps(edges, level);
        let seen = Mesh::seen(edges);
        let watched = seen.with(steps.iter().map(|step| step.files.watch.as_str()));
        let applied = seen.with(steps.iter().map(|step| step.files.apply.as_str()));
        let taken_back = seen.with(steps.iter().map(|step| step.files.revert.as_str()));
        let denied = seen.with([default_deny.apply.as_str()]);
        let meshes = [&watched, &applied, &taken_back, &denied];
        let questions: Vec<Value> = meshes.iter().map(|mesh| mesh.question()).collect();
        let answers = judges::ask("istio", &questions);
        let [watch, apply, revert, deny] = [0, 1, 2, 3].map(|at| digits(&answers[at], "enforced"));
        let everything = vec![true; seen.asked().len()];
        assert_eq!((&watch, &revert), (&everything, &everything), "{level}: {answers:?}");
        assert_eq!(digits(&answers[0], "shadow"), apply, "{level}: Envoy counts what enforcing refuses");
        assert_eq!(digits(&answers[0], "meant"), apply, "{level}");
        for (at, asked) in seen.asked().into_iter().enumerate().filter(|(_, one)| one.client != one.server) {
            let told = || format!("{level}: apply {}, deny {}: {}", apply[at], deny[at], applied.tell(asked));
            assert!(apply[at] && deny[at] || !seen.is_seen(edges, asked), "seen and denied: {}", told());
            assert!(apply[at] || !deny[at], "default deny admits: {}", told());
        }
        for (mesh, theirs) in [(&applied, &apply), (&denied, &deny)] {
            let ours = mesh.ours().expect("valid").enforced;
            let pairs = mesh.asked().into_iter().zip(ours.iter().zip(theirs));
            for (asked, (ours, theirs)) in pairs.filter(|(asked, _)| asked.client != asked.server) {
                assert_eq!(ours, theirs, "{level}: {}", mesh.tell(asked));
            }
        }
        files += 3 * steps.len() + 1;
        shown += apply.iter().filter(|&&allowed| !allowed).count();
    }
    println!("Istio: {files} files of roll-outs; dry runs show {shown} connections that enforcing refuses");
    assert!(shown > 0);
}

/// A policy with this text after `spec:`, and an annotation before `|`.
fn policy(text: &str) -> String {
    let (dry_run, spec) = text.split_once('|').unwrap_or(("", text));
    let annotations = match dry_run {
        "" => String::new(),
        value => format!(", annotations: {{istio.io/dry-run: \"{value}\"}}"),
    };
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: one{annotations}}}\nspec: {spec}\n"
    )
}

#[test]
fn what_istio_refuses_is_refused() {
    let lists: [(&[&str], [bool; 2]); 3] = [
        (&refused::BY_BOTH, [true, true]),
        (&refused::BY_US, [true, false]),
        (&refused::BY_ISTIO, [false, true]),
    ];
    let all: Vec<(String, [bool; 2])> =
        lists.iter().flat_map(|(texts, by)| texts.iter().map(|text| (policy(text), *by))).collect();
    let mesh = |text: &String| Mesh { ends: vec![], ports: vec![], policies: vec![text.clone()] };
    let questions: Vec<Value> = all.iter().map(|(text, _)| mesh(text).question()).collect();
    let mut different = Vec::new();
    for ((text, by), answer) in all.iter().zip(judges::ask("istio", &questions)) {
        let ours = mesh(text).ours().err();
        if [ours.is_some(), answer["error"].is_string()] != *by {
            different.push(format!("{text}ours {ours:?}\ntheirs {answer}"));
        }
    }
    println!("Istio: {} policies with a mistake, {} refused by both", all.len(), refused::BY_BOTH.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn what_is_about_requests_is_taken_for_the_best() {
    let meshes: Vec<Mesh> = (0..MESHES).map(|number| Mesh::random(SEED - number, Fields::Requests)).collect();
    let questions: Vec<Value> = meshes.iter().map(Mesh::question).collect();
    let (mut allowed, mut better) = (0_u64, 0_u64);
    for (mesh, answer) in meshes.iter().zip(judges::ask("istio", &questions)) {
        let ours = mesh.ours().unwrap_or_else(|error| panic!("{error}\n{}", mesh.policies.join("---\n")));
        let theirs = digits(&answer, "enforced");
        assert_eq!(ours.enforced.len(), theirs.len(), "{answer}\n{}", mesh.policies.join("---\n"));
        for ((asked, ours), theirs) in mesh.asked().into_iter().zip(ours.enforced).zip(theirs) {
            assert!(ours || !theirs, "Istio allows it and we do not: {}", mesh.tell(asked));
            allowed += u64::from(theirs);
            better += u64::from(ours && !theirs);
        }
    }
    println!(
        "Istio: {MESHES} meshes with rules about requests before seed {SEED:#x}, {allowed} connections allowed and {better} more by us"
    );
    assert!(allowed > 0 && better > 0);
}
