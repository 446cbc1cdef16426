//! Kubernetes' own implementation of NetworkPolicy and of the policies of administrators,
//! sigs.k8s.io/kube-network-policies, as a judge of both in random clusters and of what is exported.
//!
//! It knows AdminNetworkPolicy and BaselineAdminNetworkPolicy; ClusterNetworkPolicies are put into their words by the
//! judge (`tests/support/kubenetworkpolicies`), with the API's own types. What it does otherwise and is left out of
//! this is in `docs/judges.md`.

mod administrators;
#[path = "cluster/mod.rs"]
mod cluster;
mod judges;
mod neighbours;
mod random_clusters;

use administrators::{Administrators, NAMES, Version};
use cluster::edges;
use neighbours::Neighbours;
use random_clusters::random::Random;
use random_clusters::{Case, Tally, Verdict, Who, hold_against};
use serde_json::{Value, json};
use watershed_policy::cluster::Tier;
use watershed_policy::export::cluster as clusterwide;
use watershed_policy::export::directory::{DEFAULT_DENY, Directory, KUSTOMIZATION, REVERT};
use watershed_policy::k8s::{Blocks, Direction, End, Manifests, World};
use watershed_policy::layers::{Layers, Names};
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::proof::kubernetes::prove_cluster;

const JUDGE: &str = "kubenetworkpolicies";

/// Random clusters with policies of administrators.
const CLUSTERS: u64 = 2400;

/// Random clusters with NetworkPolicies alone.
const PLAIN_CLUSTERS: u64 = 2000;

/// Where random choices start; a cluster's number is added.
const SEED: u64 = 0x5eed_ad31;

#[test]
fn random_network_policies_mean_what_kubernetes_says() {
    let tally = hold_against(JUDGE, SEED..SEED + PLAIN_CLUSTERS);
    println!("Kubernetes' NetworkPolicies: {PLAIN_CLUSTERS} clusters from seed {SEED:#x}, {tally}");
    tally.must_agree();
}

#[test]
fn random_policies_of_administrators_mean_what_kubernetes_says() {
    let estates: Vec<Estate> = (0..CLUSTERS).map(|number| Estate::random(SEED + number)).collect();
    let questions: Vec<Value> = estates.iter().map(Estate::question).collect();
    let (mut tally, mut read_otherwise) = (Tally::default(), 0_u64);
    for (estate, answer) in estates.iter().zip(judges::ask(JUDGE, &questions)) {
        let (ours, otherwise) = estate.ours(estate.version);
        // The other version says the same in other words.
        if estate.baselines() < 2 {
            assert!(ours == estate.ours(estate.version.other()).0, "seed {}: versions", estate.case.seed);
        }
        read_otherwise += otherwise;
        estate.case.compare(&estate.policies(estate.version), &ours, &answer, &mut tally);
    }
    let count = |is: fn(&Estate) -> bool| estates.iter().filter(|one| is(one)).count();
    println!(
        "Kubernetes' administrators: {CLUSTERS} clusters from seed {SEED:#x}, {} with a baseline, {} with several, \
         {} in the words of v1alpha1; {tally}; \
         {read_otherwise} verdicts are others where a NetworkPolicy for one direction turns the baseline off for both",
        count(|one| one.baselines() > 0),
        count(|one| one.baselines() > 1),
        count(|one| one.version == Version::V1alpha1)
    );
    tally.must_agree();
    assert!(read_otherwise > 0, "the one thing that is read otherwise occurs");
}

/// A cluster with policies of administrators too.
struct Estate {
    case: Case,
    administrators: Vec<Administrators>,
    /// What the judge is told.
    version: Version,
}

impl Estate {
    fn random(seed: u64) -> Self {
        let mut case = Case::random(seed);
        let mut random = Random(fastrand::Rng::with_seed(!seed));
        case.policies.truncate(random.0.usize(..4));
        if let (0, Some(Who::Pod(pod))) = (random.0.u8(..4), case.ends.first_mut()) {
            pod.host_network = true;
        }
        let baselines = random.0.usize(..4);
        // The older version has one baseline at the most.
        let old = baselines < 2 && random.0.bool();
        let version = if old { Version::V1alpha1 } else { Version::V1alpha2 };
        Self { case, administrators: Administrators::random(&mut random, baselines), version }
    }

    fn baselines(&self) -> usize {
        self.administrators.iter().filter(|one| one.is_baseline).count()
    }

    fn policies(&self, version: Version) -> Vec<String> {
        let wide = self.administrators.iter().map(|one| one.text(version));
        self.case.policies.iter().cloned().chain(wide).collect()
    }

    fn question(&self) -> Value {
        let mut question = self.case.question();
        question["policies"] = json!(self.policies(self.version));
        question["names"] =
            NAMES.iter().map(|(address, names)| ((*address).to_owned(), json!(names))).collect();
        question
    }

    /// What all policies say, and how many verdicts would be others if those of one direction said nothing about the
    /// other.
    ///
    /// The judge asks the baseline for pods that no NetworkPolicy selects; we ask it for a direction in which none
    /// isolates them, as NetworkPolicy has it. So where all policies are asked about at once, the baseline of a
    /// direction is left out for pods that are selected for the other alone.
    fn ours(&self, version: Version) -> (Vec<Verdict>, u64) {
        let (world, ends) = self.case.world();
        let manifests = self.case.read(&self.policies(version));
        let names = names();
        let layers = |manifests: &Manifests| Layers::of(manifests, &world, &names, Blocks::PodsToo);
        let all = layers(&manifests);
        let [egress, ingress] = [Direction::Egress, Direction::Ingress].map(|only| of(&manifests, only));
        let (bare_egress, bare_ingress) = (without_baseline(&egress), without_baseline(&ingress));
        let (egress, ingress) = (layers(&egress), layers(&ingress));
        let (bare_egress, bare_ingress) = (layers(&bare_egress), layers(&bare_ingress));
        let mut otherwise = 0;
        let verdicts = self.case.each(&ends, |service, client, server| {
            let said = |layers: &Layers<'_>| layers.allows(client, server, service);
            let (of_client, of_server) = (said(&egress), said(&ingress));
            let both = of_client && of_server;
            assert_eq!(said(&all), both, "seed {}: both ends permit it", self.case.seed);
            let of_client_there = match turned_off(&manifests, &world, client, Direction::Egress) {
                true => said(&bare_egress),
                false => of_client,
            };
            let of_server_there = match turned_off(&manifests, &world, server, Direction::Ingress) {
                true => said(&bare_ingress),
                false => of_server,
            };
            let allowed = of_client_there && of_server_there;
            otherwise += u64::from(client != server && allowed != both);
            Verdict { egress: of_client, ingress: of_server, allowed }
        });
        (verdicts, otherwise)
    }
}

fn names() -> Names {
    let mut names = Names::default();
    for (address, called) in NAMES {
        let called: Vec<Box<str>> = called.iter().map(|&name| name.into()).collect();
        names.add(address.parse().expect("an address"), &called);
    }
    names
}

/// What the policies would be if they said nothing about the other direction.
fn of(manifests: &Manifests, only: Direction) -> Manifests {
    let mut some = manifests.clone();
    for policy in &mut some.policies {
        match only {
            Direction::Egress => policy.ingress = None,
            Direction::Ingress => policy.egress = None,
        }
    }
    for policy in &mut some.cluster {
        match only {
            Direction::Egress => policy.ingress.clear(),
            Direction::Ingress => policy.egress.clear(),
        }
    }
    some
}

fn without_baseline(manifests: &Manifests) -> Manifests {
    let mut some = manifests.clone();
    some.cluster.retain(|policy| policy.tier == Tier::Admin);
    some
}

/// Whether NetworkPolicies select a pod, but none for this direction.
fn turned_off(manifests: &Manifests, world: &World, end: End, direction: Direction) -> bool {
    let End::Pod(at) = end else { return false };
    let pod = &world.pods()[at];
    let mut selecting = manifests
        .policies
        .iter()
        .filter(|policy| policy.namespace == pod.namespace && policy.subject.matches(&pod.labels))
        .peekable();
    selecting.peek().is_some() && selecting.all(|policy| policy.rules(direction).is_none())
}

#[test]
fn what_is_exported_means_the_same_to_kubernetes() {
    let census = Census::of(edges(), &[]).expect("a census");
    let small = Neighbours::new();
    let mut questions = Vec::new();
    for level in Level::ALL {
        let plan = mine(&census, level);
        let export = clusterwide::export(&census, &plan).expect("policies");
        prove_cluster(&census, &plan, &export, "test").expect("a proof");
        for without in [REVERT, DEFAULT_DENY] {
            questions.push((level, without, documents(&export, without)));
        }
    }
    let asked: Vec<Value> = questions.iter().map(|(_, _, policies)| small.question(policies)).collect();
    for ((level, without, policies), answer) in questions.iter().zip(judges::ask(JUDGE, &asked)) {
        let theirs = answer["allowed"].as_str().unwrap_or_default().bytes().map(|digit| digit == b'1');
        let theirs: Vec<bool> = theirs.collect();
        assert_eq!(theirs.len(), small.tuples().count(), "{level}: {answer}");
        let ours = small.ours(policies);
        let (mut compared, mut seen, mut denied) = (0, 0, 0);
        for ((tuple, &ours), &theirs) in small.tuples().zip(&ours).zip(&theirs) {
            // A pod always reaches itself.
            if tuple.1 == tuple.2 {
                continue;
            }
            let told = || format!("{level} without {without}: {}", small.tell(tuple));
            assert_eq!(ours, theirs, "{}", told());
            let observed = small.observed.contains(&tuple);
            assert!(theirs || !observed, "{}", told());
            if *without == DEFAULT_DENY {
                assert!(theirs, "taken back: {}", told());
            } else if *level == Level::Nano && !small.has_stranger(tuple) {
                let declared = observed || small.asks_for_names(tuple) || small.is_free(tuple);
                assert_eq!(theirs, declared, "{}", told());
            }
            compared += 1;
            seen += u64::from(observed);
            denied += u64::from(!theirs);
        }
        assert_eq!(seen, small.observed.len() as u64);
        println!(
            "exported at {level}, {} policies without {without}: {compared} connections, all {seen} observed allowed, {denied} denied, 0 disagreements",
            policies.len()
        );
    }
}

/// The policies of an export, one text each, but for those of one directory.
fn documents(export: &Directory, without: &str) -> Vec<String> {
    let files = export
        .files
        .iter()
        .filter(|(path, _)| path.split('/').next() != Some(without) && !path.ends_with(KUSTOMIZATION));
    let documents = files.flat_map(|(_, text)| text.split("\n---\n"));
    documents.filter(|text| text.contains("kind:")).map(ToOwned::to_owned).collect()
}
