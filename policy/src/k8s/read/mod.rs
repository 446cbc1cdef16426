//! From files to policies and the world they are for.

pub(crate) mod sheet;

pub(crate) mod selector;

mod alike;

pub(crate) mod policy;

mod workload;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alike::Alike;
use sheet::Sheet;

use super::yaml::{self, Node, Value};
use super::{NetworkPolicy, Place, Problem, Problems, World};
use crate::Service;
use crate::calico;
use crate::cilium::{self, CiliumPolicy};
use crate::cluster::{self, ClusterPolicy};
use crate::istio;

/// The API version whose policies are read.
const API_VERSION: &str = "networking.k8s.io/v1";

/// Kinds of `networking.k8s.io` beside the policy.
const OTHER_NETWORKING: [&str; 6] =
    ["Ingress", "IngressClass", "IPAddress", "ServiceCIDR", "IngressList", "IngressClassList"];

/// What the kinds of policies end in, to tell a policy that is no YAML from what is none of ours.
const POLICIES: [&str; 2] = ["NetworkPolicy", "AuthorizationPolicy"];

/// Kinds that decide about traffic too: where one is met, a note says that it is not evaluated.
const OTHER_POLICIES: [&str; 4] =
    ["AuthorizationPolicy", "GlobalNetworkPolicy", "MultiNetworkPolicy", "StagedNetworkPolicy"];

/// What files say: policies, and who is there for them to select.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// The policies, in the order in which they were read.
    pub policies: Vec<NetworkPolicy>,
    /// Policies of administrators, in the order in which they were read.
    pub cluster: Vec<ClusterPolicy>,
    /// Policies of Cilium, in the order in which they were read.
    pub cilium: Vec<CiliumPolicy>,
    /// Policies of Calico, and its sets of networks.
    pub calico: calico::Policies,
    /// AuthorizationPolicies of Istio, in the order in which they were read.
    pub istio: istio::Policies,
    /// Pods, workloads as the pods that they make, and namespaces.
    pub world: World,
    /// What was passed over although it may matter.
    pub notes: Vec<Problem>,
}

impl Manifests {
    /// Reads files, given as name and text: YAML of several documents, or JSON. Objects that are neither
    /// policies nor make pods are ignored. `namespace` is that of objects that name none.
    ///
    /// # Errors
    /// Everything that is wrong with the policies; one wrong field fails all, since a policy is worth nothing
    /// as a guess.
    pub fn read<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        namespace: &str,
    ) -> Result<Self, Problems> {
        let mut manifests = Self::default();
        let mut problems = Vec::new();
        let mut alike = Alike::default();
        for (name, text) in files {
            let mut sheet = Sheet::new(name, namespace).with(alike);
            for piece in yaml::pieces(text) {
                match piece.documents() {
                    Ok(documents) => {
                        documents.iter().for_each(|document| manifests.object(&mut sheet, document, None));
                    }
                    Err((spot, message)) if POLICIES.iter().any(|kind| piece.text.contains(kind)) => {
                        sheet.problem(spot, message);
                    }
                    // Other readers of YAML may be more lenient with what is no policy.
                    Err((spot, message)) => sheet.note(spot, format!("passed over: {message}")),
                }
            }
            problems.append(&mut sheet.problems);
            manifests.notes.append(&mut sheet.notes);
            alike = sheet.alike;
        }
        manifests.repeated(&mut problems);
        if problems.is_empty() { Ok(manifests) } else { Err(Problems::new(problems)) }
    }

    /// Takes policies that other files hold.
    ///
    /// # Errors
    /// Policies that are there twice now.
    pub(crate) fn add(&mut self, policies: Vec<NetworkPolicy>) -> Result<(), Problems> {
        self.policies.extend(policies);
        let mut problems = Vec::new();
        self.repeated(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(problems)) }
    }

    /// How many policies there are, of all dialects.
    #[must_use]
    pub const fn count(&self) -> usize {
        let calico = self.calico.policies.len();
        self.policies.len() + self.cluster.len() + self.cilium.len() + calico + self.istio.policies.len()
    }

    /// Whether there are policies of a dialect other than NetworkPolicy.
    #[must_use]
    pub const fn has_others(&self) -> bool {
        self.count() > self.policies.len()
    }

    /// Whether the policies speak of a service. What NetworkPolicies do to ICMP is left to the network plugin;
    /// Cilium's policies decide about it, and Calico's about every protocol.
    pub(crate) const fn speak_of(&self, service: Service) -> bool {
        match service {
            Service::Port { .. } => true,
            Service::Icmp { .. } => !self.cilium.is_empty() || !self.calico.policies.is_empty(),
            Service::Protocol(_) => !self.calico.policies.is_empty(),
        }
    }

    /// Reads one object; items of a typed list have no kind of their own and take it from the list.
    fn object(&mut self, sheet: &mut Sheet, node: &Node, listed: Option<(&str, &str)>) {
        let of = |key: &str| node.get(key).and_then(Node::scalar);
        let (version, kind) = match (of("apiVersion"), of("kind"), listed) {
            (version, Some(kind), _) => (version.unwrap_or_default(), kind),
            (None, None, Some(listed)) => listed,
            (None, None, None) if matches!(node.value, Value::Map(_) | Value::List(_)) => {
                return sheet.note(node.spot, "this is no Kubernetes object and is passed over");
            }
            _ => {
                return sheet
                    .problem(node.spot, "this object has no `kind`; write one such as NetworkPolicy");
            }
        };
        if let Some(of_items) = kind.strip_suffix("List").filter(|_| node.get("items").is_some()) {
            let listed = (!of_items.is_empty()).then_some((version, of_items));
            let items = node.get("items").map_or(&[][..], Node::items);
            return items.iter().for_each(|item| self.object(sheet, item, listed));
        }
        match dialect(version, kind) {
            Dialect::Ours => self.policies.extend(policy::read(sheet, node)),
            Dialect::Cluster(kind) => self.cluster.extend(cluster::read(sheet, node, kind)),
            Dialect::Cilium => self.cilium.extend(cilium::read(sheet, node, kind)),
            Dialect::Calico => self.calico.take(sheet, version, kind, node),
            Dialect::Istio => self.istio.take(sheet, version, kind, node),
            Dialect::Other => {
                let name = node.at(&["metadata", "name"]).and_then(Node::scalar).unwrap_or_default();
                let message = format!(
                    "{kind} `{name}` of {version} is not evaluated: what it allows or denies is not in this report"
                );
                sheet.note(node.spot, message);
            }
            Dialect::Wrong(message) => {
                let spot = node.get("kind").map_or(node.spot, |node| node.spot);
                sheet.problem(spot, message);
            }
            Dialect::None => workload::read(&mut self.world, &sheet.namespace, kind, node),
        }
    }

    /// Of two policies with one name the API server would keep the last alone.
    fn repeated(&self, problems: &mut Vec<Problem>) {
        let networking =
            self.policies.iter().map(|policy| (format!("NetworkPolicy {policy}"), &policy.place));
        let cluster = self.cluster.iter().map(|policy| (policy.to_string(), &policy.place));
        let mut first: BTreeMap<String, &Place> = BTreeMap::new();
        let cilium = self.cilium.iter().map(|policy| (policy.to_string(), &policy.place));
        for (name, place) in networking.chain(cluster).chain(cilium) {
            if let Some(earlier) = first.get(&name) {
                let message = format!("{name} is there twice, also at {earlier}; rename one, or take it out");
                problems.push(Problem { place: place.clone(), message });
            }
            first.insert(name, place);
        }
        problems.extend(self.calico.repeated());
        problems.extend(self.istio.repeated());
    }
}

/// What an object is to this reader.
enum Dialect {
    /// A policy that is read.
    Ours,
    /// A policy of administrators, which is read, of this kind.
    Cluster(&'static str),
    /// A policy of Cilium, which is read.
    Cilium,
    /// An object of Calico's API.
    Calico,
    /// An object of Istio's API for security.
    Istio,
    /// A policy of a dialect that is not.
    Other,
    /// Meant as a policy, but not one.
    Wrong(String),
    /// No policy.
    None,
}

fn dialect(version: &str, kind: &str) -> Dialect {
    let group = version.split('/').next().unwrap_or_default();
    if let Some(&(kind, known)) = cluster::KINDS.iter().find(|(known, _)| *known == kind) {
        return match version == known {
            true => Dialect::Cluster(kind),
            false => {
                Dialect::Wrong(format!("a {kind} of `{version}` is not known; write `apiVersion: {known}`"))
            }
        };
    }
    if cilium::KINDS.contains(&kind) {
        return match version == cilium::VERSION {
            true => Dialect::Cilium,
            false => Dialect::Wrong(format!(
                "a {kind} of `{version}` is not known; write `apiVersion: {}`",
                cilium::VERSION
            )),
        };
    }
    match (kind, version) {
        _ if group.ends_with(calico::GROUP) => Dialect::Calico,
        _ if group == istio::GROUP => Dialect::Istio,
        ("NetworkPolicy", API_VERSION) => Dialect::Ours,
        ("NetworkPolicy", _) => Dialect::Wrong(format!(
            "a NetworkPolicy of `{version}` is not known; write `apiVersion: {API_VERSION}`"
        )),
        _ if OTHER_POLICIES.contains(&kind) => Dialect::Other,
        _ if group == "networking.k8s.io" && !OTHER_NETWORKING.contains(&kind) => {
            Dialect::Wrong(format!("`{version}` has no kind `{kind}`; write `kind: NetworkPolicy`"))
        }
        _ if kind.eq_ignore_ascii_case("NetworkPolicy") => {
            Dialect::Wrong(format!("unknown kind `{kind}`; write `kind: NetworkPolicy`"))
        }
        _ => Dialect::None,
    }
}
