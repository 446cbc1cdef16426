//! A mesh with AuthorizationPolicies: what our evaluator says of connections in it, and what the judge is asked.

#[path = "../judges/ends.rs"]
mod ends;

pub(crate) mod exported;

pub(crate) mod random;

pub(crate) mod refused;

pub(crate) use ends::Who;
use ends::settle;
use serde_json::{Value, json};
use watershed_model::Protocol;
use watershed_policy::Service;
use watershed_policy::k8s::{Blocks, Manifests, Pod, Problems, World};
use watershed_policy::layers::{Layers, Names};

/// Ends, policies, and what is asked about them: may each end reach each pod by each port of TCP?
#[derive(Clone, Debug)]
pub(crate) struct Mesh {
    pub(crate) ends: Vec<Who>,
    pub(crate) ports: Vec<u16>,
    pub(crate) policies: Vec<String>,
}

/// A connection that is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) client: usize,
    pub(crate) server: usize,
    pub(crate) port: u16,
}

/// What is said of each connection that is asked about, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// By the policies that are in force.
    pub(crate) enforced: Vec<bool>,
    /// By all, as if none of them were a dry run.
    pub(crate) meant: Vec<bool>,
}

impl Mesh {
    /// Pods with a sidecar: those that are not on their node's network.
    fn servers(&self) -> impl Iterator<Item = (usize, &Pod)> {
        self.ends.iter().enumerate().filter_map(|(at, who)| match who {
            Who::Pod(pod) if !pod.host_network => Some((at, pod)),
            Who::Pod(_) | Who::Outside(_) => None,
        })
    }

    /// In the order of answers.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let clients = 0..self.ends.len();
        let ends = self.servers().flat_map(|(server, _)| clients.clone().map(move |client| (client, server)));
        ends.flat_map(|(client, server)| self.ports.iter().map(move |&port| Asked { client, server, port }))
            .collect()
    }

    pub(crate) fn question(&self) -> Value {
        let server = |(_, pod): (usize, &Pod)| json!({"namespace": pod.namespace, "labels": pod.labels, "address": pod.addresses[0]});
        let client = |who: &Who| match who {
            Who::Outside(address) => json!({"address": address}),
            // What is on its node's network has no sidecar, and shows no certificate.
            Who::Pod(pod) if pod.host_network => json!({"address": pod.addresses[0]}),
            Who::Pod(pod) => {
                json!({"address": pod.addresses[0], "namespace": pod.namespace, "account": account(pod)})
            }
        };
        json!({
            "policies": self.policies,
            "servers": self.servers().map(server).collect::<Vec<_>>(),
            "clients": self.ends.iter().map(client).collect::<Vec<_>>(),
            "ports": self.ports,
        })
    }

    /// What our evaluator says.
    pub(crate) fn ours(&self) -> Result<Said, Problems> {
        let mut world = World::default();
        let ends = settle(&self.ends, &mut world);
        let asked = self.asked();
        let say = |manifests: &Manifests| -> Vec<bool> {
            let layers = Layers::of(manifests, &world, &Names::default(), Blocks::OutsideOnly);
            let tcp = |port| Service::Port { protocol: Protocol::TCP, port };
            let allows = |one: &Asked| layers.allows(ends[one.client], ends[one.server], tcp(one.port));
            asked.iter().map(allows).collect()
        };
        let files = self.policies.iter().map(|text| ("policy.yaml", text.as_str()));
        let mut manifests = Manifests::read(files, "default")?;
        let meant = say(&manifests);
        manifests.istio.policies.retain(|policy| !policy.dry_run);
        Ok(Said { enforced: say(&manifests), meant })
    }

    /// A connection as a person reads it.
    pub(crate) fn tell(&self, asked: Asked) -> String {
        let Asked { client, server, port } = asked;
        let policies = self.policies.join("---\n");
        format!("{:?}\n  -> {:?} tcp/{port}\n{policies}", self.ends[client], self.ends[server])
    }
}

/// The service account of a pod, which always has one.
fn account(pod: &Pod) -> &str {
    let labels = ["projectcalico.org/serviceaccount", "io.cilium.k8s.policy.serviceaccount"];
    let label = || labels.iter().find_map(|key| pod.labels.get(*key));
    pod.service_account.as_deref().or_else(|| label().map(String::as_str)).expect("an account")
}

/// The digits of an answer; none where policies were refused.
pub(crate) fn digits(answer: &Value, key: &str) -> Vec<bool> {
    answer[key].as_str().unwrap_or_default().bytes().map(|digit| digit == b'1').collect()
}
