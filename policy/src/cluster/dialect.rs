//! What the proof has to know of ClusterNetworkPolicy.

use crate::k8s::{Blocks, Direction, End, Manifests, World};
use crate::layers::{Layers, Names};
use crate::proof::kubernetes::Dialect;
use crate::{Error, Service};

/// `policy.networking.k8s.io/v1alpha2`.
pub(crate) struct ClusterPolicies;

impl Dialect for ClusterPolicies {
    const NAME: &'static str = "policy.networking.k8s.io/v1alpha2";
    const ASSUMPTIONS: &'static [&'static str] = &[
        "the network plugin enforces ClusterNetworkPolicy, and answers pass",
        "no NetworkPolicy selects the pods, and none of the Admin tier decides about them: both would come first",
        "connections to pods from outside the cluster are allowed whatever rules say: the API cannot deny them",
        "a node reaches its own pods whatever policies say, so its health probes do",
        "namespaces have the label kubernetes.io/metadata.name, which the API server gives them",
    ];

    type Policies = Manifests;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        Ok(Manifests::read(files, "default")?)
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Manifests) -> Layers<'a> {
        Layers::of(policies, world, &Names::default(), Blocks::OutsideOnly)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        let name = serde_json::Value::from(format!("{label}-{namespace}"));
        let namespace = serde_json::Value::from(namespace);
        let everybody = "{namespaces: {}}";
        format!(
            "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n\
             metadata: {{name: {name}}}\n\
             spec:\n  tier: Admin\n  priority: 0\n  \
             subject: {{pods: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}, \
             podSelector: {{matchLabels: {{{label}: {label}}}}}}}}}\n  \
             ingress: [{{action: Accept, from: [{everybody}]}}]\n  \
             egress: [{{action: Accept, to: [{everybody}, {{networks: [0.0.0.0/0, \"::/0\"]}}]}}]\n"
        )
    }

    fn says(&self, service: Service) -> bool {
        matches!(service, Service::Port { .. })
    }

    fn denies(&self, direction: Direction, peer: End) -> bool {
        direction == Direction::Egress || matches!(peer, End::Pod(_))
    }
}
