//! What is told of two exports: tuples, and nothing else.

use super::*;
use crate::mine::Allowed;
use watershed_model::Protocol;

fn rule(subject: &str, direction: &str, peer: &str, ports: &str) -> String {
    format!(
        r#"{{"id":"x","direction":"{direction}","subject":{subject},"peer":{peer},"ports":[{ports}],"price":1}}"#
    )
}

fn workloads(names: &str) -> String {
    let names: Vec<String> = names.split(' ').map(|name| format!("{name:?}")).collect();
    format!(r#"{{"namespace":"shop","labels":{{}},"workloads":[{}]}}"#, names.join(","))
}

/// The rules of both ends.
fn both(client: &str, server: &str, ports: &str) -> [String; 2] {
    let (client, server) = (workloads(client), workloads(server));
    [rule(&server, "ingress", &client, ports), rule(&client, "egress", &server, ports)]
}

fn export(rules: &[String]) -> Allowances {
    let text = format!(r#"{{"schema_version":1,"level":"nano","price":0,"rules":[{}]}}"#, rules.join(","));
    Allowances::read("mined.json", &text).expect("rules")
}

fn told(old: &[String], new: &[String]) -> (Vec<String>, Vec<String>) {
    let diff = diff(&export(old), &export(new)).expect("a difference");
    let lines = |all: &[Tuples]| {
        all.iter().map(|one| format!("{} -> {}: {}", one.client, one.server, one.ports)).collect()
    };
    (lines(&diff.newly), lines(&diff.gone))
}

#[test]
fn tuples_count_and_not_how_rules_say_them() {
    let apart = [both("web", "db", r#""tcp/5432""#), both("api", "db", r#""tcp/5432""#)].concat();
    let together = both("api web", "db", r#""tcp/5432""#);
    assert_eq!(told(&apart, &together), (vec![], vec![]));
    let wider = both("api web", "db", r#""tcp/5430-5433""#);
    let newly =
        vec!["api -> db: tcp/5430-5431 tcp/5433".to_owned(), "web -> db: tcp/5430-5431 tcp/5433".to_owned()];
    assert_eq!(told(&apart, &wider), (newly.clone(), vec![]));
    assert_eq!(told(&wider, &apart), (vec![], newly));
}

#[test]
fn a_connection_needs_both_of_its_ends() {
    let [ingress, egress] = both("web", "db", r#""tcp/5432""#);
    assert_eq!(told(&[], std::slice::from_ref(&ingress)), (vec![], vec![]));
    let newly = vec!["web -> db: tcp/5432".to_owned()];
    assert_eq!(told(std::slice::from_ref(&ingress), &[ingress.clone(), egress]), (newly, vec![]));
}

#[test]
fn networks_are_compared_by_their_addresses() {
    let to = |networks: &str| {
        rule(&workloads("web"), "egress", &format!(r#"{{"networks":[{networks}]}}"#), r#""tcp/443""#)
    };
    let old = [to(r#""192.0.2.0/30""#)];
    let new = [to(r#""192.0.2.0/29","2001:db8::1/128""#)];
    let newly = vec!["web -> 192.0.2.4/30: tcp/443".to_owned(), "web -> 2001:db8::1/128: tcp/443".to_owned()];
    assert_eq!(told(&old, &new), (newly.clone(), vec![]));
    assert_eq!(told(&new, &old), (vec![], newly));
    let split = [to(r#""192.0.2.0/31","192.0.2.2/31""#)];
    assert_eq!(told(&old, &split), (vec![], vec![]));
}

#[test]
fn everything_but_a_port_is_told_by_the_port() {
    let all = both("web", "db", r#""anything""#);
    let some = both("web", "db", r#""tcp/22","icmp/8","esp""#);
    let (newly, gone) = told(&some, &all);
    assert_eq!((newly, gone), (vec!["web -> db: anything but icmp/8 tcp/22 esp".to_owned()], vec![]));
    assert_eq!(told(&[], &some).0, ["web -> db: icmp/8 tcp/22 esp"]);
}

#[test]
fn a_file_that_is_none_is_told() {
    let told = |text: &str| Allowances::read("old/mined.json", text).expect_err("unreadable").to_string();
    assert!(
        told("{").starts_with("cannot read old/mined.json as mined rules: EOF while parsing"),
        "{}",
        told("{")
    );
    assert_eq!(
        told(r#"{"schema_version":2,"rules":[]}"#),
        "cannot read old/mined.json as mined rules: its schema_version is 2 and not 1; export the rules again"
    );
    let old = r#"{"schema_version":1,"rules":[{"id":"a","direction":"ingress","subject":{"namespace":"a","labels":{}},"peer":{"host":"b"},"ports":[]}]}"#;
    assert!(
        told(old).contains("rule \"a\" has no `workloads`, `host` or `networks` of an end"),
        "{}",
        told(old)
    );
}

#[test]
fn spans_are_sets() {
    let tcp = |first, last| Spans::of(&[Allowed::Ports(Protocol::TCP, first, last)]);
    assert_eq!(tcp(1, 10).without(&tcp(3, 4)), {
        let mut both = tcp(1, 2);
        both.add(&tcp(5, 10));
        both
    });
    assert!(tcp(1, 10).without(&Spans::of(&[Allowed::Anything])).is_empty());
    assert_eq!(tcp(1, 10).and(&tcp(10, 20)), tcp(10, 10));
}
