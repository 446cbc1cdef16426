//! `watershed rules confidence`, `what-if`, `reach` and `rollout`, over a store of two days.

use std::fs;

use tempfile::TempDir;

use crate::{capture, folder, stderr, stdout, watershed};

const INVENTORY: &str = "
- {name: browser, address: 10.0.0.1, namespace: shop, labels: {app: browser, team: front}}
- {name: web, address: 10.0.0.2, namespace: shop, labels: {app: web}}
- {name: dns, address: 10.0.0.53, namespace: infra, labels: {app: dns}}
";

/// A folder with a store of two days.
fn stored() -> TempDir {
    let folder = folder();
    capture::write(&folder, "monday.pcap");
    fs::write(folder.path().join("tuesday.pcap"), capture::bytes_from(capture::START + 86_400)).unwrap();
    fs::write(folder.path().join("hosts.yaml"), INVENTORY).unwrap();
    for day in ["monday.pcap", "tuesday.pcap"] {
        let line = ["discover", day, "-i", "hosts.yaml", "--store", "sqlite:edges.db"];
        watershed(&folder).args(line).assert().success();
    }
    folder
}

fn rules(folder: &TempDir, line: &[&str]) -> assert_cmd::assert::Assert {
    watershed(folder).arg("rules").args(line).args(["--store", "sqlite:edges.db"]).assert()
}

fn policy(folder: &TempDir, name: &str, client: &str) {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: web}}}}\n  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {client}}}}}}}]}}]\n"
    );
    fs::write(folder.path().join(name), text).unwrap();
}

#[test]
fn confidence_says_how_much_may_come_and_what_is_missing() {
    let folder = stored();
    let text = stdout(&rules(&folder, &["confidence"]).success());
    for expected in [
        "Rules learned from this would deny at most ",
        "\nNot ready to enforce: ",
        "0 of 1 week watched whole",
        "first seen in the last 12 hours",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&rules(&folder, &["confidence", "--format", "json"]).success()))
            .unwrap();
    assert_eq!((&json["whole"]["bound"]["horizon_hours"], &json["ready"]), (&168.into(), &false.into()));
    let easy = ["confidence", "--set", "rules.ready_weekly_cycles=0", "--set", "rules.ready_coverage=0"];
    assert!(stdout(&rules(&folder, &easy).success()).contains("Ready to enforce"));
}

#[test]
fn what_if_tells_what_a_policy_would_have_denied_and_what_a_change_changes() {
    let folder = stored();
    policy(&folder, "old.yaml", "browser");
    policy(&folder, "new.yaml", "nobody");
    rules(&folder, &["what-if", "old.yaml"]).success();
    let denies = rules(&folder, &["what-if", "new.yaml", "--against", "old.yaml"]).code(1);
    let text = stdout(&denies);
    for expected in [
        "NEWLY DENIED  1",
        "shop/browser -> shop/web tcp/80",
        "front",
        "ingress of shop/web: allow tcp/80 from shop/browser",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(stderr(&denies).contains("would have denied 1 of 2 dependencies that the old ones allow"));
    rules(&folder, &["what-if", "old.yaml", "--against", "new.yaml"]).success();
    rules(&folder, &["--out", "proposed"]).success();
    rules(&folder, &["what-if", "proposed/rules.nft", "proposed/default-deny.nft"]).success();
    let mixed = rules(&folder, &["what-if", "proposed/rules.nft", "old.yaml"]).code(2);
    assert!(stderr(&mixed).contains("ask for each alone"));
}

#[test]
fn two_dialects_are_compared_over_the_same_dependencies() {
    let folder = stored();
    policy(&folder, "strict.yaml", "nobody");
    for dialect in ["k8s", "cnp", "cilium", "calico", "istio", "nftables", "json"] {
        rules(&folder, &["export", "--to", dialect, "-i", "hosts.yaml", "--out", dialect]).success();
    }
    let places = ["k8s", "cnp", "cilium", "calico", "istio", "nftables", "json/mined.json"];
    for place in places {
        rules(&folder, &["what-if", place]).success();
        // What the export allows the strict policy denies, whatever either is written in.
        let told = rules(&folder, &["what-if", "strict.yaml", "--against", place]).code(1);
        let told = stdout(&told);
        assert!(
            told.contains("NEWLY DENIED  1") && told.contains("shop/browser -> shop/web tcp/80"),
            "{place}: {told}"
        );
        let told = stdout(&rules(&folder, &["what-if", place, "--against", "strict.yaml"]).success());
        assert!(told.contains("NO LONGER DENIED  1"), "{place}: {told}");
        if place != "json/mined.json" {
            let line = ["check", "strict.yaml", "-i", "hosts.yaml", "--against", place];
            let told = stderr(&rules(&folder, &line).code(1));
            assert!(told.contains("would deny 1 of 2 observed dependencies"), "{place}: {told}");
            rules(
                &folder,
                &[
                    "check",
                    place,
                    "-i",
                    "hosts.yaml",
                    "--against",
                    "strict.yaml",
                    "--admit-at-most",
                    "9999999",
                ],
            )
            .success();
        }
    }
    let no_policy = rules(&folder, &["check", "json/mined.json"]).code(2);
    assert!(stderr(&no_policy).contains("mined.json lists rules and is no policy"), "{}", stderr(&no_policy));
}

#[test]
fn of_two_rulesets_of_nftables_what_is_newly_admitted_is_told() {
    let folder = stored();
    rules(&folder, &["export", "--to", "nftables", "--out", "old"]).success();
    let allow = fs::read_to_string(folder.path().join("old/rules.nft")).unwrap();
    fs::create_dir(folder.path().join("new")).unwrap();
    fs::copy(folder.path().join("old/default-deny.nft"), folder.path().join("new/default-deny.nft")).unwrap();
    let check = |text: &str, code| {
        fs::write(folder.path().join("new/rules.nft"), text).unwrap();
        let told = rules(&folder, &["check", "new", "--against", "old", "--format", "json"]).code(code);
        serde_json::from_str::<serde_json::Value>(&stdout(&told)).unwrap()
    };
    assert_eq!(check(&allow, 0)["newly_admitted"], serde_json::json!([]));
    let wider = allow.replace("tcp dport 80 ", "tcp dport 80-81 ");
    assert_ne!(wider, allow);
    let newly = check(&wider, 1)["newly_admitted"].clone();
    let expected =
        serde_json::json!([{"client": "10.0.0.1", "server": "10.0.0.2", "ports": "tcp/81", "count": 1}]);
    let named =
        serde_json::json!([{"client": "shop/browser", "server": "shop/web", "ports": "tcp/81", "count": 1}]);
    assert!(newly == expected || newly == named, "{newly}");
    // What is no longer allowed and was seen fails against the old ones, and not where these denied it, too.
    let closed = allow.replace("tcp dport 80 ", "tcp dport 79 ");
    let told = check(&closed, 1);
    assert_eq!(told["denied"][0]["before"], false, "{told}");
    fs::write(folder.path().join("old/rules.nft"), &closed).unwrap();
    let told = check(&closed, 0);
    assert_eq!(told["denied"][0]["before"], true, "{told}");
}

#[test]
fn reach_names_what_the_setting_calls_a_crown_jewel() {
    let folder = stored();
    let text = stdout(&rules(&folder, &["reach", "--set", "rules.crown_jewels=app=web"]).success());
    for expected in
        ["connections between workloads stay permitted", "CROWN JEWELS", "shop/web", "Widest reach: "]
    {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn reach_is_told_of_a_level_and_of_policies() {
    let folder = stored();
    let mined = stdout(&rules(&folder, &["reach", "--level", "nano", "-i", "hosts.yaml"]).success());
    assert!(mined.contains("allow-") && mined.contains("WORKLOADS"), "{mined}");
    policy(&folder, "old.yaml", "browser");
    let json = stdout(&rules(&folder, &["reach", "old.yaml", "--format", "json"]).success());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rules"][0]["rule"], "shop/web at old.yaml:6");
    assert_eq!(json["rules"][0]["alone"], 1);
    rules(&folder, &["--out", "proposed"]).success();
    rules(&folder, &["reach", "proposed/rules.nft", "proposed/default-deny.nft"]).success();
    let both = rules(&folder, &["reach", "old.yaml", "--level", "nano"]).code(2);
    assert!(stderr(&both).contains("cannot be used with"), "{}", stderr(&both));
}

#[test]
fn a_roll_out_has_a_directory_for_each_step() {
    let folder = stored();
    let text = stdout(&rules(&folder, &["rollout", "--out", "plan"]).success());
    assert!(text.starts_with("3 steps, 0 of them ready"), "{text}");
    let read = |name: &str| fs::read_to_string(folder.path().join("plan").join(name)).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&read("plan.json")).unwrap();
    for step in plan["steps"].as_array().unwrap() {
        let name = step["name"].as_str().unwrap();
        assert!(read(&format!("{name}/apply.nft")).contains(" counter drop\n"));
        assert!(read(&format!("{name}/revert.nft")).contains("delete table inet watershed-"));
        assert!(!read(&format!("{name}/watch.nft")).contains(" drop\n"));
    }
    assert!(read("default-deny/default-deny.nft").contains("policy drop"));
    let by = stdout(&rules(&folder, &["rollout", "--by", "namespace"]).success());
    assert!(by.contains("-infra") && by.contains("-shop"), "{by}");
}

#[test]
fn a_roll_out_of_policies_has_staged_files_and_its_steps_deny_nothing() {
    let folder = stored();
    for (dialect, watch) in [
        ("k8s", None),
        ("cnp", None),
        ("cilium", Some("audit.txt")),
        ("calico", Some("staged.yaml")),
        ("istio", Some("dry-run.yaml")),
    ] {
        let line = ["rollout", "--dialect", dialect, "-i", "hosts.yaml", "--out", dialect];
        let text = stdout(&rules(&folder, &line).success());
        assert!(text.starts_with("3 steps, 0 of them ready"), "{text}");
        let read = |name: &str| fs::read_to_string(folder.path().join(dialect).join(name)).unwrap();
        let plan: serde_json::Value = serde_json::from_str(&read("plan.json")).unwrap();
        for step in plan["steps"].as_array().unwrap() {
            let name = step["name"].as_str().unwrap();
            assert!(read(&format!("{name}/revert.yaml")).contains("taken-back"));
            watch.iter().for_each(|watch| assert!(!read(&format!("{name}/{watch}")).is_empty()));
            rules(&folder, &["what-if", &format!("{dialect}/{name}/apply.yaml")]).success();
        }
        rules(&folder, &["what-if", &format!("{dialect}/default-deny/apply.yaml")]).success();
        assert_eq!(read("not-expressed.txt").contains("denies no egress"), dialect == "istio", "{dialect}");
    }
    // Another plan in the same place leaves no step of the first behind, but what is not its own.
    let steps = || {
        let all = fs::read_dir(folder.path().join("k8s")).unwrap().map(|entry| entry.unwrap().file_name());
        let all = all.map(|name| name.into_string().unwrap());
        let mut all: Vec<String> =
            all.filter(|name| name.starts_with(|first: char| first.is_ascii_digit())).collect();
        all.sort();
        all
    };
    let first = steps();
    fs::write(folder.path().join("k8s").join(&first[0]).join("notes.txt"), "mine").unwrap();
    rules(&folder, &["rollout", "--by", "namespace", "--out", "k8s"]).success();
    let second = steps();
    assert_eq!((first.len(), second.len()), (3, 3), "{first:?} {second:?}");
    assert!(second.contains(&first[0]) && !second.contains(&first[1]), "{first:?} {second:?}");
    let wrong = rules(&folder, &["rollout", "--level", "service"]).code(2);
    assert!(stderr(&wrong).contains("nftables rules name every address"), "{}", stderr(&wrong));
}
