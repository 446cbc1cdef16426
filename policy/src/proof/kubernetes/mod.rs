//! Proof of exported NetworkPolicies: what was observed passes, what no rule declares does not, according to
//! the exported text.
//!
//! The text is read and evaluated by [`crate::k8s`], as it will be enforced: rules and default deny together.
//! 1. Every dependency is replayed, between pods as they were and as they will be after the next rollout,
//!    with other values of every label that a rollout changes.
//! 2. Around each rule connections are tried that it must not allow: see `probes`. What passes although no
//!    rule declares it refutes the export.
//! 3. What the text itself lists is tried as well: the edges cannot know of an address that only the text has.
//! 4. Taken back, default deny leaves nothing denied.

mod certificate;

mod corners;

mod faults;

mod probes;

mod stage;

pub use certificate::Certificate;
pub use faults::{Fault, Faults, Told};

use probes::Probe;
use stage::{Role, Stage};

use crate::export::kubernetes::{DEFAULT_DENY, KUSTOMIZATION, Kubernetes, REVERT};
use crate::k8s::{Blocks, Connections, Direction, End, Evaluator, Manifests};
use crate::mine::{Allowed, Census, Declared, Dependency, Plan};
use crate::{Error, Service};

/// Proves that `export` allows everything in `census` that pods take part in, and beyond it only what the
/// rules of `plan` declare, with its price.
///
/// # Errors
/// [`Error::Policies`] when the text is no valid policy, [`Error::RefutedPolicies`] with what speaks against it.
pub fn prove(
    census: &Census,
    plan: &Plan,
    export: &Kubernetes,
    tool_version: &str,
) -> Result<Certificate, Error> {
    let mut stage = Stage::of(census, plan);
    let probes = probes::around(&mut stage);
    let mut certificate = Certificate::new(census, plan, export, tool_version);
    let mut faults = Faults::default();

    let own = stage.policies();
    let own = ("probes", own.as_str());
    let enforced = Manifests::read(files(export, REVERT).chain([own]), "default")?;
    let evaluator = Evaluator::new(stage.world(), &enforced.policies, Blocks::OutsideOnly);
    replay(census, &stage, &evaluator, &mut certificate, &mut faults);
    let declared = Declared::of(census, plan);
    for probe in probes.iter().chain(&corners::of(&stage, &enforced.policies, &evaluator)) {
        judge(&stage, probe, &declared, &evaluator, &mut certificate, &mut faults);
    }

    let reverted = Manifests::read(files(export, DEFAULT_DENY), "default")?;
    let evaluator = Evaluator::new(stage.world(), &reverted.policies, Blocks::OutsideOnly);
    faults.revert_denies = !reverts(&stage, &evaluator);
    if faults.is_empty() { Ok(certificate) } else { Err(Error::RefutedPolicies(Box::new(faults))) }
}

/// The policies of an export but for those of one directory.
fn files<'a>(export: &'a Kubernetes, without: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let files = export.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    files.filter(move |(path, _)| {
        let directory = path.split('/').next();
        directory != Some(without) && !path.ends_with(KUSTOMIZATION)
    })
}

/// Every dependency, those of one client and server together.
fn replay(
    census: &Census,
    stage: &Stage<'_>,
    evaluator: &Evaluator<'_>,
    certificate: &mut Certificate,
    faults: &mut Faults,
) {
    let mut by_pair: Vec<&Dependency> = census.dependencies.iter().collect();
    by_pair.sort_by_key(|one| (one.client, one.server));
    for group in by_pair.chunk_by(|a, b| (a.client, a.server) == (b.client, b.server)) {
        let pairs = stage.pairs(group[0].client, group[0].server);
        let allowed: Vec<Connections> =
            pairs.iter().map(|&(client, server)| evaluator.connections(client, server)).collect();
        for one in group {
            let Service::Port { protocol, port } = one.service else {
                certificate.not_expressed += 1;
                continue;
            };
            if pairs.is_empty() {
                certificate.not_expressed += 1;
                continue;
            }
            certificate.dependencies_replayed += 1;
            certificate.connections_replayed += pairs.len() as u64;
            let denied = allowed.iter().position(|allowed| !allowed.contains(protocol, port));
            if let Some(at) = denied {
                let (client, server) = pairs[at];
                faults.denied.add(stage.fault(client, server, one.service));
            }
        }
    }
}

/// What passes must be declared, and what is declared must pass.
fn judge(
    stage: &Stage<'_>,
    probe: &Probe,
    declared: &Declared<'_>,
    evaluator: &Evaluator<'_>,
    certificate: &mut Certificate,
    faults: &mut Faults,
) {
    let Probe { client, server, ref ports } = *probe;
    let permitted = |direction, subject: End, peer: End| match stage.role(subject) {
        Role::Free(_) => None,
        Role::Bound(someone) => declared.permitted(direction, someone, stage.role(peer).someone()),
    };
    let sides = [permitted(Direction::Egress, client, server), permitted(Direction::Ingress, server, client)];
    let connections = evaluator.connections(client, server);
    for &(protocol, port) in ports.iter() {
        let service = Service::Port { protocol, port };
        let includes =
            |side: &Vec<&[Allowed]>| side.iter().flat_map(|one| *one).any(|one| one.includes(service));
        let expected = sides.iter().flatten().all(includes);
        match (expected, connections.contains(protocol, port)) {
            (true, true) => certificate.probes_declared += 1,
            (false, false) => certificate.probes_denied += 1,
            (true, false) => faults.withheld.add(stage.fault(client, server, service)),
            (false, true) => faults.admitted.add(stage.fault(client, server, service)),
        }
    }
}

/// Whether nothing is denied between anybody and the pods of each namespace.
fn reverts(stage: &Stage<'_>, evaluator: &Evaluator<'_>) -> bool {
    let all = Connections::all();
    let outside = stage::NOBODY.map(End::Outside);
    stage.pods().all(|pod| {
        outside.iter().all(|&address| {
            evaluator.connections(address, pod) == all && evaluator.connections(pod, address) == all
        })
    })
}
