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

mod dialect;

mod faults;

mod probes;

mod stage;

mod steps;

pub use certificate::Certificate;
pub use faults::{Fault, Faults, Told};

use std::collections::BTreeSet;
use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

pub(crate) use dialect::{Dialect, Enforced, NetworkPolicies};
use probes::{Around, Probe};
use stage::{Role, Stage};
pub(crate) use steps::{StepText, prove_steps};

use crate::cilium::CiliumPolicies;
use crate::cluster::ClusterPolicies;
use crate::export::directory::{DEFAULT_DENY, Directory, KUSTOMIZATION, REVERT};
use crate::k8s::{AT_ONCE, Connections, Direction, End};
use crate::mine::{Census, ClassId, Declared, Plan, RuleNumber, Someone, selects};
use crate::{Error, Service, Whom};

/// Proves that `export`, NetworkPolicies, allows everything in `census` that pods take part in, and beyond it
/// only what the rules of `plan` declare, with its price.
///
/// # Errors
/// [`Error::Policies`] when the text is no valid policy, [`Error::RefutedPolicies`] with what speaks against it.
pub fn prove(
    census: &Census,
    plan: &Plan,
    export: &Directory,
    tool_version: &str,
) -> Result<Certificate, Error> {
    prove_as(&NetworkPolicies, census, plan, export, tool_version)
}

/// The same of ClusterNetworkPolicies.
///
/// # Errors
/// As [`prove`].
pub fn prove_cluster(
    census: &Census,
    plan: &Plan,
    export: &Directory,
    tool_version: &str,
) -> Result<Certificate, Error> {
    prove_as(&ClusterPolicies, census, plan, export, tool_version)
}

/// The same of CiliumNetworkPolicies.
///
/// # Errors
/// As [`prove`].
pub fn prove_cilium(
    census: &Census,
    plan: &Plan,
    export: &Directory,
    tool_version: &str,
) -> Result<Certificate, Error> {
    prove_as(&CiliumPolicies::of(census), census, plan, export, tool_version)
}

/// The same of policies of any dialect.
pub(crate) fn prove_as<D: Dialect>(
    dialect: &D,
    census: &Census,
    plan: &Plan,
    export: &Directory,
    tool_version: &str,
) -> Result<Certificate, Error> {
    let mut stage = Stage::of(census, plan);
    let around = Around::of(&mut stage);
    let mut certificate = Certificate::new::<D>(census, plan, export, tool_version);
    let mut faults = Faults::default();

    let own = stage.policies(dialect);
    let own = ("probes", own.as_str());
    let read = dialect.read(files(export, REVERT).chain([own]))?;
    let enforced = dialect.enforce(stage.world(), &read);
    let replayed = Replayed::all(&stage);
    replay(&stage, dialect, &enforced, &replayed, (&mut certificate, &mut faults));
    for one in dialect.by_each_name() {
        let enforced = one.enforce(stage.world(), &read);
        replay(&stage, &one, &enforced, &replayed, (&mut certificate.clone(), &mut faults));
    }
    let said = Said::of(dialect, census, plan);
    let judge = Judge { stage: &stage, dialect, enforced: &enforced, said: &said, binds: &Binds::Everybody };
    around.each(|probe| judge.probe(probe, &mut certificate, &mut faults));
    for probe in enforced.corners(&stage) {
        judge.probe(&probe, &mut certificate, &mut faults);
    }

    drop(enforced);
    let read = dialect.read_on(read, files(export, DEFAULT_DENY))?;
    faults.revert_denies = !reverts(&stage, &dialect.enforce(stage.world(), &read));
    if faults.is_empty() { Ok(certificate) } else { Err(Error::RefutedPolicies(Box::new(faults))) }
}

/// The policies of an export but for those of one directory.
fn files<'a>(export: &'a Directory, without: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    let files = export.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    files.filter(move |(path, _)| {
        let directory = path.split('/').next();
        directory != Some(without) && !path.ends_with(KUSTOMIZATION)
    })
}

/// What is replayed.
struct Replayed {
    /// Dependencies, by their places in the census.
    dependencies: Vec<usize>,
    /// Those of all whose rules people rejected.
    rejected: Rc<BTreeSet<usize>>,
    /// Whether these must be denied: where everybody is bound they are.
    rejected_are_denied: bool,
}

impl Replayed {
    /// Every dependency, with everybody bound.
    fn all(stage: &Stage<'_>) -> Self {
        let dependencies = (0..stage.census.dependencies.len()).collect();
        Self { dependencies, rejected: Rc::new(Self::rejected(stage)), rejected_are_denied: true }
    }

    fn rejected(stage: &Stage<'_>) -> BTreeSet<usize> {
        stage.plan.rejected_dependencies(stage.census).into_keys().collect()
    }
}

fn replay(
    stage: &Stage<'_>,
    dialect: &impl Dialect,
    enforced: &impl Enforced,
    replayed: &Replayed,
    (certificate, faults): (&mut Certificate, &mut Faults),
) {
    for &number in &replayed.dependencies {
        let one = &stage.census.dependencies[number];
        let pairs = stage.pairs(one.client, one.server);
        let count = pairs.clone().count() as u64;
        if count == 0 || !dialect.says(one.service) {
            certificate.not_expressed += 1;
            continue;
        }
        if replayed.rejected.contains(&number) {
            certificate.dependencies_rejected += 1;
            // Between pods every dialect can deny.
            let passes = |&(client, server): &(End, End)| {
                let pods = matches!((client, server), (End::Pod(_), End::Pod(_)));
                pods && replayed.rejected_are_denied && enforced.allows(client, server, one.service)
            };
            if let Some((client, server)) = pairs.clone().find(passes) {
                faults.admitted.add(stage.fault(client, server, one.service));
            }
            continue;
        }
        certificate.dependencies_replayed += 1;
        certificate.connections_replayed += count;
        let denied = pairs.clone().find(|&(client, server)| !enforced.allows(client, server, one.service));
        if let Some((client, server)) = denied {
            faults.denied.add(stage.fault(client, server, one.service));
        }
    }
}

/// What the rules declare.
struct Said<'a> {
    declared: Declared<'a>,
    /// Where addresses may be meant by their names: what rules declare with every address of the same name.
    by_name: Option<Declared<'a>>,
}

impl<'a> Said<'a> {
    fn of(dialect: &impl Dialect, census: &'a Census, plan: &'a Plan) -> Self {
        Self {
            declared: Declared::of(census, plan),
            by_name: dialect.names().then(|| Declared::by_name(census, plan)),
        }
    }
}

/// Whom the policies in force bind.
enum Binds<'a> {
    /// Everybody whom rules can be for.
    Everybody,
    /// Whom the steps of a roll-out are for.
    Steps {
        /// The classes.
        classes: &'a HashSet<ClassId>,
        /// Their selectors, by namespace.
        subjects: &'a HashMap<&'a str, Vec<&'a Whom>>,
        /// How many of the plan's rules are theirs: the first ones.
        rules: RuleNumber,
    },
}

impl Binds<'_> {
    fn someone(&self, stage: &Stage<'_>, someone: Someone<'_>) -> bool {
        let Self::Steps { classes, subjects, .. } = self else { return true };
        match someone {
            Someone::Node(node) => classes.contains(&stage.plan.classes.of_node[node as usize]),
            Someone::Stranger { namespace, labels, .. } => {
                let mut there = subjects.get(namespace).into_iter().flatten();
                there.any(|whom| selects(whom, namespace, labels))
            }
            Someone::Address(_) => true,
        }
    }

    const fn rules(&self) -> RuleNumber {
        match self {
            Self::Everybody => RuleNumber::MAX,
            Self::Steps { rules, .. } => *rules,
        }
    }
}

/// Holds what is in force against what rules declare.
struct Judge<'a, D, E> {
    stage: &'a Stage<'a>,
    dialect: &'a D,
    enforced: &'a E,
    said: &'a Said<'a>,
    binds: &'a Binds<'a>,
}

impl<D: Dialect, E: Enforced> Judge<'_, D, E> {
    /// What passes must be declared, and what is declared must pass.
    fn probe(&self, probe: &Probe, certificate: &mut Certificate, faults: &mut Faults) {
        let Probe { client, server, ref services } = *probe;
        let sides = self.sides(&self.said.declared, client, server);
        let named = self.said.by_name.as_ref().map(|declared| self.sides(declared, client, server));
        for services in services.chunks(AT_ONCE) {
            let allowed = self.enforced.allowed(client, server, services);
            for (bit, &service) in services.iter().enumerate().filter(|(_, one)| self.dialect.says(**one)) {
                let expected = includes(self.stage.plan, &sides, service);
                // Whether an address has a name is known for those that were observed alone.
                let either =
                    named.as_ref().is_some_and(|sides| includes(self.stage.plan, sides, service) != expected);
                match (expected, allowed >> bit & 1 == 1) {
                    _ if either => certificate.probes_declared += 1,
                    (true, true) => certificate.probes_declared += 1,
                    (false, false) => certificate.probes_denied += 1,
                    (true, false) => faults.withheld.add(self.stage.fault(client, server, service)),
                    (false, true) => faults.admitted.add(self.stage.fault(client, server, service)),
                }
            }
        }
    }

    /// What both ends are declared to permit; `None` for one that is free.
    fn sides(&self, declared: &Declared<'_>, client: End, server: End) -> [Side; 2] {
        let permitted = |direction, subject: End, peer: End| match self.stage.role(subject) {
            Role::Bound(someone)
                if self.dialect.denies(direction, peer)
                    && self.stage.namespace(subject).is_none_or(|one| self.dialect.binds(one))
                    && self.binds.someone(self.stage, someone) =>
            {
                let peer = self.stage.role(peer).someone();
                declared.permitted_by_first(direction, someone, peer, self.binds.rules())
            }
            Role::Bound(_) | Role::Free(_) => None,
        };
        [permitted(Direction::Egress, client, server), permitted(Direction::Ingress, server, client)]
    }
}

/// The rules of one end that mean the other.
type Side = Option<Vec<RuleNumber>>;

fn includes(plan: &Plan, sides: &[Side; 2], service: Service) -> bool {
    let ports = |rule: &RuleNumber| &plan.rules[*rule as usize].ports;
    let permits = |side: &Vec<RuleNumber>| side.iter().flat_map(ports).any(|one| one.includes(service));
    sides.iter().flatten().all(permits)
}

/// Whether nothing is denied between anybody and the pods of each namespace.
fn reverts(stage: &Stage<'_>, enforced: &impl Enforced) -> bool {
    let all = Connections::all();
    let outside = stage::NOBODY.map(End::Outside);
    stage.pods().all(|pod| {
        outside.iter().all(|&address| {
            enforced.connections(address, pod) == all && enforced.connections(pod, address) == all
        })
    })
}
