//! What the proof has to know of AuthorizationPolicy.

use watershed_model::Protocol;

use super::ROOT_NAMESPACE;
use crate::k8s::{Blocks, Direction, End, Manifests, Problem, Problems, World};
use crate::layers::{Layers, Names};
use crate::proof::kubernetes::Dialect;
use crate::{Error, Service};

/// Reads files whose policies must all be dry runs, or all enforced.
fn read<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, dry_run: bool) -> Result<Manifests, Error> {
    let read = Manifests::read(files, "default")?;
    let wrong = read.istio.policies.iter().find(|policy| policy.dry_run != dry_run);
    let Some(policy) = wrong else { return Ok(read) };
    let (is, not) = if dry_run { ("enforced", "a dry run") } else { ("a dry run", "enforced") };
    let message = format!("policy {policy} is {is}, but the export is {not}");
    Err(Problems::new(vec![Problem { place: policy.place.clone(), message }]).into())
}

/// `security.istio.io/v1`.
pub(crate) struct AuthorizationPolicies;

impl Dialect for AuthorizationPolicies {
    const NAME: &'static str = "security.istio.io/v1";
    const ASSUMPTIONS: &'static [&'static str] = &[
        "servers are in the mesh, by a sidecar or in ambient mode, and refuse what their policies do not allow",
        "clients that are pods are in the mesh and authenticated by mutual TLS, in the trust domain cluster.local",
        "only TCP is governed, and only at the server: UDP, SCTP, ICMP and egress pass whatever rules say",
        "ipBlocks mean addresses outside the cluster, as the server sees them",
        "no policy of the root namespace and none that denies or asks an authorizer is for these workloads",
        "workloads of the root namespace istio-system are open: its policies would be for the whole mesh",
    ];

    type Policies = Manifests;
    type Enforced<'a> = Layers<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        read(files, false)
    }

    fn read_staged<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        read(files, true)
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Manifests) -> Layers<'a> {
        Layers::of(policies, world, &Names::default(), Blocks::OutsideOnly)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        let namespace = serde_json::Value::from(namespace);
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: {label}, namespace: {namespace}}}\n\
             spec: {{selector: {{matchLabels: {{{label}: {label}}}}}, rules: [{{}}]}}\n"
        )
    }

    fn says(&self, service: Service) -> bool {
        matches!(service, Service::Port { protocol: Protocol::TCP, .. })
    }

    fn binds(&self, namespace: &str) -> bool {
        namespace != ROOT_NAMESPACE
    }

    fn denies(&self, direction: Direction, _peer: End) -> bool {
        direction == Direction::Ingress
    }
}
