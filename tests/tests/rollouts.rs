//! A roll-out of an estate of a thousand workloads: every step is there and proven.

#![allow(clippy::print_stdout, reason = "how many steps were proven is worth a line")]

use std::collections::BTreeSet;

use watershed_model::{Counters, Edge, Hour, Party, Snapshot, TimeRange};
use watershed_policy::confidence::{ConfidenceConfig, assess};
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::nft::Hook;
use watershed_policy::rollout::{Dialect, Inputs, Mined, PolicySteps, Unit, plan_policies};
use watershed_tests::estate::{APPLICATION, Config, Estate};

fn planned(workloads: usize, unit: Unit, dialect: Dialect) -> PolicySteps {
    let config = Config { applications: workloads / APPLICATION, calls: 2, observed: 0.97, seed: 7 };
    let estate = Estate::new(&config);
    let edges: Vec<Edge> = estate.edges().collect();
    let census = Census::of(&edges, &estate.workloads).expect("a census");
    let plan = mine(&census, Level::Service);
    let period = TimeRange { start: Hour(0).start(), end: Hour(24).start() };
    let counters = Counters::default();
    let snapshot =
        Snapshot { period, edges: edges.clone(), names: vec![], listeners: vec![], loss: vec![], counters };
    let confidence = assess(&snapshot, &edges, &ConfidenceConfig::default());
    let parties = edges.iter().flat_map(|edge| [&edge.key.client, &edge.key.server]);
    let internal: BTreeSet<&Party> = parties.collect();
    let inputs = Inputs {
        accepted: &edges.iter().collect::<Vec<_>>(),
        undecided: &[],
        internal: &internal,
        confidence: &confidence,
        coverage: 0.99,
        hook: Hook::Forward,
        by_hand: &[],
    };
    let mined = Mined { census: &census, plan: &plan, dialect };
    plan_policies(&inputs, unit, &mined).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_step_of_a_thousand_workloads_is_proven() {
    for (dialect, unit) in [
        (Dialect::Kubernetes, Unit::Workload),
        (Dialect::Calico, Unit::Namespace),
        (Dialect::Cilium, Unit::Namespace),
        (Dialect::Cluster, Unit::Workload),
        (Dialect::Istio, Unit::Workload),
    ] {
        let plan = planned(1_000, unit, dialect);
        let protected: usize = plan.steps.iter().map(|step| step.parties.len()).sum();
        println!("{dialect:?}, {unit:?}: {} steps for {protected} workloads", plan.steps.len());
        assert!(protected >= 900, "{protected} of 1,000 workloads have a step");
        let names: BTreeSet<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names.len(), plan.steps.len(), "names are unique");
    }
}
