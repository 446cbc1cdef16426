//! What the proof has to know of CiliumNetworkPolicy.

use crate::k8s::{Blocks, Manifests, World};
use crate::layers::{Layers, Names};
use crate::mine::Census;
use crate::proof::kubernetes::Dialect;
use crate::{Error, Service};

/// Names of one address that are tried one by one: a name for each customer of a shared address would
/// otherwise repeat the proof a thousand times.
const MAX_NAMES: usize = 16;

/// `cilium.io/v2`, with what addresses outside were called.
pub(crate) struct CiliumPolicies {
    names: Names,
}

impl CiliumPolicies {
    pub(crate) fn of(census: &Census) -> Self {
        let mut names = Names::default();
        for node in census.nodes.iter().filter(|node| node.namespace().is_none() && !node.names.is_empty()) {
            node.addresses.iter().for_each(|&address| names.add(address, &node.names));
        }
        Self { names }
    }
}

impl Dialect for CiliumPolicies {
    const NAME: &'static str = "cilium.io/v2";
    const ASSUMPTIONS: &'static [&'static str] = &[
        "Cilium enforces the policies for pods, and answers pass",
        "a node reaches its own pods whatever policies say, so its health probes do",
        "addresses are outside the cluster: Cilium does not know its nodes by their addresses",
        "labels that the rules use are among those that Cilium makes identities of",
        "toFQDNs: a pod asks a DNS server through Cilium's proxy before it connects, and a name stands for the \
         addresses that it was seen with",
    ];

    type Policies = Manifests;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        Ok(Manifests::read(files, "default")?)
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Manifests) -> Layers<'a> {
        Layers::of(policies, world, &self.names, Blocks::OutsideOnly)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        let namespace = serde_json::Value::from(namespace);
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n\
             metadata: {{name: {label}, namespace: {namespace}}}\n\
             spec: {{endpointSelector: {{matchLabels: {{{label}: {label}}}}}, \
             ingress: [{{fromEntities: [all]}}], egress: [{{toEntities: [all]}}]}}\n"
        )
    }

    fn says(&self, service: Service) -> bool {
        matches!(service, Service::Port { .. } | Service::Icmp { .. })
    }

    fn names(&self) -> bool {
        true
    }

    fn by_each_name(&self) -> Vec<Self> {
        let most = self.names.most().min(MAX_NAMES);
        (0..most).map(|turn| Self { names: self.names.one_each(turn) }).collect()
    }
}
