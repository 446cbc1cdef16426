//! Reports of `rules check` against the schemas that are published for their formats: SARIF 2.1.0, and JUnit's XML as
//! Jenkins reads it. Needs Node 20 and, the first time, its package index.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use watershed_tests::binary;

fn support(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/reports").join(name)
}

fn watershed(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary::watershed().unwrap_or_else(|error| panic!("{error}")));
    command.env_clear().current_dir(folder.path()).args(arguments).output().unwrap()
}

/// What is wrong with the files, by their schemas; empty where nothing is.
fn faults(folder: &TempDir, files: &[&str]) -> String {
    let checked = Command::new(support("check")).current_dir(folder.path()).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    let faults = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() || !faults.is_empty(), "Node and npm are needed: {said}");
    faults
}

/// Policies with something of everything to tell, hostile names among it.
const POLICIES: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: \"db <&>\\\"'\\x01\", namespace: shop}
spec:
  podSelector: {matchLabels: {role: db}}
  policyTypes: [Ingress]
  ingress:
  # admits nothing that was not observed; 1 in all
  - from: [{podSelector: {matchLabels: {role: nobody}}}]
  - from: [{namespaceSelector: {}}]
    ports: [{port: 1}]
  egress:
  - {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - ports: [{port: 80, endPort: 8080}]
  - ports: [{port: 80}]
";

/// A folder with a store of the committed recording, and policies.
fn setting() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/recording");
    fs::copy(recording.join("shop.pcapng"), folder.path().join("shop.pcapng")).unwrap();
    // Policies select what is in a namespace.
    let inventory = fs::read_to_string(recording.join("inventory.yaml")).unwrap();
    let inventory = inventory.replace("\n  name: ", "\n  namespace: shop\n  name: ");
    fs::write(folder.path().join("inventory.yaml"), inventory).unwrap();
    fs::write(folder.path().join("own.yaml"), POLICIES).unwrap();
    let filled =
        watershed(&folder, &["discover", "shop.pcapng", "-i", "inventory.yaml", "--store", "sqlite:s.db"]);
    assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
    let exported = watershed(
        &folder,
        &["rules", "export", "--to", "nftables", "--store", "sqlite:s.db", "--out", "out"],
    );
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    folder
}

#[test]
fn sarif_and_junit_are_what_their_schemas_say() {
    let folder = setting();
    let default_deny: &[&str] = &["out/default-deny.nft"];
    let sets: [(&str, &[&str]); 3] = [("own", &["own.yaml"]), ("export", &["out"]), ("closed", default_deny)];
    let mut files = Vec::new();
    for (name, policies) in sets {
        for (format, file) in [("sarif", format!("{name}.sarif")), ("junit", format!("{name}.xml"))] {
            let mut arguments =
                vec!["rules", "check", "-i", "inventory.yaml", "--store", "sqlite:s.db", "--format", format];
            arguments.extend(policies);
            let checked = watershed(&folder, &arguments);
            let said = String::from_utf8_lossy(&checked.stderr);
            let expected = if name == "export" { 0 } else { 1 };
            assert_eq!(checked.status.code(), Some(expected), "{name} {format}: {said}");
            fs::write(folder.path().join(&file), &checked.stdout).unwrap();
            files.push(file);
        }
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(faults(&folder, &files), "");
    for kind in
        ["would-be-denied", "matches-nothing", "admits-more-than-stated", "shadowed-rule", "passed-over"]
    {
        let text = fs::read_to_string(folder.path().join("own.sarif")).unwrap();
        assert!(text.contains(&format!("\"ruleId\": \"{kind}\"")), "{kind} is missing in\n{text}");
    }
}

#[test]
fn the_schemas_refuse_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let sarif = "{\"version\": \"2.1.0\", \"runs\": [{\"results\": []}]}";
    fs::write(folder.path().join("a.sarif"), sarif).unwrap();
    fs::write(folder.path().join("a.xml"), "<testsuites><testsuite/></testsuites>").unwrap();
    let told = faults(&folder, &["a.sarif", "a.xml"]);
    assert!(
        told.contains("should have required property 'tool'")
            && told.contains("attribute 'name' is required"),
        "{told}"
    );
}
