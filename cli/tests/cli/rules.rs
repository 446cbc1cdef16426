//! `watershed rules check`: policies against a capture or a store.

use std::fs;

use crate::{capture, folder, stderr, stdout, watershed};

const INVENTORY: &str = "
- {name: browser, address: 10.0.0.1, namespace: shop, labels: {app: browser}}
- {name: web, address: 10.0.0.2, namespace: shop, labels: {app: web}}
- {name: dns, address: 10.0.0.53, namespace: infra, labels: {app: dns}}
";

fn policy(ingress: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: web}}}}\n  ingress:\n{ingress}"
    )
}

/// A folder with the capture, the inventory and one policy in a directory.
fn setting(policy: &str) -> tempfile::TempDir {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    fs::write(folder.path().join("hosts.yaml"), INVENTORY).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/web.yaml"), policy).unwrap();
    folder
}

const CHECK: [&str; 6] = ["rules", "check", "policies", "--inventory", "hosts.yaml", "--capture"];

#[test]
fn what_is_allowed_passes() {
    let folder = setting(&policy(
        "  - from: [{podSelector: {matchLabels: {app: browser}}}]\n    ports: [{port: 80}]\n",
    ));
    let text = stdout(&watershed(&folder).args(CHECK).arg("shop.pcap").assert().code(0).stderr(""));
    for expected in [
        "1 policy for 3 workloads\n",
        "2 dependencies observed: 2 allowed, 0 denied",
        "\nNothing observed would be denied\n",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn what_would_be_denied_fails_and_is_told_in_each_format() {
    let folder = setting(&policy(
        "  - from: [{podSelector: {matchLabels: {app: brouser}}}]\n  - ports: [{port: 443}]\n",
    ));
    let run = |format: &str| {
        let mut command = watershed(&folder);
        let assert = command.args(CHECK).args(["shop.pcap", "--format", format]).assert().code(1);
        assert_eq!(stderr(&assert), "watershed: the policies would deny 1 of 2 observed dependencies\n");
        stdout(&assert)
    };
    let text = run("text");
    for expected in [
        "WOULD BE DENIED  1\n",
        "shop/browser -> shop/web tcp/80  2 times, 2023-11-14 22:13:20 to 2023-11-14 22:13:2",
        "ingress: shop/web\n",
        "policies/web.yaml:7:12  shop/web, ingress peer  no pod there has app=brouser; some have app=browser\n",
        "policies/web.yaml:8:5  shop/web  ingress\n",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    let markdown = run("markdown");
    assert!(
        markdown.starts_with("## 1 observed dependency would be denied; 1 selector matches nothing\n"),
        "{markdown}"
    );
    assert!(markdown.contains("| shop/browser -\\> shop/web tcp/80 |"), "{markdown}");
    let json: serde_json::Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(json["denied"][0]["client"], "shop/browser");
    assert_eq!(json["reach"]["pairs"], 6);
}

#[test]
fn without_a_capture_policies_and_selectors_are_checked() {
    let folder = setting(&policy("  - from: [{namespaceSelector: {matchLabels: {team: a}}}]\n"));
    let command = || {
        let mut command = watershed(&folder);
        command.args(["rules", "check", "policies", "-i", "hosts.yaml"]);
        command
    };
    let text = stdout(&command().assert().code(0));
    assert!(
        text.contains("no namespace has team=a") && text.contains("\nThe policies are valid; 1 selector"),
        "{text}"
    );
    let namespace = "kind: Namespace\napiVersion: v1\nmetadata: {name: infra, labels: {team: a}}\n";
    fs::write(folder.path().join("policies/infra.yml"), namespace).unwrap();
    assert!(!stdout(&command().assert().code(0)).contains("no namespace has"));
}

#[test]
fn bad_policies_are_told_with_file_and_line() {
    let folder = setting(&policy("  - from: [{ipBlock: {cidr: 10.0.0.1/24}}]\n    port: 80\n"));
    let told = stderr(&watershed(&folder).args(CHECK).arg("shop.pcap").assert().code(2).stdout(""));
    assert_eq!(
        told,
        "watershed: cannot use the policies: 2 problems\n  policies/web.yaml:7:29: 10.0.0.1/24 has host bits set; write 10.0.0.0/24 for the network, or 10.0.0.1/32 for the one address\n  policies/web.yaml:8:5: unknown field `port` in a rule of ingress; known are from, ports\n"
    );
}

#[test]
fn what_cannot_be_checked_says_what_to_do() {
    let folder = setting(&policy("  - {}\n"));
    let fails = |arguments: &[&str], expected: &str| {
        let mut command = watershed(&folder);
        let told = stderr(&command.args(["rules", "check"]).args(arguments).assert().code(2).stdout(""));
        assert!(told.contains(expected), "{told}");
    };
    fails(&["policies"], "no workload has a namespace");
    fails(&["missing.yaml"], "cannot read policy missing.yaml");
    fails(&["hosts.yaml"], "there is no policy in hosts.yaml");
    fails(&["shop.pcap"], "cannot use policy shop.pcap: it is not UTF-8");
}

/// The setting with a store of the capture beside it.
fn stored(policy: &str) -> tempfile::TempDir {
    let folder = setting(policy);
    let arguments = ["discover", "shop.pcap", "-i", "hosts.yaml", "--store", "sqlite:edges.db"];
    watershed(&folder).args(arguments).assert().success();
    folder
}

const STORED: [&str; 6] = ["rules", "check", "-i", "hosts.yaml", "--store", "sqlite:edges.db"];

#[test]
fn a_store_is_as_good_as_a_capture() {
    let folder = stored(&policy("  - from: [{podSelector: {matchLabels: {app: brouser}}}]\n"));
    let by_capture = stdout(&watershed(&folder).args(CHECK).arg("shop.pcap").assert().code(1));
    let by_store = stdout(&watershed(&folder).args(STORED).arg("policies").assert().code(1));
    assert_eq!(by_capture, by_store);
    // In an hour of nothing nothing is denied.
    let before = ["policies", "--to", "2023-01-01"];
    let told = stdout(&watershed(&folder).args(STORED).args(before).assert().code(0));
    assert!(told.contains("0 dependencies observed"), "{told}");
    let wrong = ["rules", "check", "policies", "-i", "hosts.yaml", "--since", "7d"];
    let told = stderr(&watershed(&folder).args(wrong).assert().code(2));
    assert!(told.contains("choose from a store, and captures are read whole"), "{told}");
}

#[test]
fn exports_of_every_dialect_pass_as_they_are_and_fail_when_they_are_widened() {
    let folder = stored(&policy("  - {}\n"));
    let port = |dialect: &str| match dialect {
        "k8s" => ("port: 80\n", "port: 80\n      endPort: 90\n"),
        "cnp" => ("number: 80\n", "range: {start: 80, end: 90}\n"),
        "cilium" => ("port: \"80\"\n", "port: \"80\"\n        endPort: 90\n"),
        "calico" | "calico-staged" => ("- 80\n", "- \"80:90\"\n"),
        "istio" => ("- \"80\"\n", "- \"80\"\n        - \"81\"\n"),
        _ => ("tcp dport 80 ", "tcp dport 80-90 "),
    };
    for dialect in ["k8s", "cnp", "cilium", "calico", "calico-staged", "istio", "nftables"] {
        let export = ["rules", "export", "--store", "sqlite:edges.db", "--to", dialect, "--out", dialect];
        watershed(&folder).args(export).assert().success();
        let told = stdout(&watershed(&folder).args(STORED).arg(dialect).assert().code(0).stderr(""));
        assert!(told.contains("2 allowed, 0 denied") || dialect == "istio", "{dialect}: {told}");
        assert!(told.contains("state what they admit; 0 of them admit more"), "{dialect}: {told}");
        let (from, to) = port(dialect);
        let mut edited = 0;
        for entry in walk(&folder.path().join(dialect)) {
            let text = fs::read_to_string(&entry).unwrap();
            if text.contains(from) && !entry.ends_with("mined.json") {
                fs::write(&entry, text.replace(from, to)).unwrap();
                edited += 1;
            }
        }
        assert!(edited > 0, "{dialect}");
        let assert = watershed(&folder).args(STORED).arg(dialect).assert().code(1);
        assert!(stderr(&assert).contains("admit more than the comments above them state"), "{dialect}");
        assert!(stdout(&assert).contains("ADMIT MORE THAN THEY STATE"), "{dialect}");
    }
}

/// Files of a directory and of those in it.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_limit_and_an_older_version_decide_whether_more_may_be_admitted() {
    let folder = stored(&policy("  - from: [{podSelector: {}}]\n    ports: [{port: 80}]\n"));
    let check = |more: &[&str], code: i32| {
        let assert = watershed(&folder).args(STORED).arg("policies").args(more).assert().code(code);
        stdout(&assert) + &stderr(&assert)
    };
    // Of two clients one is the server itself.
    check(&["--admit-at-most", "1"], 0);
    let told = check(&["--admit-at-most", "0"], 1);
    assert!(
        told.contains("1 connection admitted without having been observed, and at most 0 may be"),
        "{told}"
    );
    assert!(told.contains("WIDER THAN WHAT TALKS"), "{told}");
    fs::create_dir(folder.path().join("old")).unwrap();
    let narrow =
        policy("  - from: [{podSelector: {matchLabels: {app: browser}}}]\n    ports: [{port: 80}]\n");
    fs::write(folder.path().join("old/web.yaml"), narrow).unwrap();
    check(&["--against", "old"], 0);
    fs::write(folder.path().join("policies/web.yaml"), policy("  - ports: [{port: 80}, {port: 81}]\n"))
        .unwrap();
    let told = check(&["--against", "old"], 1);
    assert!(
        told.contains("NEWLY ADMITTED, AND NOT OBSERVED  2") && told.contains("infra/dns -> shop/web"),
        "{told}"
    );
    check(&["--against", "old", "--admit-at-most", "3"], 0);
    let wrong = ["rules", "check", "policies", "-i", "hosts.yaml", "--admit-at-most", "0"];
    let told = stderr(&watershed(&folder).args(wrong).assert().code(2));
    assert!(told.contains("there is no traffic to tell"), "{told}");
}

#[test]
fn a_certificate_says_what_was_checked_whether_it_passed_or_not() {
    let folder = stored(&policy("  - from: [{podSelector: {}}]\n    ports: [{port: 80}]\n"));
    let certificate = |code: i32| -> serde_json::Value {
        let arguments = ["policies", "--certificate", "checked.json"];
        watershed(&folder).args(STORED).args(arguments).assert().code(code);
        serde_json::from_str(&fs::read_to_string(folder.path().join("checked.json")).unwrap()).unwrap()
    };
    let passed = certificate(0);
    assert_eq!(passed["passed"], true);
    assert_eq!(passed["files"][0]["path"], "policies/web.yaml");
    fs::write(folder.path().join("policies/web.yaml"), policy("  - ports: [{port: 81}]\n")).unwrap();
    let failed = certificate(1);
    assert_eq!(failed["passed"], false);
    assert_eq!(failed["failures"][0], "the policies would deny 1 of 2 observed dependencies");
    assert_eq!(failed["input_sha256"], passed["input_sha256"]);
    assert_ne!(failed["files"][0]["sha256"], passed["files"][0]["sha256"]);
}

#[test]
fn what_was_excluded_by_decision_is_denied_on_purpose() {
    let folder = stored(&policy("  - ports: [{port: 81}]\n"));
    let decisions =
        "version: 1\nexclude:\n- {client: {namespace: shop, labels: {app: browser}}, comment: gone soon}\n";
    fs::write(folder.path().join("decisions.yaml"), decisions).unwrap();
    let arguments = ["policies", "--decisions", "decisions.yaml"];
    let told = stdout(&watershed(&folder).args(STORED).args(arguments).assert().code(0));
    assert!(told.contains("excluded by decision"), "{told}");
}
