//! Mined rules: what each level says of a small cluster, and what it must never say.

#[path = "cluster/mod.rs"]
mod cluster;

use std::sync::Arc;

use cluster::{Cluster, cluster, edge, edges, outside, pod};
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::mine::{Census, Frontier, Level, Plan, mine};
use watershed_policy::{Error, Whom};

fn census(edges: &[Edge]) -> Census {
    Census::of(edges, &[]).expect("a census")
}

fn plan(edges: &[Edge], level: Level) -> Plan {
    mine(&census(edges), level)
}

fn listed(plan: &Plan) -> Vec<String> {
    plan.rules.iter().map(ToString::to_string).collect()
}

fn assert_has(rules: &[String], expected: &[&str]) {
    for rule in expected {
        assert!(rules.iter().any(|one| one == rule), "no rule {rule:?} among\n{}", rules.join("\n"));
    }
}

#[test]
fn level_nano_says_exactly_what_was_seen() {
    let plan = plan(&edges(), Level::Nano);
    let rules = listed(&plan);
    assert_has(
        &rules,
        &[
            "shop/tier=api ingress shop/tier=front: tcp/8080",
            "shop/tier=front egress shop/tier=api: tcp/8080",
            "shop/tier=db ingress backup: tcp/5432",
            "pay/tier=api ingress shop/tier=api: tcp/9000 udp/40000 sctp/9900",
            "pay/tier=api egress 198.51.100.20/32, 2001:db8::20/128: tcp/443",
            "shop/tier=front ingress 203.0.113.9/32, 2001:db8:9::9/128: tcp/8443",
            "archive ingress backup: tcp/22",
        ],
    );
    let priced: Vec<_> = plan.rules.iter().filter(|rule| rule.price > 0 && !rule.is_shared()).collect();
    assert!(priced.is_empty(), "{priced:?}");
}

#[test]
fn level_service_takes_a_selector_where_most_that_it_means_were_seen() {
    let rules = listed(&plan(&edges(), Level::Service));
    assert_has(
        &rules,
        &[
            "shop ingress ops/app=prometheus: tcp/9100",
            "shop/tier=db ingress shop/tier=api: tcp/5432",
            "shop/tier=front ingress 203.0.113.9/32, 2001:db8:9::9/128: tcp/8443",
        ],
    );
}

#[test]
fn level_ring_fence_frees_an_application_inside_and_lists_ports_between_two() {
    let rules = listed(&plan(&edges(), Level::RingFence));
    assert_has(
        &rules,
        &[
            "shop/app=shop,env=prod ingress shop/app=shop,env=prod: anything",
            "pay/app=pay,env=prod ingress shop/app=shop,env=prod: tcp/9000 udp/40000 sctp/9900",
        ],
    );
}

#[test]
fn the_levels_trade_rules_against_what_they_admit() {
    let frontier = Frontier::of(&census(&edges()));
    let points: Vec<_> = frontier.points.values().collect();
    assert!(points.windows(2).all(|pair| pair[0].0 >= pair[1].0 && pair[0].1 <= pair[1].1), "{points:?}");
}

#[test]
fn no_namespace_forgets_dns_over_both_transports() {
    for level in Level::ALL {
        let rules = listed(&plan(&edges(), level));
        for namespace in ["shop", "pay", "ops", "kube-system"] {
            let rule = format!("{namespace} egress kube-system/k8s-app=coredns: tcp/53 udp/53");
            assert_has(&rules, &[rule.as_str()]);
        }
        assert_has(&rules, &["kube-system/k8s-app=coredns ingress every namespace: tcp/53 udp/53"]);
    }
}

#[test]
fn what_a_rollout_changes_is_in_no_selector() {
    let mut edges = edges();
    let rolled = match cluster().api {
        Party::Workload(workload) => {
            let mut next = workload.as_ref().clone();
            next.labels.insert("pod-template-hash".into(), "next".into());
            Party::Workload(Arc::new(next))
        }
        Party::Address(_) => unreachable!("a workload"),
    };
    edges.push(edge(&rolled, &cluster().db, Protocol::TCP, 5432));
    for level in Level::ALL {
        for rule in plan(&edges, level).rules {
            for whom in [&rule.subject, &rule.peer] {
                let Whom::Workloads { labels, .. } = whom else { continue };
                assert!(!labels.contains_key("pod-template-hash"), "{rule}");
            }
        }
    }
}

#[test]
fn a_scan_never_becomes_a_rule() {
    let mut edges = edges();
    edges[2].answered = 0;
    let error = Census::of(&edges, &[]).expect_err("unanswered");
    assert!(matches!(error, Error::Unanswered { .. }), "{error}");
}

#[test]
fn the_order_of_edges_changes_nothing_and_names_outlive_new_clients() {
    let mut others = edges();
    others.reverse();
    for level in Level::ALL {
        assert_eq!(plan(&edges(), level).rules, plan(&others, level).rules);
    }
    let Cluster { pay, .. } = cluster();
    let mut more = edges();
    more.push(edge(&pay, &outside("198.51.100.77"), Protocol::TCP, 443));
    let id = |edges: &[Edge]| {
        let plan = plan(edges, Level::Service);
        let rule = plan.rules.iter().find(|rule| rule.to_string().contains("198.51.100.20"));
        rule.map(|rule| rule.id.clone()).expect("the rule")
    };
    assert_eq!(id(&edges()), id(&more));
}

#[test]
fn a_workload_without_labels_is_priced_as_its_whole_namespace() {
    let (web, job, db) = (pod("x", "web", "app=web"), pod("x", "job", ""), pod("x", "db", "app=db"));
    let edges = [edge(&web, &db, Protocol::TCP, 1), edge(&job, &db, Protocol::TCP, 2)];
    let plan = plan(&edges, Level::Nano);
    let rule = plan.rules.iter().find(|rule| rule.to_string() == "x/app=db ingress x: tcp/2");
    assert_eq!(rule.map(|rule| rule.price), Some(2), "{:?}", listed(&plan));
}

#[test]
fn many_ports_evenly_used_become_a_range_with_its_price() {
    let (a, b) = (pod("x", "web", "app=web"), pod("x", "ftp", "app=ftp"));
    let mut edges: Vec<Edge> = (0..40).map(|n| edge(&a, &b, Protocol::TCP, 50_000 + n * 3 / 2)).collect();
    edges.iter_mut().for_each(|edge| edge.connections = 1);
    let plan = plan(&edges, Level::Service);
    let rule =
        plan.rules.iter().find(|rule| rule.to_string() == "x/app=ftp ingress x/app=web: tcp/50000-50058");
    assert_eq!(rule.map(|rule| rule.price), Some(59 - 40), "{:?}", listed(&plan));
}

#[test]
fn servers_that_most_workloads_use_are_shared() {
    let ntp = pod("infra", "ntp", "app=ntp");
    let edges: Vec<Edge> = (0..8)
        .map(|n| edge(&pod("x", &format!("svc{n}"), &format!("app=svc{n}")), &ntp, Protocol::UDP, 123))
        .collect();
    let rules = listed(&plan(&edges, Level::Service));
    assert_has(
        &rules,
        &["infra/app=ntp ingress every namespace: udp/123", "x egress infra/app=ntp: udp/123"],
    );
}
