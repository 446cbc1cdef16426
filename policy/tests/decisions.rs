//! Decisions of people: they outlive every mining, and the proof holds with them.

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{Cluster, cluster, edge, edges, outside, pod};
use watershed_model::{Edge, Protocol};
use watershed_policy::decisions::Decisions;
use watershed_policy::export::calico::{self, Form};
use watershed_policy::export::directory::Directory;
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::export::{cilium, cluster as cluster_policies, kubernetes};
use watershed_policy::mine::{Census, Level, Plan, mine, mine_decided};
use watershed_policy::proof::kubernetes::{Certificate, prove, prove_cilium, prove_cluster};
use watershed_policy::{Error, RuleSet, proof};

fn decisions(text: &str) -> Decisions {
    Decisions::read("decisions.yaml", &format!("version: 1\n{text}")).expect("decisions")
}

fn decided(edges: &[Edge], decisions: &Decisions, level: Level) -> (Census, Plan) {
    let sifted = decisions.sift(edges);
    let census = Census::of(sifted.kept.iter().copied(), &[]).expect("a census");
    let plan = mine_decided(&census, level, decisions).expect("a plan");
    (census, plan)
}

/// Exports in every dialect and proves it.
fn proven(census: &Census, plan: impl Fn() -> Plan) -> Vec<(&'static str, Directory, Certificate)> {
    let (plan, version) = (&plan(), "0");
    let mut all = Vec::new();
    let export = kubernetes::export(census, plan).expect("policies");
    let certificate = prove(census, plan, &export, version).expect("NetworkPolicies are proven");
    all.push(("k8s", export, certificate));
    let export = cluster_policies::export(census, plan).expect("policies");
    let certificate =
        prove_cluster(census, plan, &export, version).expect("ClusterNetworkPolicies are proven");
    all.push(("cnp", export, certificate));
    let export = cilium::export(census, plan).expect("policies");
    let certificate = prove_cilium(census, plan, &export, version).expect("Cilium's are proven");
    all.push(("cilium", export, certificate));
    let export = calico::export(census, plan, Form::Enforced).expect("policies");
    let certificate = proof::calico::prove(Form::Enforced, census, plan, &export, version);
    all.push(("calico", export, certificate.expect("Calico's are proven")));
    all
}

fn proven_istio(census: &Census, plan: Plan) -> Certificate {
    let sayable = Sayable::of(census, plan);
    let export = istio::export(census, &sayable).expect("policies");
    proof::istio::prove(census, &sayable, &export, "0").expect("Istio's are proven")
}

/// The id of the rule that reads like this.
fn id(plan: &Plan, rule: &str) -> String {
    let found = plan.rules.iter().find(|one| one.to_string() == rule);
    found.unwrap_or_else(|| panic!("no rule {rule:?}")).id.to_string()
}

#[test]
fn a_rejected_rule_is_not_exported_and_what_it_carried_is_told() {
    for level in [Level::Nano, Level::Service] {
        let (_, before) = decided(&edges(), &Decisions::default(), level);
        let rejected = id(&before, "shop/tier=db ingress shop/tier=api: tcp/5432");
        let decisions = decisions(&format!(
            "rules:\n- {{id: {rejected}, decision: rejected, by: alice, comment: why}}\n"
        ));
        let (census, plan) = decided(&edges(), &decisions, level);
        assert!(plan.rules.iter().all(|rule| rule.id.as_str() != rejected));
        let denied = plan.denied(&census);
        let told: Vec<String> =
            denied.iter().map(|one| format!("{} -> {} {}", one.client, one.server, one.service)).collect();
        assert_eq!(told, ["shop/api -> shop/db tcp/5432"]);
        assert_eq!(denied[0].rule, rejected);
        for (dialect, export, certificate) in
            proven(&census, || mine_decided(&census, level, &decisions).expect("a plan"))
        {
            assert_eq!(certificate.dependencies_rejected, 1, "{dialect}");
            let mut of_db = export.files.iter().filter(|(path, _)| path.starts_with("allow/shop/allow-db-"));
            assert!(of_db.all(|(_, text)| !text.contains("\"api\"") && !text.contains("'api'")), "{dialect}");
        }
        assert_eq!(proven_istio(&census, plan).dependencies_rejected, 1);
    }
}

#[test]
fn what_another_rule_allows_is_not_denied_by_a_rejection() {
    let (_, before) = decided(&edges(), &Decisions::default(), Level::Service);
    let rejected = id(&before, "shop/tier=db ingress shop/tier=api: tcp/5432");
    let decisions = decisions(&format!(
        "rules:\n- {{id: {rejected}, decision: rejected}}\nallow:\n- {{client: {{namespace: shop, labels: {{tier: api}}}}, server: {{namespace: shop, labels: {{tier: db}}}}, ports: [tcp/5000-6000]}}\n"
    ));
    let (census, plan) = decided(&edges(), &decisions, Level::Service);
    assert_eq!(plan.denied(&census), []);
    for (dialect, _, certificate) in
        proven(&census, || mine_decided(&census, Level::Service, &decisions).expect("a plan"))
    {
        assert_eq!(certificate.dependencies_rejected, 0, "{dialect}");
    }
}

const BY_HAND: &str = "
allow:
- {client: {namespace: ops, labels: {app: prometheus}}, server: {namespace: shop, labels: {tier: db}}, ports: [tcp/9187], comment: exporter to come}
- {client: {namespace: vault, labels: {app: vault, role: writer}}, server: {networks: [192.0.2.0/28]}, ports: [tcp/8200-8201, udp/8200]}
- {client: {name: backup}, server: {namespace: \"*\", labels: {env: prod}}, ports: [tcp/22]}
";

#[test]
fn rules_made_by_hand_are_exported_and_proven_without_having_been_observed() {
    let decisions = decisions(BY_HAND);
    for level in Level::ALL {
        let (census, plan) = decided(&edges(), &decisions, level);
        let manual: Vec<String> =
            plan.rules.iter().filter(|rule| rule.manual().is_some()).map(ToString::to_string).collect();
        for rule in [
            "shop/tier=db ingress ops/app=prometheus: tcp/9187",
            "ops/app=prometheus egress shop/tier=db: tcp/9187",
            "vault/app=vault,role=writer egress 192.0.2.0/28: tcp/8200-8201 udp/8200",
            "pay/env=prod ingress backup: tcp/22",
        ] {
            assert!(manual.iter().any(|one| one == rule), "no {rule:?} among {manual:?}");
        }
        for (dialect, export, _) in
            proven(&census, || mine_decided(&census, level, &decisions).expect("a plan"))
        {
            let text: String = export.files.values().cloned().collect();
            assert!(text.contains("made by hand") && text.contains("exporter to come"), "{dialect}");
            assert!(export.files.keys().any(|path| path.starts_with("allow/vault/")), "{dialect}");
        }
        proven_istio(&census, plan);
    }
}

#[test]
fn the_proof_notices_a_rule_made_by_hand_that_the_text_lacks() {
    let decisions = decisions(BY_HAND);
    let (census, plan) = decided(&edges(), &decisions, Level::Nano);
    let export = kubernetes::export(&census, &mine(&census, Level::Nano)).expect("policies without it");
    let error = prove(&census, &plan, &export, "0").expect_err("refuted");
    assert!(matches!(error, Error::RefutedPolicies(_)), "{error}");
}

#[test]
fn what_is_excluded_becomes_no_rule_and_comes_back_with_no_regeneration() {
    let decisions = decisions(
        "exclude:\n- {client: {name: backup}, ports: [tcp/5432], comment: moved}\n- {server: {networks: [198.51.100.0/24]}}\n",
    );
    let mut more = edges();
    let Cluster { pay, .. } = cluster();
    more.push(edge(&pay, &outside("198.51.100.77"), Protocol::TCP, 443));
    more.push(edge(&pay, &pod("shop", "archive", "tier=archive app=shop"), Protocol::TCP, 7000));
    for edges in [edges(), more] {
        let sifted = decisions.sift(&edges);
        assert_eq!(sifted.kept.len() + sifted.excluded.len(), edges.len());
        assert!(sifted.excluded.iter().any(|(edge, number)| *number == 0 && edge.key.port == 5432));
        let (census, plan) = decided(&edges, &decisions, Level::Service);
        let rules: Vec<String> = plan.rules.iter().map(ToString::to_string).collect();
        assert!(!rules.iter().any(|rule| rule.contains("backup: tcp/5432") || rule.contains("198.51.100.")));
        proven(&census, || mine_decided(&census, Level::Service, &decisions).expect("a plan"));
    }
}

#[test]
fn decisions_about_rules_that_are_gone_are_told_and_approvals_change_nothing() {
    let (_, before) = decided(&edges(), &Decisions::default(), Level::Service);
    let approved = id(&before, "shop/tier=db ingress shop/tier=api: tcp/5432");
    let decisions = decisions(&format!(
        "rules:\n- {{id: {approved}, decision: approved, by: alice}}\n- {{id: allow-x-ingress-0123456789abcdef, decision: rejected}}\n- {{id: allow-shop-db-tcp-5432-0123456789ab, decision: rejected}}\n"
    ));
    let (_, plan) = decided(&edges(), &decisions, Level::Service);
    assert_eq!(plan.gone.keys().collect::<Vec<_>>(), ["allow-x-ingress-0123456789abcdef"]);
    let ids = |plan: &Plan| plan.rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&plan), ids(&before));
    let said =
        plan.rules.iter().find(|rule| rule.id.as_str() == approved).and_then(|rule| rule.said.as_ref());
    assert_eq!(said.map(ToString::to_string).as_deref(), Some("approved by alice"));
}

#[test]
fn a_rule_by_labels_that_a_workload_had_for_a_while_is_refused() {
    let mut edges = edges();
    for version in ["1", "2"] {
        let client = pod("shop", "api", &format!("app=shop tier=api env=prod version={version}"));
        edges.push(edge(&client, &cluster().db, Protocol::TCP, 5432));
    }
    let decisions = decisions(
        "allow:\n- {client: {namespace: shop, labels: {version: \"2\"}}, server: {name: backup}, ports: [tcp/1]}\n",
    );
    let census = Census::of(&edges, &[]).expect("a census");
    let error = mine_decided(&census, Level::Service, &decisions).expect_err("refused").to_string();
    assert_eq!(
        error,
        "applying the decision to allow shop/version=2 -> backup: tcp/1: shop/api had the labels of shop/version=2 for a while only; select it by labels that it keeps"
    );
}

#[test]
fn rules_for_hosts_follow_decisions_too() {
    let all = edges();
    let before = RuleSet::from_edges(&all, &[]).expect("rules");
    let rejected = before.rules.last().expect("a rule").id.to_string();
    let decisions = decisions(&format!(
        "rules:\n- {{id: {rejected}, decision: rejected, by: bob}}\nexclude:\n- {{client: {{name: backup}}, comment: moved}}\n"
    ));
    let (rules, kept) = RuleSet::decided(&all, &[], &decisions).expect("rules");
    assert!(rules.rules.iter().all(|rule| rule.id.to_string() != rejected));
    let reasons: Vec<&str> = rules.held_back.iter().map(|one| one.reason.as_str()).collect();
    assert!(reasons.contains(&"excluded by decision: moved"), "{reasons:?}");
    assert!(reasons.contains(&format!("rule {rejected} was rejected by bob").as_str()), "{reasons:?}");
    let dropped = reasons.iter().filter(|one| one.starts_with("excluded") || one.contains("rejected"));
    assert_eq!(kept.len() + dropped.count(), all.len());
}
