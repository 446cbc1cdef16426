//! As many pods as a large cluster has in a namespace or two.

use watershed_tests::kubernetes::ControlPlane;

use crate::cluster::{Cluster, Pod, Watcher};

const PODS: usize = 5_000;

#[test]
fn five_thousand_pods_are_listed_page_by_page_and_watched_one_by_one() {
    let plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    cluster.namespace("shop");
    let pods: Vec<Pod<'_>> = (0..PODS)
        .map(|number| {
            let address = format!("10.{}.{}.{}", 1 + number / 65_536, number / 256 % 256, number % 256);
            Pod::new("shop", &format!("web-{number}"), &address).owned_by("apps/v1", "StatefulSet", "web")
        })
        .collect();
    let (listed, watched) = pods.split_at(PODS / 2);
    cluster.pods(listed);
    let mut watcher = Watcher::start(&plane.kubeconfig());
    watcher.until("half of them are known", |watcher| watcher.status().objects[3] == listed.len());
    cluster.pods(watched);
    watcher.until("all of them are known", |watcher| watcher.status().objects[3] == PODS);
    for pod in [&pods[0], &pods[listed.len()], &pods[PODS - 1]] {
        watcher.until_who(&pod.addresses[0], Some("statefulset shop/web"));
    }
    let status = watcher.status();
    assert_eq!((status.lists[3], status.troubles), (1, [0; 6]), "{status:#?}");
}
