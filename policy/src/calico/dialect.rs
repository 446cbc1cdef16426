//! What the proof has to know of Calico's policies.

use super::Policies;
use crate::k8s::{Problem, Problems, World};
use crate::layers::Layers;
use crate::proof::kubernetes::Dialect;
use crate::{Error, Service};

/// What is taken for granted of either form.
const ASSUMPTIONS: [&str; 5] = [
    "Calico enforces the policies, and answers pass",
    "no other Calico or Kubernetes policy selects the pods: policies before these could decide otherwise",
    "networks of rules mean addresses outside the cluster: none of them is a pod's",
    "a node reaches its own pods whatever policies say, so its health probes do",
    "namespaces have the label kubernetes.io/metadata.name, which the API server gives them",
];

/// `projectcalico.org/v3`, enforced.
pub(crate) struct Enforced;

/// `projectcalico.org/v3`, staged: proven as if it were enforced.
pub(crate) struct Staged;

impl Dialect for Enforced {
    const NAME: &'static str = "projectcalico.org/v3";
    const ASSUMPTIONS: &'static [&'static str] = &ASSUMPTIONS;

    type Policies = Policies;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Policies, Error> {
        Ok(Policies::read(files, "default")?)
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Policies) -> Layers<'a> {
        policies.lay(world)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        let namespace = serde_json::Value::from(namespace);
        format!(
            "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n\
             metadata: {{name: {label}, namespace: {namespace}}}\n\
             spec: {{order: 0, selector: \"has({label})\", ingress: [{{action: Allow}}], egress: [{{action: Allow}}]}}\n"
        )
    }

    fn says(&self, _: Service) -> bool {
        true
    }
}

impl Dialect for Staged {
    const NAME: &'static str = "projectcalico.org/v3, staged";
    const ASSUMPTIONS: &'static [&'static str] = &[
        "staged policies deny nothing: what is said of them holds once they are enforced",
        ASSUMPTIONS[0],
        ASSUMPTIONS[1],
        ASSUMPTIONS[2],
        ASSUMPTIONS[3],
        ASSUMPTIONS[4],
    ];

    type Policies = Policies;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Policies, Error> {
        let read = Policies::read(files, "default")?;
        if let Some(policy) = read.policies.iter().find(|policy| policy.staged.is_none()) {
            let message = format!("policy {policy} is enforced, but the export is staged");
            let problem = Problem { place: policy.place.clone(), message };
            return Err(Problems::new(vec![problem]).into());
        }
        Ok(read.as_if_enforced())
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Policies) -> Layers<'a> {
        policies.lay(world)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        Enforced.free(namespace, label).replace("kind: NetworkPolicy", "kind: StagedNetworkPolicy")
    }

    fn says(&self, service: Service) -> bool {
        Enforced.says(service)
    }
}
