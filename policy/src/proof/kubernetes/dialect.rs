//! What the proof asks of a dialect of policies about pods.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::corners::{self, PEERS};
use super::probes::Probe;
use super::stage::Stage;
use crate::k8s::{AT_ONCE, Blocks, Connections, Direction, End, Indexed, Manifests, World};
use crate::layers::Layers;
use crate::{Error, Service};

/// A dialect: how its text is read, and what it can say.
pub(crate) trait Dialect {
    /// The API that its policies are of, for the certificate.
    const NAME: &'static str;
    /// What is taken for granted when its policies are said to be proven.
    const ASSUMPTIONS: &'static [&'static str];

    /// What a text says.
    type Policies;
    /// What that allows in a world.
    type Enforced<'a>: Enforced
    where
        Self: 'a;

    /// Reads files, given as path and text.
    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self::Policies, Error>;

    /// Reads files of which some are those that `known` was read from.
    fn read_on<'a>(
        &self,
        _known: Self::Policies,
        files: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Self::Policies, Error> {
        self.read(files)
    }

    /// Reads files of policies that only show what they would do, and of no others, as if they were enforced.
    fn read_staged<'a>(
        &self,
        files: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self::Policies, Error> {
        self.read(files)
    }

    /// Finds out whom the policies mean in a world.
    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Self::Policies) -> Self::Enforced<'a>;

    /// Policies after which the pods of `namespace` that are labelled `label: label` may do everything,
    /// whatever default deny says.
    fn free(&self, namespace: &str, label: &str) -> String;

    /// Whether its rules can be about a service.
    fn says(&self, service: Service) -> bool;

    /// Whether its policies can be for pods of a namespace.
    fn binds(&self, _namespace: &str) -> bool {
        true
    }

    /// Whether it can deny pods something in a direction with such a peer. What it cannot deny is allowed
    /// whatever rules say.
    fn denies(&self, _: Direction, _peer: End) -> bool {
        true
    }

    /// Whether its rules may mean addresses by their names, and so others that have the same.
    fn names(&self) -> bool {
        false
    }

    /// The same with one name for each address, so that every name of every address is in one of them: a
    /// client asks for one name and not for all.
    fn by_each_name(&self) -> Vec<Self>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// Policies in force.
pub(crate) trait Enforced {
    /// Whether `client` may use `service` of `server`.
    fn allows(&self, client: End, server: End, service: Service) -> bool;

    /// Which of the first [`AT_ONCE`] services `client` may use of `server`: a bit for each.
    fn allowed(&self, client: End, server: End, services: &[Service]) -> u64 {
        let services = services.iter().take(AT_ONCE).enumerate();
        services.fold(0, |all, (bit, &one)| all | u64::from(self.allows(client, server, one)) << bit)
    }

    /// Everything that `client` may connect to at `server`, of protocols with ports.
    fn connections(&self, client: End, server: End) -> Connections;

    /// What the policies themselves list, as probes.
    fn corners(&self, stage: &Stage<'_>) -> Vec<Probe>;

    /// The files of the policies that select a pod.
    fn binding(&self, pod: usize) -> BTreeSet<&str>;
}

/// `networking.k8s.io/v1`.
pub(crate) struct NetworkPolicies;

impl Dialect for NetworkPolicies {
    const NAME: &'static str = "networking.k8s.io/v1";
    const ASSUMPTIONS: &'static [&'static str] = &[
        "the network plugin enforces NetworkPolicy, ingress and egress, and answers pass",
        "ipBlock means addresses outside the cluster",
        "a node reaches its own pods whatever policies say, so its health probes do",
        "namespaces have the label kubernetes.io/metadata.name, which the API server gives them",
    ];

    type Policies = Manifests;
    type Enforced<'a> = Indexed<'a>;

    fn read<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Manifests, Error> {
        Ok(Manifests::read(files, "default")?)
    }

    fn read_on<'a>(
        &self,
        mut known: Manifests,
        files: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Manifests, Error> {
        let wanted: HashSet<&str> = files.clone().map(|(path, _)| path).collect();
        known.policies.retain(|policy| wanted.contains(&*policy.place.file));
        let there: HashSet<Arc<str>> =
            known.policies.iter().map(|policy| Arc::clone(&policy.place.file)).collect();
        let others = Manifests::read(files.filter(|(path, _)| !there.contains(*path)), "default")?;
        known.add(others.policies)?;
        Ok(known)
    }

    fn enforce<'a>(&'a self, world: &'a World, policies: &'a Manifests) -> Self::Enforced<'a> {
        Indexed::new(world, &policies.policies, Blocks::OutsideOnly)
    }

    fn free(&self, namespace: &str, label: &str) -> String {
        let namespace = serde_json::Value::from(namespace);
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: {label}, namespace: {namespace}}}\n\
             spec: {{podSelector: {{matchLabels: {{{label}: {label}}}}}, ingress: [{{}}], egress: [{{}}]}}\n"
        )
    }

    fn says(&self, service: Service) -> bool {
        matches!(service, Service::Port { .. })
    }
}

impl Enforced for Indexed<'_> {
    fn allows(&self, client: End, server: End, service: Service) -> bool {
        Indexed::allowed(self, client, server, &[service]) == 1
    }

    fn allowed(&self, client: End, server: End, services: &[Service]) -> u64 {
        Indexed::allowed(self, client, server, services)
    }

    fn connections(&self, client: End, server: End) -> Connections {
        Indexed::connections(self, client, server)
    }

    fn corners(&self, stage: &Stage<'_>) -> Vec<Probe> {
        corners::of(stage, self)
    }

    fn binding(&self, pod: usize) -> BTreeSet<&str> {
        let both = [Direction::Ingress, Direction::Egress].into_iter();
        both.flat_map(|direction| self.files(direction, End::Pod(pod))).collect()
    }
}

impl Enforced for Layers<'_> {
    fn allows(&self, client: End, server: End, service: Service) -> bool {
        Layers::allows(self, client, server, service)
    }

    fn connections(&self, client: End, server: End) -> Connections {
        Layers::connections(self, client, server)
    }

    /// For every rule: one known pod that it is for, with the first pods of its peers, the ends of its
    /// networks and its addresses, on the ends of its ports.
    fn corners(&self, stage: &Stage<'_>) -> Vec<Probe> {
        let mut probes = Vec::new();
        for part in self.parts() {
            let subject = part.subjects.iter().find(|&&pod| stage.is_known(pod, false));
            let Some(&subject) = subject else { continue };
            for rule in &part.rules {
                let services: Vec<Service> =
                    rule.services.iter().flat_map(crate::layers::Services::ends).collect();
                let services = if services.is_empty() { corners::one_of_each() } else { services };
                let services: std::rc::Rc<[Service]> = services.into();
                let pods = rule.peers.pods.iter().flat_map(|pods| {
                    pods.iter().copied().filter(|&pod| stage.is_known(pod, true)).take(PEERS)
                });
                let networks = rule.peers.networks.iter();
                let ends = networks.flat_map(|one| [one.cidr.network(), one.cidr.broadcast()]);
                let outside = ends.chain(rule.peers.addresses.iter().copied());
                for peer in pods.map(End::Pod).chain(outside.map(End::Outside)) {
                    let (client, server) = match part.direction {
                        Direction::Ingress => (peer, End::Pod(subject)),
                        Direction::Egress => (End::Pod(subject), peer),
                    };
                    probes.push(Probe { client, server, services: services.clone() });
                }
            }
        }
        probes
    }

    fn binding(&self, pod: usize) -> BTreeSet<&str> {
        self.files(pod).collect()
    }
}
