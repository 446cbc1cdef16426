//! `watershed rules check`: policies against a capture.

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
