//! The lab's edges as rules of every dialect, at every level: proven, and held against the engines there are.
//!
//! The lab's machines stand for pods of two namespaces here, since most dialects are about pods; who is outside stays
//! an address. nftables is enforced for real: see `live`.

#[path = "../../../policy/tests/judges/ask.rs"]
mod judges;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use watershed_model::{Labels, Protocol};
use watershed_policy::Service;
use watershed_policy::k8s::{Blocks, End, Manifests, Pod, World};
use watershed_policy::layers::{Layers, Names};
use watershed_tests::binary;

use crate::lab;
use crate::truth::Truth;

const LEVELS: [&str; 3] = ["nano", "service", "ring-fence"];

/// With selectors; nftables' rules are always exact.
const DIALECTS: [&str; 6] = ["k8s", "cnp", "cilium", "calico", "calico-staged", "istio"];

#[test]
fn the_lab_is_proven_in_every_dialect_and_engines_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (inventory, store) = (folder.path().join("inventory.yaml"), folder.path().join("lab.db"));
    let known = with_namespaces(&fs::read_to_string(lab("recording/inventory.yaml")).unwrap());
    fs::write(&inventory, &known).unwrap();
    let location = format!("sqlite:{}", store.display());
    let capture = lab("recording/shop.pcapng");
    watershed(&[
        "discover".as_ref(),
        capture.as_os_str(),
        "--inventory".as_ref(),
        inventory.as_os_str(),
        "--store".as_ref(),
        location.as_ref(),
        "--out".as_ref(),
        folder.path().join("map").as_os_str(),
    ]);
    let ends = Ends::of(&known);
    for dialect in DIALECTS {
        for level in LEVELS {
            let out = folder.path().join(format!("{dialect}-{level}"));
            watershed(&[
                "rules".as_ref(),
                "export".as_ref(),
                "--to".as_ref(),
                dialect.as_ref(),
                "--level".as_ref(),
                level.as_ref(),
                "--store".as_ref(),
                location.as_ref(),
                "--out".as_ref(),
                out.as_os_str(),
            ]);
            let certificate: Value =
                serde_json::from_str(&fs::read_to_string(out.join("certificate.json")).unwrap()).unwrap();
            let number =
                |key: &str| certificate[key].as_u64().unwrap_or_else(|| panic!("no {key}: {certificate}"));
            let (replayed, denied) = (number("dependencies_replayed"), number("probes_denied"));
            assert!(replayed > 0 && denied > 0, "{dialect} {level}: {certificate}");
            let told = judged(dialect, level, &ends, &policies(&out));
            println!(
                "lab as {dialect}, {level}: all {replayed} dependencies allowed, all {denied} probes denied; {told}"
            );
        }
    }
}

/// What the dialect's engine says, held against our evaluator and the truth.
fn judged(dialect: &str, level: &str, ends: &Ends, policies: &[String]) -> String {
    match dialect {
        "k8s" => {
            let answer = judges::ask("networkpolicy", &[ends.for_cyclonus(policies)]).remove(0);
            let said = |key: &str| answer[key].as_str().unwrap_or_default().bytes().collect::<Vec<_>>();
            let both = said("egress").into_iter().zip(said("ingress"));
            let theirs: Vec<bool> = both.map(|both| both == (b'1', b'1')).collect();
            ends.compare("Cyclonus", policies, told(ends.each_way(), theirs, &answer))
        }
        "cnp" => {
            let answer = judges::ask("kubenetworkpolicies", &[ends.for_cyclonus(policies)]).remove(0);
            let theirs = told(ends.each_way(), digits(&answer, "allowed"), &answer);
            ends.compare("Kubernetes' own implementation", policies, theirs)
        }
        // A name stands for no address in this engine by itself.
        "cilium" if level == "nano" => {
            let answer = judges::ask("cilium", &[ends.for_cilium(policies)]).remove(0);
            let theirs = told(ends.each_way(), digits(&answer, "allowed"), &answer);
            ends.compare("Cilium's engine", policies, theirs)
        }
        "cilium" => {
            let question = json!({"policies": policies, "ends": [], "services": []});
            let answer = judges::ask("cilium", &[question]).remove(0);
            assert_eq!(answer.get("error"), None, "{answer}");
            format!("Cilium takes its {} policies", policies.len())
        }
        "istio" => {
            let answer = judges::ask("istio", &[ends.for_istio(policies)]).remove(0);
            let theirs = told(ends.to_sidecars(), digits(&answer, "enforced"), &answer);
            ends.compare("Istio's own code", policies, theirs)
        }
        "calico" | "calico-staged" => {
            let questions: Vec<Value> = policies.iter().map(|text| json!({"object": text})).collect();
            for (answer, text) in judges::ask("apis", &questions).iter().zip(policies) {
                assert_eq!(answer["error"], "", "{text}");
            }
            format!("its own types hold its {} objects", policies.len())
        }
        other => panic!("nobody judges {other}"),
    }
}

/// What a judge says of each connection that it was asked about, in order.
fn digits(answer: &Value, key: &str) -> Vec<bool> {
    answer[key].as_str().unwrap_or_default().bytes().map(|digit| digit == b'1').collect()
}

/// Service, client and server, by their places.
type Asked = (usize, usize, usize);

/// What was said of each.
fn told(asked: impl Iterator<Item = Asked>, said: Vec<bool>, answer: &Value) -> Vec<(Asked, bool)> {
    let asked: Vec<Asked> = asked.collect();
    assert_eq!(asked.len(), said.len(), "{answer}");
    asked.into_iter().zip(said).collect()
}

/// Who takes part, by name, and the services that were used.
struct Ends {
    pods: Vec<Pod>,
    outside: Vec<IpAddr>,
    services: Vec<(String, u16)>,
    /// What was accepted: places of client, server and service.
    accepted: BTreeSet<(usize, usize, usize)>,
}

impl Ends {
    fn of(inventory: &str) -> Self {
        let truth = Truth::read(&lab("recording/truth.json"));
        let pods = pods(inventory);
        let place: BTreeMap<String, usize> =
            pods.iter().enumerate().map(|(at, pod)| (pod.name.clone(), at)).collect();
        let ported = |protocol: &str| ["tcp", "udp", "sctp"].contains(&protocol);
        let used: Vec<_> = truth.accepted().filter(|edge| ported(&edge.usage.protocol)).collect();
        let outside = used.iter().flat_map(|edge| {
            [(&edge.client_name, &edge.usage.client), (&edge.server_name, &edge.usage.server)]
        });
        let outside: BTreeSet<IpAddr> = outside
            .filter(|(name, _)| !place.contains_key(*name))
            .filter_map(|(_, address)| address.parse().ok())
            .collect();
        let outside: Vec<IpAddr> = outside.into_iter().collect();
        let services: BTreeSet<(String, u16)> =
            used.iter().map(|edge| (edge.usage.protocol.to_uppercase(), edge.usage.port)).collect();
        let services: Vec<_> = services.into_iter().collect();
        let end = |name: &str, address: &str| {
            let outside_at = || outside.iter().position(|one| Some(*one) == address.parse().ok());
            place.get(name).copied().or_else(|| outside_at().map(|at| pods.len() + at))
        };
        let accepted = used.iter().filter_map(|edge| {
            let service = (edge.usage.protocol.to_uppercase(), edge.usage.port);
            Some((
                end(&edge.client_name, &edge.usage.client)?,
                end(&edge.server_name, &edge.usage.server)?,
                services.iter().position(|one| *one == service)?,
            ))
        });
        let accepted = accepted.collect();
        Self { pods, outside, services, accepted }
    }

    fn len(&self) -> usize {
        self.pods.len() + self.outside.len()
    }

    fn question(&self, policies: &[String], pod: impl Fn(&Pod) -> Value) -> Value {
        let outside = self.outside.iter().map(|address| json!({"address": address}));
        let services = self.services.iter();
        let services = services.map(|(protocol, port)| json!({"protocol": protocol, "port": port}));
        json!({
            "policies": policies,
            "ends": self.pods.iter().map(pod).chain(outside).collect::<Vec<_>>(),
            "services": services.collect::<Vec<_>>(),
        })
    }

    fn for_cyclonus(&self, policies: &[String]) -> Value {
        self.question(policies, |pod| {
            json!({"address": pod.addresses[0], "pod": {
                "namespace": pod.namespace,
                "namespace_labels": {"kubernetes.io/metadata.name": pod.namespace},
                "labels": pod.labels,
                "ports": {},
            }})
        })
    }

    fn for_cilium(&self, policies: &[String]) -> Value {
        self.question(policies, |pod| {
            let mut labels = pod.labels.clone();
            labels.insert("io.kubernetes.pod.namespace".into(), pod.namespace.clone());
            json!({"labels": labels, "ports": {}})
        })
    }

    /// Clients and servers of TCP, where every pod has a sidecar, and the account that all have.
    fn for_istio(&self, policies: &[String]) -> Value {
        let server = |pod: &Pod| json!({"namespace": pod.namespace, "labels": pod.labels, "address": pod.addresses[0]});
        let client = |pod: &Pod| json!({"address": pod.addresses[0], "namespace": pod.namespace, "account": "default"});
        let outside = self.outside.iter().map(|address| json!({"address": address}));
        let ports = self.services.iter().filter(|(protocol, _)| protocol == "TCP").map(|(_, port)| port);
        json!({
            "policies": policies,
            "servers": self.pods.iter().map(server).collect::<Vec<_>>(),
            "clients": self.pods.iter().map(client).chain(outside).collect::<Vec<_>>(),
            "ports": ports.collect::<Vec<_>>(),
        })
    }

    /// In the order of the answers of those who judge both ends.
    fn each_way(&self) -> impl Iterator<Item = Asked> {
        let (services, ends) = (self.services.len(), self.len());
        (0..services).flat_map(move |service| {
            (0..ends).flat_map(move |client| (0..ends).map(move |server| (service, client, server)))
        })
    }

    /// The same in the order of Istio's answers, which are about servers and TCP.
    fn to_sidecars(&self) -> impl Iterator<Item = Asked> {
        let services = self.services.iter().enumerate().filter(|(_, (protocol, _))| protocol == "TCP");
        let (tcp, ends) = (services.map(|(at, _)| at).collect::<Vec<_>>(), self.len());
        (0..self.pods.len()).flat_map(move |server| {
            let tcp = tcp.clone();
            (0..ends).flat_map(move |client| tcp.clone().into_iter().map(move |one| (one, client, server)))
        })
    }

    /// The answers of an engine beside ours; what was accepted must pass.
    fn compare(&self, engine: &str, policies: &[String], theirs: Vec<(Asked, bool)>) -> String {
        let mut world = World::default();
        self.pods.iter().for_each(|pod| world.add_pod(pod.clone()));
        let files = policies.iter().map(|text| ("policy.yaml", text.as_str()));
        let manifests = Manifests::read(files, "default").unwrap();
        let layers = Layers::of(&manifests, &world, &Names::default(), Blocks::OutsideOnly);
        let (mut compared, mut accepted, mut denied, mut different) = (0, 0, 0, Vec::new());
        let end = |at: usize| match at.checked_sub(self.pods.len()) {
            None => End::Pod(at),
            Some(outside) => End::Outside(self.outside[outside]),
        };
        for ((service, client, server), allowed) in theirs {
            if client == server {
                continue;
            }
            let (protocol, port) = &self.services[service];
            let protocol = Protocol::parse(protocol).unwrap();
            let ours = layers.allows(end(client), end(server), Service::Port { protocol, port: *port });
            let was_accepted = self.accepted.contains(&(client, server, service));
            compared += 1;
            accepted += u32::from(was_accepted);
            denied += u32::from(!allowed);
            if ours != allowed || was_accepted && !allowed {
                different.push(format!(
                    "{:?} -> {:?} {protocol}/{port}: {engine} {allowed}, ours {ours}, accepted {was_accepted}",
                    end(client),
                    end(server)
                ));
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
        assert!(accepted > 0 && denied > 0, "{engine}: {accepted} accepted, {denied} denied");
        format!(
            "{engine} allows all {accepted} accepted and agrees on {compared} connections, {denied} of them denied"
        )
    }
}

/// The inventory with the shop and its back office as namespaces.
fn with_namespaces(inventory: &str) -> String {
    let entries = inventory.split("\n- ").map(|entry| {
        let app = ["shop", "backoffice"].into_iter().find(|app| entry.contains(&format!("app: {app},")));
        match app.filter(|_| !entry.contains("/24")) {
            Some(app) => entry.replacen("\n  name:", &format!("\n  namespace: {app}\n  name:"), 1),
            None => entry.to_owned(),
        }
    });
    entries.collect::<Vec<_>>().join("\n- ")
}

/// The entries with a namespace.
fn pods(inventory: &str) -> Vec<Pod> {
    let field = |entry: &str, name: &str| {
        entry.lines().find_map(|line| Some(line.trim().strip_prefix(name)?.trim().to_owned()))
    };
    let pod = |entry: &str| {
        let labels = field(entry, "labels:")?;
        let pair = |pair: &str| pair.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
        let addresses = field(entry, "addresses:")?;
        Some(Pod {
            namespace: field(entry, "namespace:")?,
            name: field(entry, "name:")?,
            labels: labels.trim_matches(['{', '}']).split(", ").filter_map(pair).collect::<Labels>(),
            addresses: addresses
                .trim_matches(['[', ']'])
                .split(", ")
                .filter_map(|address| address.trim_matches('"').parse().ok())
                .collect(),
            ..Pod::default()
        })
    };
    inventory.split("\n- ").filter_map(pod).collect()
}

/// The rules and what turns default deny on.
fn policies(out: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for part in ["allow", "default-deny"] {
        let mut folders = vec![out.join(part)];
        while let Some(folder) = folders.pop() {
            let entries =
                fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            for path in paths {
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("kustomization.yaml") {
                    texts.push(fs::read_to_string(path).unwrap());
                }
            }
        }
    }
    texts
}

fn watershed(arguments: &[&OsStr]) {
    let binary = binary::watershed().unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(binary).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} ended with {}: {complaint}", output.status);
}
