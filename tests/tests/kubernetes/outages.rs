//! An API server that goes away and comes back, having forgotten what was.

use watershed_aggregator::inventory::kubernetes::{Kind, Trouble};
use watershed_tests::kubernetes::ControlPlane;

use crate::cluster::{Cluster, Pod, Watcher};

#[test]
fn what_changed_while_the_server_was_away_is_known_when_it_is_back() {
    let mut plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    cluster.namespace("shop");
    for (name, address) in [("a", "10.1.0.1"), ("b", "10.1.0.2")] {
        cluster.pod(&Pod::new("shop", name, address).owned_by("apps/v1", "StatefulSet", name));
    }
    let mut watcher = Watcher::start(&plane.kubeconfig());
    watcher.until_who("10.1.0.2", Some("statefulset shop/b"));
    let lists = watcher.status().lists;

    plane.kill();
    watcher.until("it is noticed", |watcher| watcher.status().failing.iter().all(Option::is_some));
    watcher.until_who("10.1.0.1", Some("statefulset shop/a"));
    plane.pass_a_revision().unwrap();
    plane.restart().unwrap();
    // The server that comes back knows nothing of the time before: whoever asks for changes since then is refused, and
    // lists all again.
    cluster.delete("/api/v1/namespaces/shop/pods/a");
    cluster.pod(&Pod::new("shop", "c", "10.1.0.3").owned_by("apps/v1", "StatefulSet", "c"));
    watcher.until_who("10.1.0.1", None);
    watcher.until_who("10.1.0.3", Some("statefulset shop/c"));
    watcher.until_who("10.1.0.2", Some("statefulset shop/b"));
    watcher.until("nothing fails any more", |watcher| watcher.status().failing.iter().all(Option::is_none));
    let status = watcher.status();
    for kind in Kind::ALL {
        let (before, after) = (lists[kind as usize], status.lists[kind as usize]);
        assert!(after > before, "{} is listed again: {status:#?}", kind.as_str());
    }
    let kinds = Kind::ALL.len() as u64;
    assert!(status.troubles[Trouble::Expired as usize] >= kinds, "{status:#?}");
    assert!(status.troubles[Trouble::Unreachable as usize] >= kinds, "{status:#?}");
}
