//! Which connections between one's own are permitted, and by which rules at either end.

mod mined;

mod policies;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watershed_model::Workload;

use super::Cast;
use crate::mine::{Census, Plan};
use crate::whatif::Policies;
use crate::{Allowed, Error, Rule, RuleSet, Service};

/// What permits.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Exact rules, which are for servers alone, and rules that people made.
    Exact(&'a RuleSet),
    /// Mined rules, which are for both ends.
    Mined(&'a Census, &'a Plan),
    /// Policies, whoever wrote them, and the workloads that are known whether they were seen or not.
    Policies(Policies<'a>, &'a [Arc<Workload>]),
}

/// Client, server and service.
pub(super) type Tuple = (usize, usize, Service);

/// The rules that let a connection out of its client, and into its server; none of an end that is free.
pub(super) type Sides = [Vec<u32>; 2];

/// Everything that is permitted.
#[derive(Default)]
pub(super) struct Permits {
    /// What the rules are called.
    pub(super) rules: Vec<String>,
    pub(super) tuples: BTreeMap<Tuple, Sides>,
}

impl Permits {
    /// By rules that permit nothing yet.
    fn of_rules(rules: &[Rule]) -> Self {
        Self { rules: rules.iter().map(|rule| rule.id.to_string()).collect(), tuples: BTreeMap::new() }
    }

    pub(super) fn of(cast: &Cast<'_>, by: By<'_>) -> Result<Self, Error> {
        match by {
            By::Exact(rules) => Ok(exact(cast, rules)),
            By::Mined(census, plan) => Ok(mined::permits(cast, census, plan)),
            By::Policies(Policies::Kubernetes(manifests), workloads) => {
                policies::kubernetes(cast, manifests, workloads)
            }
            By::Policies(Policies::Nftables(ruleset, hook), _) => policies::nftables(cast, ruleset, hook),
        }
    }
}

pub(super) fn exact(cast: &Cast<'_>, rules: &RuleSet) -> Permits {
    let mut permits = Permits::of_rules(&rules.rules);
    for (number, rule) in (0..).zip(&rules.rules) {
        let clients = cast.meant(rule.client());
        for server in cast.meant(rule.server()) {
            for service in within(&rule.ports, &cast.offered[server]) {
                for &client in clients.iter().filter(|&&client| client != server) {
                    permits.tuples.entry((client, server, service)).or_default()[1].push(number);
                }
            }
        }
    }
    permits
}

/// What of a server's services is allowed. Mostly a rule is for one, which need not be looked for among all.
fn within(ports: &[Allowed], offered: &BTreeSet<Service>) -> BTreeSet<Service> {
    let each = ports.iter().flat_map(|allowed| match allowed.service() {
        Some(service) => offered.get(&service).into_iter().copied().collect::<Vec<_>>(),
        None => offered.iter().filter(|service| allowed.includes(**service)).copied().collect(),
    });
    each.collect()
}
