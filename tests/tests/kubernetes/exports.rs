//! Every exported object of every dialect, as a real API server takes it: strictly, without keeping it.
//!
//! Cilium's, Istio's and the network-policy-api's own CustomResourceDefinitions are in their Go modules. Calico's newest
//! module that can be had has none for `projectcalico.org/v3`, which its own API server serves: its Go types judge
//! these objects, in `policy/tests/apis.rs`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use watershed_model::{Edge, Party, Protocol};
use watershed_policy::export::directory::Directory;
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::export::{cilium, cluster, kubernetes};
use watershed_policy::mine::{Census, Level, mine};
use watershed_tests::estate::{Config, Estate};
use watershed_tests::kubernetes::ControlPlane;

use crate::cluster::Cluster;

/// Definitions: the module among whose needs it is, the module, the file in it, and the name.
const DEFINITIONS: [[&str; 4]; 3] = [
    [
        "cilium",
        "github.com/cilium/cilium",
        "pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml",
        "ciliumnetworkpolicies.cilium.io",
    ],
    [
        "cilium",
        "sigs.k8s.io/network-policy-api",
        "config/crd/experimental/policy.networking.k8s.io_clusternetworkpolicies.yaml",
        "clusternetworkpolicies.policy.networking.k8s.io",
    ],
    [
        "apis",
        "istio.io/api",
        "kubernetes/customresourcedefinitions.gen.yaml",
        "authorizationpolicies.security.istio.io",
    ],
];

/// How often a definition that was made is asked for, and how many times: half a minute.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_TIMES: u32 = 300;

#[test]
fn every_exported_object_is_taken_strictly() {
    let plane = ControlPlane::start().unwrap();
    let cluster = Cluster::connect(&plane.kubeconfig());
    for [judge, module, file, name] in DEFINITIONS {
        define(&cluster, &module_of(judge, module).join(file), name);
    }
    let estate = Estate::new(&Config { applications: 4, calls: 2, observed: 0.97, seed: 7 });
    for namespace in ["infra", "app0000", "app0001", "app0002", "app0003"] {
        cluster.namespace(namespace);
    }
    let census = Census::of(edges(&estate), &estate.workloads).unwrap();
    let (mut taken, mut complaints) = ([0; 4], Vec::new());
    for level in Level::ALL {
        for (at, export) in exports(&census, level).into_iter().enumerate() {
            let files = export.files.iter().filter(|(path, _)| !path.ends_with("kustomization.yaml"));
            for (path, text) in files {
                for document in text.split("\n---\n") {
                    taken[at] += 1;
                    match cluster.post_yaml(&place(document), document) {
                        Ok(_) => {}
                        Err(error) => complaints.push(format!("{level} {path}: {error}\n{document}")),
                    }
                }
            }
            // The server is as strict as is meant: an unknown field is refused.
            let (path, text) = export.files.iter().find(|(path, _)| path.starts_with("allow/")).unwrap();
            let broken = text.replace("\nspec:\n", "\nspec:\n  unheard: 1\n");
            assert!(cluster.post_yaml(&place(&broken), &broken).is_err(), "{path}: an unknown field");
        }
    }
    let [kubernetes, cluster_wide, cilium, istio] = taken;
    println!(
        "the API server takes {kubernetes} NetworkPolicies, {cluster_wide} ClusterNetworkPolicies, {cilium} CiliumNetworkPolicies and {istio} AuthorizationPolicies; {} refused",
        complaints.len()
    );
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What the estate has, and what only some dialects can say: names, both IP versions, every transport.
fn edges(estate: &Estate) -> Vec<Edge> {
    let mut edges: Vec<Edge> = estate.edges().collect();
    let like = edges.iter().find(|edge| edge.key.port == 8080).unwrap().clone();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for (server, name) in
        [("198.51.100.20", Some("api.partner.example")), ("2001:db8::20", None), ("192.0.2.1", None)]
    {
        let mut edge = like.clone();
        edge.key.server = Party::Address(address(server));
        edge.key.port = 443;
        edge.server_addresses = [address(server)].into();
        edge.names.extend(name.map(Into::into));
        edges.push(edge);
    }
    for (protocol, port) in [(Protocol::SCTP, 9900), (Protocol::UDP, 40_000), (Protocol::ICMP, 8)] {
        let mut edge = like.clone();
        (edge.key.protocol, edge.key.port) = (protocol, port);
        edges.push(edge);
    }
    for client in ["203.0.113.9", "2001:db8:9::9"] {
        let mut edge = like.clone();
        edge.key.client = Party::Address(address(client));
        edge.client_addresses = [address(client)].into();
        edges.push(edge);
    }
    edges
}

fn exports(census: &Census, level: Level) -> [Directory; 4] {
    let plan = mine(census, level);
    [
        kubernetes::export(census, &plan).unwrap(),
        cluster::export(census, &plan).unwrap(),
        cilium::export(census, &plan).unwrap(),
        istio::export(census, &Sayable::of(census, plan)).unwrap(),
    ]
}

/// Where such an object is made, without being kept.
fn place(document: &str) -> String {
    let field = |name: &str| {
        let line = document.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {document}")).trim_matches('"')
    };
    let collection = match field("kind: ") {
        "NetworkPolicy" => "networkpolicies",
        "ClusterNetworkPolicy" => "clusternetworkpolicies",
        "CiliumNetworkPolicy" => "ciliumnetworkpolicies",
        "AuthorizationPolicy" => "authorizationpolicies",
        other => panic!("{other} is not known"),
    };
    let within = match collection {
        "clusternetworkpolicies" => String::new(),
        _ => format!("namespaces/{}/", field("  namespace: ")),
    };
    format!("/apis/{}/{within}{collection}?dryRun=All&fieldValidation=Strict", field("apiVersion: "))
}

/// The folder of a module's source, which Go has fetched for a judge.
fn module_of(judge: &str, module: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("support").join(judge);
    let go = |arguments: &[&str]| {
        let done = Command::new("go").args(arguments).current_dir(&folder).output();
        let done = done.unwrap_or_else(|error| panic!("cannot run go, which this needs: {error}"));
        assert!(
            done.status.success(),
            "go {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    };
    go(&["mod", "download", module]);
    go(&["list", "-m", "-f", "{{.Dir}}", module]).trim().into()
}

/// Makes a definition, and waits until the server knows it.
fn define(cluster: &Cluster, file: &Path, name: &str) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let is_it = |document: &&str| document.lines().any(|line| line == format!("  name: {name}"));
    let definition =
        text.split("\n---\n").find(is_it).unwrap_or_else(|| panic!("no {name} in {}", file.display()));
    let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    cluster.post_yaml(all, definition).unwrap_or_else(|error| panic!("{name}: {error}"));
    for _ in 0..ASK_TIMES {
        let told = cluster.ask("GET", &format!("{all}/{name}"), &serde_json::Value::Null);
        let conditions = told["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True") {
            return;
        }
        std::thread::sleep(ASK_EVERY);
    }
    panic!("waited in vain until {name} is established");
}
