//! What the proof has to know of Calico's policies.

use crate::k8s::{Blocks, Manifests, Problem, Problems, World};
use crate::layers::{Layers, Names};
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

/// Reads files whose policies must all be staged, or all enforced.
fn read<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, staged: bool) -> Result<Manifests, Error> {
    let read = Manifests::read(files, "default")?;
    let wrong = read.calico.policies.iter().find(|policy| policy.staged.is_some() != staged);
    let Some(policy) = wrong else { return Ok(read) };
    let (is, not) = if staged { ("enforced", "staged") } else { ("staged", "enforced") };
    let message = format!("policy {policy} is {is}, but the export is {not}");
    Err(Problems::new(vec![Problem { place: policy.place.clone(), message }]).into())
}

fn lay<'a>(world: &'a World, policies: &Manifests) -> Layers<'a> {
    Layers::of(policies, world, &Names::default(), Blocks::OutsideOnly)
}

impl Dialect for Enforced {
    const NAME: &'static str = "projectcalico.org/v3";
    const ASSUMPTIONS: &'static [&'static str] = &ASSUMPTIONS;

    type Policies = Manifests;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        read(files, false)
    }

    fn read_staged<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        let calico = read(files, true)?.calico.as_if_enforced();
        Ok(Manifests { calico, ..Manifests::default() })
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Manifests) -> Layers<'a> {
        lay(world, policies)
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

    type Policies = Manifests;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        read(files, true)
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Manifests) -> Layers<'a> {
        lay(world, policies)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        Enforced.free(namespace, label).replace("kind: NetworkPolicy", "kind: StagedNetworkPolicy")
    }

    fn says(&self, service: Service) -> bool {
        Enforced.says(service)
    }
}
