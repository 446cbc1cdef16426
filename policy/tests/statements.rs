//! What exports state of themselves: the check counts the same in every dialect, and notices every rule that was made
//! wider by hand.

#![allow(clippy::print_stdout, reason = "the mutation score is worth a line")]

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{Cluster, cluster, edge, edges, outside};
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::check::{Given, Observed, Report, check};
use watershed_policy::export::calico::Form;
use watershed_policy::export::directory::Directory;
use watershed_policy::export::istio::Sayable;
use watershed_policy::export::{calico, cilium, cluster as clusterwide, istio, kubernetes};
use watershed_policy::k8s::Manifests;
use watershed_policy::mine::{Census, Level, mine};

const DIALECTS: [&str; 6] = ["k8s", "cnp", "cilium", "calico", "calico-staged", "istio"];

fn export(dialect: &str, census: &Census, level: Level) -> Directory {
    let plan = mine(census, level);
    match dialect {
        "k8s" => kubernetes::export(census, &plan),
        "cnp" => clusterwide::export(census, &plan),
        "cilium" => cilium::export(census, &plan),
        "calico" => calico::export(census, &plan, Form::Enforced),
        "calico-staged" => calico::export(census, &plan, Form::Staged),
        _ => istio::export(census, &Sayable::of(census, plan)),
    }
    .expect("policies")
}

/// Files of the rules and of default deny, as they are enforced.
fn files(export: &Directory) -> Vec<(&str, &str)> {
    let files = export.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let enforced =
        |path: &str| !path.starts_with("default-deny-revert") && !path.ends_with("kustomization.yaml");
    files.filter(|(path, _)| enforced(path)).collect()
}

fn checked(texts: &[(&str, &str)], edges: &[Edge]) -> Report {
    let manifests = Manifests::read(texts.iter().copied(), "default").expect("policies");
    let edges: Vec<&Edge> = edges.iter().collect();
    let given = Given { texts, ..Given::from(&manifests) };
    check(given, Observed { edges: Some(&edges), workloads: &[] })
}

#[test]
fn what_an_export_states_is_what_the_check_counts() {
    for dialect in DIALECTS {
        for level in Level::ALL {
            let census = Census::of(edges(), &[]).expect("a census");
            let export = export(dialect, &census, level);
            let report = checked(&files(&export), &edges());
            assert_eq!(report.failures(), [] as [String; 0], "{dialect} {level}: {:#?}", report.extents);
            let states = |path: &str| path.starts_with("allow/");
            let rules: Vec<_> = report.extents.iter().filter(|one| states(&one.place.file)).collect();
            assert!(!rules.is_empty() && rules.iter().all(|one| one.stated.is_some()), "{rules:#?}");
            // Port for port: what is stated is no more than what is there, where the dialect can say all of it.
            if dialect.starts_with("calico") {
                for one in rules {
                    assert_eq!(Some(one.tuples.all), one.stated, "{dialect} {level}: {one:?}");
                }
            }
            assert_eq!(report.wide().filter(|one| states(&one.place.file)).count(), 0);
        }
    }
}

/// Texts in which one port has become many, or one more; each of one place.
fn widened(dialect: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start_matches([' ', '-']);
        let indent = &line[..line.len() - line.trim_start().len()];
        let (own, value) = words.split_once(": ").unwrap_or(("", words));
        let value = value.trim_matches('"');
        let is_port = value.parse::<u16>().is_ok();
        let new = match (dialect, own) {
            ("k8s", "port") => format!("{line}\n{indent}endPort: 65535"),
            ("cnp", "number") => format!("{indent}range: {{start: {value}, end: 65535}}"),
            ("cilium", "port") => format!("{line}\n{indent}  endPort: 65535"),
            ("calico" | "calico-staged", "") if is_port => format!("{indent}- \"{value}:65535\""),
            ("istio", "") if is_port => format!("{line}\n{indent}- \"65535\""),
            _ => continue,
        };
        let ends = lines.get(at + 1).is_some_and(|next| next.trim_start().starts_with("endPort"));
        if is_port && !ends {
            let mut lines: Vec<&str> = lines.clone();
            lines[at] = &new;
            mutants.push(lines.join("\n") + "\n");
        }
    }
    mutants
}

#[test]
fn every_rule_that_was_widened_by_hand_is_noticed() {
    for dialect in DIALECTS {
        let (mut noticed, mut all) = (0, 0);
        let census = Census::of(edges(), &[]).expect("a census");
        let export = export(dialect, &census, Level::Service);
        for (path, text) in export.files.iter().filter(|(path, _)| path.starts_with("allow/")) {
            for mutant in widened(dialect, text) {
                let mut files = files(&export);
                files.iter_mut().filter(|(name, _)| name == path).for_each(|(_, text)| *text = &mutant);
                let report = checked(&files, &edges());
                all += 1;
                let told = report.exceeding().any(|one| &*one.place.file == path);
                noticed += usize::from(told && !report.certificate.passed);
            }
        }
        println!("{dialect}: {noticed} of {all} widened rules noticed");
        assert!(all >= 5 && noticed == all, "{dialect}: {noticed} of {all}");
    }
}

#[test]
fn a_peer_that_was_added_under_a_comment_is_noticed() {
    let census = Census::of(edges(), &[]).expect("a census");
    let export = export("k8s", &census, Level::Service);
    for added in ["    - namespaceSelector: {}\n", "    - ipBlock: {cidr: 192.0.2.1/32}\n"] {
        let (path, text) = export
            .files
            .iter()
            .find(|(_, text)| text.contains("  - from:\n") && text.contains("port: 5432"))
            .expect("a rule");
        let edited = text.replacen("  - from:\n", &format!("  - from:\n{added}"), 1);
        let mut files = files(&export);
        files.iter_mut().filter(|(name, _)| name == path).for_each(|(_, text)| *text = &edited);
        assert_eq!(checked(&files, &edges()).exceeding().count(), 1, "{edited}");
    }
    // A rule of one's own below ours has no comment, and counts with the one before it.
    let (path, text) = export.files.iter().find(|(_, text)| text.ends_with("port: 5432\n")).expect("a rule");
    let edited = format!("{text}  - {{}}\n");
    let mut files = files(&export);
    files.iter_mut().filter(|(name, _)| name == path).for_each(|(_, text)| *text = &edited);
    assert_eq!(checked(&files, &edges()).exceeding().count(), 1, "{edited}");
}

#[test]
fn addresses_of_a_host_and_less_traffic_than_then_are_no_failure() {
    let mut all = edges();
    // `backup` comes from three addresses, of which each is in the text.
    all[8].client_addresses.extend(
        ["10.9.0.1", "2001:db8:9::1"].map(|one| one.parse::<std::net::IpAddr>().expect("an address")),
    );
    let census = Census::of(&all, &[]).expect("a census");
    let half: Vec<Edge> = all.iter().step_by(2).cloned().collect();
    for dialect in DIALECTS {
        for level in Level::ALL {
            let export = export(dialect, &census, level);
            assert!(checked(&files(&export), &all).failures().is_empty(), "{dialect} {level}");
            let report = checked(&files(&export), &half);
            assert_eq!(report.exceeding().count(), 0, "{dialect} {level}: {:#?}", report.extents);
        }
    }
}

/// `pay` uses a service by its name at two addresses, of which one has another name as well.
fn by_name() -> Vec<Edge> {
    let Cluster { api, pay, .. } = cluster();
    let mut all = edges();
    let mut named = |client: &Party, address: &str, names: &[&str]| {
        let mut one = edge(client, &outside(address), Protocol::TCP, 443);
        one.names = names.iter().map(|&name| name.into()).collect();
        all.push(one);
    };
    named(&pay, "198.51.100.30", &["bank.example"]);
    named(&pay, "198.51.100.31", &["bank.example"]);
    named(&api, "198.51.100.31", &["cdn.example"]);
    all
}

/// The file of the rules of `pay`, and the export.
fn pay(edges: &[Edge]) -> (Directory, String) {
    let census = Census::of(edges, &[]).expect("a census");
    let export = export("cilium", &census, Level::Service);
    let mut named = export.files.iter().filter(|(_, text)| text.contains("matchName: \"bank.example\""));
    let path = named.next().expect("a rule by name").0.clone();
    (export, path)
}

#[test]
fn a_rule_by_name_states_its_names_and_what_they_stood_for() {
    let all = by_name();
    let (export, path) = pay(&all);
    let text = &export.files[&path];
    // The address with two names is written by both.
    let stated =
        "# names: 2 for 2 addresses seen, 0 of them under other names too; each name counts as one; ";
    assert!(text.contains(stated), "{text}");
    let report = checked(&files(&export), &all);
    assert_eq!(report.failures(), [] as [String; 0], "{:#?}", report.extents);
    let rules: Vec<_> = report.extents.iter().filter(|one| one.by_name.is_some()).collect();
    assert!(!rules.is_empty() && rules.iter().all(|one| one.stated == Some(one.held())), "{rules:#?}");
    assert_eq!(report.grown().count(), 0);
    let note = "which other addresses names come to stand for: ";
    assert!(
        report.certificate.not_checked.iter().any(|one| one.starts_with(note)),
        "{:?}",
        report.certificate
    );
}

#[test]
fn a_name_that_stands_for_more_than_it_did_is_told_and_fails_nothing() {
    let all = by_name();
    let (export, path) = pay(&all);
    let Cluster { api, pay, .. } = cluster();
    let mut later = all;
    for (client, address, name) in [
        (&pay, "198.51.100.32", "bank.example"),
        (&pay, "198.51.100.33", "bank.example"),
        (&api, "198.51.100.33", "other.example"),
    ] {
        let mut one = edge(client, &outside(address), Protocol::TCP, 443);
        one.names = [name.into()].into();
        later.push(one);
    }
    let report = checked(&files(&export), &later);
    let grown: Vec<_> =
        report.grown().filter(|(one, _)| *one.place.file == *path).map(|(_, names)| names).collect();
    assert_eq!(grown.len(), 1, "{:#?}", report.extents);
    assert_eq!((grown[0].addresses, grown[0].stated, grown[0].shared), (4, Some(2), 1));
    assert_eq!(report.exceeding().count(), 0);
    let json: serde_json::Value = serde_json::from_str(&report.to_json().expect("json")).expect("json");
    assert_eq!(json["grown_names"][0]["addresses"], 4);
}

#[test]
fn every_rule_by_name_that_was_widened_by_hand_is_noticed() {
    let all = by_name();
    let (export, path) = pay(&all);
    let text = &export.files[&path];
    let name = "    - matchName: \"bank.example\"\n";
    let edits = [
        ("another name", text.replacen(name, &format!("{name}    - matchName: \"evil.example\"\n"), 1)),
        ("a pattern in its place", text.replacen(name, "    - matchPattern: \"*.example\"\n", 1)),
        ("every name", text.replacen(name, "    - matchPattern: \"*\"\n", 1)),
        (
            "more ports",
            widened("cilium", text)
                .into_iter()
                .find(|one| {
                    let named = one.split("toFQDNs").nth(1).unwrap_or_default();
                    named.contains("endPort")
                })
                .expect("ports of the rule by name"),
        ),
        ("everybody of the namespace", {
            let (before, rest) = text.split_once("  endpointSelector:\n").expect("a selector");
            let rest = rest.split_inclusive('\n').skip_while(|line| line.starts_with("    "));
            format!("{before}  endpointSelector: {{}}\n{}", rest.collect::<String>())
        }),
    ];
    let mut noticed = 0;
    for (what, edited) in &edits {
        assert_ne!(edited, text, "{what}: changes nothing");
        let mut files = files(&export);
        files.iter_mut().filter(|(name, _)| **name == path).for_each(|(_, text)| *text = edited);
        let report = checked(&files, &all);
        let told = report.exceeding().any(|one| *one.place.file == path && one.by_name.is_some());
        assert!(told && !report.certificate.passed, "{what}: {:#?}", report.extents);
        noticed += usize::from(told);
    }
    println!("rules by name: {noticed} of {} widened rules noticed", edits.len());
}
