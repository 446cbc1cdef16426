//! Cyclonus' model of NetworkPolicy and Cilium's engine as judges of steps: of the policies in force after each of them,
//! between the objects of a file, with default deny, and as one after the other is taken back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use watershed_policy::Service;
use watershed_policy::k8s::{Blocks, End, Manifests};
use watershed_policy::layers::Layers;
use watershed_policy::mine::Level;
use watershed_policy::rollout::{Dialect, Unit};

use crate::cluster::{Cluster, Someone};
use crate::{agent, judges, networkpolicy};

/// Random clusters for Cyclonus' model, and for Cilium's engine, which takes its time.
const CLUSTERS: [u64; 2] = [150, 20];

/// Where random choices start; a cluster's number is added.
const SEED: u64 = 0x5eed_0a11;

/// Policies that are in force at a time.
struct State {
    what: String,
    objects: Vec<String>,
    /// For each end whether it is bound.
    bound: Vec<bool>,
    /// For each end whether it is about to be bound or freed, by a file of which some objects are loaded.
    moving: Vec<bool>,
}

/// What a judge says of a connection.
#[derive(Clone, Copy)]
struct Said {
    allowed: bool,
    /// What policies of the client say, and of the server; `None` where the judge tells both in one.
    sides: Option<(bool, bool)>,
}

#[derive(Debug, Default)]
struct Counts {
    steps: usize,
    states: usize,
    between: usize,
    connections: usize,
    seen: usize,
    denied: usize,
    /// Neither seen nor denied, with an end that is bound.
    declared: usize,
    unprotected: usize,
}

#[test]
fn steps_of_network_policies_do_to_cyclonus_what_they_are_to_do() {
    println!("{}", judge("Cyclonus", Dialect::Kubernetes, CLUSTERS[0]));
}

#[test]
fn steps_of_cilium_do_to_its_engine_what_they_are_to_do() {
    println!("{}", judge("Cilium's engine", Dialect::Cilium, CLUSTERS[1]));
}

/// Puts the steps of random clusters to a judge, and tells what was compared.
fn judge(judge: &str, dialect: Dialect, clusters: u64) -> String {
    let unit = |number| if number % 4 == 3 { Unit::Namespace } else { Unit::Workload };
    let cluster = |number: u64| {
        let level = Level::ALL[number as usize % Level::ALL.len()];
        Cluster::random(SEED + number, dialect, level, unit(number))
    };
    let clusters: Vec<Cluster> = (0..clusters).map(cluster).collect();
    let states: Vec<Vec<State>> = clusters.iter().map(states).collect();
    let each = || {
        clusters.iter().zip(&states).flat_map(|(one, states)| states.iter().map(move |state| (one, state)))
    };
    let questions: Vec<Value> = each().map(|(cluster, state)| question(dialect, cluster, state)).collect();
    let folder = if dialect == Dialect::Cilium { agent::NAME } else { "networkpolicy" };
    let (mut counts, mut different) = (Counts::default(), Vec::new());
    for ((cluster, state), answer) in each().zip(judges::ask(folder, &questions)) {
        let theirs = said(dialect, &answer);
        assert_eq!(
            theirs.len(),
            cluster.each(|_, _, _| ()).len(),
            "{}, {}: {answer}",
            cluster.what,
            state.what
        );
        counts.states += 1;
        counts.between += usize::from(state.moving.contains(&true));
        compare(dialect, (cluster, state), &theirs, &mut counts, &mut different);
    }
    counts.steps = clusters.iter().map(|one| one.rollout.steps.len()).sum();
    let told = format!(
        "{judge}: {} clusters from seed {SEED:#x}, {} steps, {} states, {} of them between two objects of a file, \
         {} connections: {} seen passed, {} that rules declare beside them, {} denied, {} of the unprotected passed, \
         {} disagreements",
        clusters.len(),
        counts.steps,
        counts.states,
        counts.between,
        counts.connections,
        counts.seen,
        counts.declared,
        counts.denied,
        counts.unprotected,
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{told}\n{}", shown.join("\n"));
    let common = [counts.seen * 8, counts.denied, counts.unprotected];
    assert!(common.iter().all(|&one| one > counts.connections / 10), "none is rare: {counts:?}");
    assert!(counts.between > 0, "{counts:?}");
    told
}

/// All steps one after the other, default deny and back, and the steps taken back in another order.
fn states(cluster: &Cluster) -> Vec<State> {
    let mut loading =
        Loading { cluster, objects: BTreeMap::new(), steps: BTreeSet::new(), states: Vec::new() };
    let steps = &cluster.rollout.steps;
    for (at, step) in steps.iter().enumerate() {
        loading.file(&step.files.apply, &format!("up to {}", step.name), &cluster.bound(&[at].into()));
        loading.steps.insert(at);
        loading.settle(&step.name, false);
    }
    let bound = cluster.bound(&loading.steps);
    let others: Vec<bool> = cluster
        .bound_by_default()
        .iter()
        .zip(&bound)
        .map(|(&by_default, &bound)| by_default && !bound)
        .collect();
    let files = &cluster.rollout.default_deny;
    loading.file(&files.apply, "default deny", &others);
    loading.settle("default deny", true);
    loading.file(&files.revert, "default deny taken back", &others);
    loading.settle("default deny taken back", false);
    let mut order: Vec<usize> = (0..steps.len()).collect();
    fastrand::Rng::with_seed(cluster.estate.seed).shuffle(&mut order);
    for at in order {
        let what = format!("{} taken back", steps[at].name);
        loading.file(&steps[at].files.revert, &what, &cluster.bound(&[at].into()));
        loading.steps.remove(&at);
        loading.settle(&what, false);
    }
    loading.states
}

/// Files loaded one after the other, an object at a time, as `kubectl apply` does.
struct Loading<'a> {
    cluster: &'a Cluster,
    /// By kind, namespace and name: an object takes the place of one of its name.
    objects: BTreeMap<String, String>,
    /// Those in force.
    steps: BTreeSet<usize>,
    states: Vec<State>,
}

impl Loading<'_> {
    fn file(&mut self, text: &str, what: &str, moving: &[bool]) {
        let objects: Vec<&str> = text.split("\n---\n").collect();
        for (number, object) in (1..).zip(&objects) {
            let object = format!("{}\n", object.trim_end());
            self.objects.insert(key(&object), object);
            if number < objects.len() {
                let what = format!("{what}, {number} of {} objects", objects.len());
                self.state(what, self.cluster.bound(&self.steps), moving.to_vec());
            }
        }
    }

    fn settle(&mut self, what: &str, default_deny: bool) {
        let mut bound = self.cluster.bound(&self.steps);
        if default_deny {
            bound
                .iter_mut()
                .zip(self.cluster.bound_by_default())
                .for_each(|(one, by_default)| *one |= by_default);
        }
        let none = vec![false; bound.len()];
        self.state(what.to_owned(), bound, none);
    }

    fn state(&mut self, what: String, bound: Vec<bool>, moving: Vec<bool>) {
        let objects = self.objects.values().cloned().collect();
        self.states.push(State { what, objects, bound, moving });
    }
}

/// What an object is called: its lines of kind, and of name and namespace at the place of metadata.
fn key(object: &str) -> String {
    let is_of =
        |line: &&str| ["kind: ", "  name: ", "  namespace: "].iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = object.lines().filter(is_of).take(3).collect();
    assert_eq!(lines.len(), 3, "{object}");
    lines.join("\n")
}

fn question(dialect: Dialect, cluster: &Cluster, state: &State) -> Value {
    let end = |one: &Someone| match (one.end, dialect) {
        (End::Pod(at), Dialect::Cilium) => agent::pod(&cluster.world.pods()[at], &cluster.world),
        (End::Pod(at), _) => networkpolicy::pod(&cluster.world.pods()[at], &cluster.world),
        (End::Outside(address), Dialect::Cilium) => agent::outside(address, &cluster.names_of(address)),
        (End::Outside(address), _) => networkpolicy::outside(address),
    };
    let ends: Vec<Value> = cluster.ends.iter().map(end).collect();
    let named = |service: &Service| match *service {
        Service::Port { port, .. } => port,
        Service::Icmp { message_type, .. } => message_type.into(),
        Service::Protocol(_) => 0,
    };
    let names: Vec<String> =
        cluster.services.iter().map(|service| service.protocol().to_string().to_uppercase()).collect();
    let services: Vec<(&str, u16)> =
        names.iter().zip(&cluster.services).map(|(name, service)| (name.as_str(), named(service))).collect();
    judges::question(&state.objects, &ends, &services)
}

fn said(dialect: Dialect, answer: &Value) -> Vec<Said> {
    if dialect == Dialect::Cilium {
        let all = agent::verdicts(answer).unwrap_or_default();
        return all.into_iter().map(|allowed| Said { allowed, sides: None }).collect();
    }
    let all = networkpolicy::verdicts(answer).into_iter();
    all.map(|sides| Said { allowed: sides.0 && sides.1, sides: Some(sides) }).collect()
}

/// The same texts as our own evaluator reads them.
fn ours(dialect: Dialect, cluster: &Cluster, state: &State) -> Vec<bool> {
    let files: Vec<(String, &String)> =
        state.objects.iter().enumerate().map(|(at, text)| (format!("{at}.yaml"), text)).collect();
    let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let manifests =
        Manifests::read(files, "default").unwrap_or_else(|error| panic!("{}: {error}", cluster.what));
    let blocks = if dialect == Dialect::Cilium { Blocks::OutsideOnly } else { Blocks::PodsToo };
    let layers = Layers::of(&manifests, &cluster.world, &cluster.names(), blocks);
    cluster.each(|client, server, service| layers.allows(client.end, server.end, service))
}

fn compare(
    dialect: Dialect,
    (cluster, state): (&Cluster, &State),
    theirs: &[Said],
    counts: &mut Counts,
    different: &mut Vec<String>,
) {
    for (place, (ours, said)) in ours(dialect, cluster, state).into_iter().zip(theirs).enumerate() {
        let (client, server, service) = cluster.at(place);
        // A pod always reaches itself.
        if client == server {
            continue;
        }
        let permitted = cluster.permitted(place);
        let meant = (!state.bound[client] || permitted.0, !state.bound[server] || permitted.1);
        // Of whoever is being bound or freed it is not said at which moment.
        let settled = (!state.moving[client], !state.moving[server]);
        let as_meant = match said.sides {
            Some((egress, ingress)) => {
                (!settled.0 || egress == meant.0) && (!settled.1 || ingress == meant.1)
            }
            None => settled != (true, true) || said.allowed == (meant.0 && meant.1),
        };
        let seen = cluster.seen(place);
        counts.connections += 1;
        let touched = [client, server].into_iter().any(|end| state.bound[end] || state.moving[end]);
        match (said.allowed, seen, touched) {
            (false, ..) => counts.denied += 1,
            (true, true, _) => counts.seen += 1,
            (true, false, true) => counts.declared += 1,
            (true, false, false) => counts.unprotected += 1,
        }
        if ours != said.allowed || !as_meant || seen && !said.allowed {
            let who = |at: usize| format!("{} ({:?})", cluster.ends[at].name, cluster.ends[at].end);
            different.push(format!(
                "{}, {}: {} -> {} {service}: seen {seen}, meant {meant:?}, settled {settled:?}, they {} {:?}, ours {ours}\n{}",
                cluster.what,
                state.what,
                who(client),
                who(server),
                said.allowed,
                said.sides,
                state.objects.join("---\n")
            ));
        }
    }
}
