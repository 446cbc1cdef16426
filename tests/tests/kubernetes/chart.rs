//! Helm's chart before a real API server: every object that it renders is one that the server would take.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use watershed_tests::kubernetes::ControlPlane;

use crate::cluster::Cluster;

const NAMESPACE: &str = "observe";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The chart rendered by Helm with a file of values.
fn rendered(values: &[&str]) -> Vec<Value> {
    let made = Command::new(root().join("tests/support/go-judge")).arg("deploy").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let judge = String::from_utf8(made.stdout).unwrap();
    let mut command = Command::new(judge.trim());
    command.current_dir(root()).args(["helm", "deploy/helm/watershed", NAMESPACE]).args(values);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{values:?}: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where objects of a kind are made; `None` of a kind that comes with the Prometheus operator, whose own types have
/// judged it already.
fn place(object: &Value) -> Option<String> {
    let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    if version.starts_with("monitoring.coreos.com/") {
        return None;
    }
    let group = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
    let plural = match kind {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let within = if kind.starts_with("Cluster") { String::new() } else { format!("/namespaces/{NAMESPACE}") };
    Some(format!("{group}{within}/{plural}?dryRun=All&fieldValidation=Strict"))
}

#[test]
fn a_real_api_server_takes_every_object_of_the_chart() {
    let plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    cluster.namespace(NAMESPACE);
    for (values, kinds) in [
        (&[][..], 7),
        (&["deploy/helm/watershed/values-hardened.yaml"], 9),
        (&["deploy/helm/watershed/values-large.yaml"], 9),
    ] {
        let mut taken = std::collections::BTreeSet::new();
        for object in rendered(values) {
            let Some(path) = place(&object) else { continue };
            let kept = cluster.ask("POST", &path, &object);
            assert_eq!(kept["metadata"]["name"], object["metadata"]["name"]);
            taken.insert(object["kind"].as_str().unwrap().to_owned());
        }
        assert_eq!(taken.len(), kinds, "{taken:?}");
    }
    // A field that no pod has is one that it would not take.
    let mut wrong = rendered(&[]).into_iter().find(|object| object["kind"] == "DaemonSet").unwrap();
    wrong["spec"]["template"]["spec"]["hostNetworks"] = true.into();
    let path = place(&wrong).unwrap();
    let refused =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cluster.ask("POST", &path, &wrong)));
    assert!(refused.is_err());
}
