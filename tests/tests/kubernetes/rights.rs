//! What `deploy/kubernetes/rbac.yaml` lets the program see: all that it reads, and nothing else.

use std::fs;
use std::path::Path;

use kube::config::Kubeconfig;
use serde_json::json;
use watershed_tests::kubernetes::ControlPlane;

use crate::cluster::{Cluster, Pod, Watcher};

const ACCOUNT: &str = "system:serviceaccount:watershed:watershed";

/// Where each object of the manifest is created.
const PLACES: [(&str, &str); 3] = [
    ("ServiceAccount", "/api/v1/namespaces/watershed/serviceaccounts"),
    ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
];

/// Creates the objects of the manifest, each as it is written.
fn apply_manifest(cluster: &Cluster) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes/rbac.yaml");
    let text = fs::read_to_string(file).unwrap();
    let objects: Vec<&str> = text.split("\n---\n").collect();
    assert_eq!(objects.len(), PLACES.len());
    for (object, (kind, place)) in objects.into_iter().zip(PLACES) {
        assert!(object.contains(&format!("\nkind: {kind}\n")), "{object}");
        cluster.post_yaml(place, object).unwrap();
    }
}

#[test]
fn the_account_of_the_manifest_sees_what_is_watched_and_nothing_else() {
    let plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    cluster.namespace("watershed");
    cluster.namespace("shop");
    apply_manifest(&cluster);
    cluster.pod(&Pod::new("shop", "db-0", "10.1.0.1").owned_by("apps/v1", "StatefulSet", "db"));

    let mut account = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    for user in &mut account.auth_infos {
        user.auth_info.get_or_insert_default().impersonate = Some(ACCOUNT.to_owned());
    }
    let kubeconfig = plane.kubeconfig().with_file_name("account");
    fs::write(&kubeconfig, serde_json::to_string(&account).unwrap()).unwrap();
    let mut watcher = Watcher::start(&kubeconfig);
    watcher.until("all is listed", |watcher| watcher.status().lists.iter().all(|lists| *lists > 0));
    watcher.until_who("10.1.0.1", Some("statefulset shop/db"));
    cluster.pod(&Pod::new("shop", "db-1", "10.1.0.2").owned_by("apps/v1", "StatefulSet", "db"));
    watcher.until_who("10.1.0.2", Some("statefulset shop/db"));
    let status = watcher.status();
    assert_eq!((status.troubles, status.lists), ([0; 6], [1; 6]), "{status:#?}");

    let account = Cluster::connect(&kubeconfig);
    for path in ["/api/v1/secrets", "/api/v1/configmaps", "/api/v1/namespaces/shop/pods/db-0/log"] {
        assert_eq!(account.refusal("GET", path, &json!({})), 403, "{path}");
    }
    let name = json!({"metadata": {"name": "more"}});
    assert_eq!(account.refusal("POST", "/api/v1/namespaces", &name), 403);
    assert_eq!(account.refusal("DELETE", "/api/v1/namespaces/shop/pods/db-0", &json!({})), 403);
}
