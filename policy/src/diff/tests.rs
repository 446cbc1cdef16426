//! What is told of two exports: tuples, and nothing else.

use super::*;
use watershed_model::Protocol;

use crate::Allowed;

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
    let lines = |all: &[Tuples]| all.iter().map(ToString::to_string).collect();
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
    assert!(told("{").starts_with("cannot read old/mined.json as rules: EOF while parsing"), "{}", told("{"));
    assert_eq!(
        told(r#"{"schema_version":2,"rules":[]}"#),
        "cannot read old/mined.json as rules: its schema_version is 2 and not 1; export the rules again"
    );
    let old = r#"{"schema_version":1,"rules":[{"id":"a","direction":"ingress","subject":{"namespace":"a","labels":{}},"peer":{"host":"b"},"ports":[]}]}"#;
    assert!(
        told(old).contains("rule \"a\" has no `workloads`, `host`, `networks` or `name` of an end"),
        "{}",
        told(old)
    );
}

#[test]
fn exact_rules_are_compared_by_the_names_of_parties() {
    let rule = |server: &str, service: &str, clients: &[&str]| {
        let clients: Vec<String> =
            clients.iter().map(|name| format!(r#"{{"name":"{name}","addresses":["10.0.0.1"]}}"#)).collect();
        format!(
            r#"{{"id":"x","action":"allow","direction":"ingress","subject":{{"name":"{server}","addresses":[]}},"service":{service},"peers":[{}],"names":[]}}"#,
            clients.join(",")
        )
    };
    let (tcp, ping) = (r#"{"protocol":"tcp","port":5432}"#, r#"{"protocol":"icmp","icmp_type":8}"#);
    let old = [rule("shop/db", tcp, &["shop/web", "10.0.0.9"]), rule("shop/db", ping, &["shop/web"])];
    let new = [rule("shop/db", tcp, &["shop/web", "shop/api"])];
    let (newly, gone) = told(&old, &new);
    assert_eq!(newly, ["shop/api -> shop/db: tcp/5432"]);
    assert_eq!(gone, ["10.0.0.9 -> shop/db: tcp/5432", "shop/web -> shop/db: icmp/8"]);
    assert_eq!(told(&old, &old), (vec![], vec![]));

    let by_hand = r#"{"schema_version":1,"rules":[],"by_hand":[
        {"id":"a","client":"office","clients":["10.9.0.0/16"],"server":"vault","servers":["10.0.0.7/32"],"ports":["tcp/1-2"]},
        {"id":"b","client":"office","clients":["10.9.0.0/16"],"server":"gone","servers":[],"ports":["tcp/3"]}]}"#;
    let by_hand = Allowances::read("rules.json", by_hand).expect("rules");
    let found = diff(&export(&[]), &by_hand).expect("a difference");
    assert_eq!((found.newly.len(), found.newly[0].to_string().as_str()), (1, "office -> vault: tcp/1-2"));
    let both = r#"{"schema_version":1,"rules":[{"id":"a","direction":"ingress","subject":{"host":"a"},"peer":{"host":"b"},"peers":[],"ports":[]}]}"#;
    let error = Allowances::read("rules.json", both).expect_err("neither").to_string();
    assert!(error.contains("neither a `peer` with `ports` nor `peers` with a `service`"), "{error}");
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
