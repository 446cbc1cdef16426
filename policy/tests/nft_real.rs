//! nftables itself takes the export: loaded into a network namespace of its own, which vanishes with the test.

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

use common::shop;
use watershed_policy::RuleSet;
use watershed_policy::export::nftables::{self, Nftables};
use watershed_policy::nft::Hook;

/// Loads `text` into an empty namespace and returns what nft then lists.
fn load(text: &str) -> String {
    let version = Command::new("nft").arg("--version").output();
    assert!(version.is_ok(), "nft is not installed: make deps");
    let script = "nft --check --file - <<'END' && nft --file - <<'END' && nft list ruleset";
    let script = format!("{script}\n{text}END\n{text}END\n");
    let mut child = Command::new("unshare")
        // As root of a user namespace, which anyone may be.
        .args(["--map-root-user", "--net", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare is not installed: make deps");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("script");
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn export(hook: Hook) -> Nftables {
    nftables::export(&RuleSet::from_edges(&shop(), &[]).expect("rules"), hook)
}

#[test]
fn nft_loads_what_is_exported() {
    for hook in [Hook::Forward, Hook::Input] {
        let files = export(hook);
        let listed = load(&files.allow);
        assert_eq!(listed.matches("policy accept").count(), 1, "{listed}");
        let accepts = |text: &str| text.matches(" accept").count() - 1;
        assert_eq!(accepts(&listed), accepts(&files.allow), "{listed}");

        let enforced = format!("{}{}", files.allow, files.default_deny);
        assert_eq!(load(&enforced).matches("policy drop").count(), 1);
        assert_eq!(load(&format!("{enforced}{}", files.revert)), listed);
        assert_eq!(load(&format!("{0}{0}", files.allow)), listed);
    }
}
