//! Which connections between one's own are permitted, and by which rules at either end.

mod mined;

mod policies;

use std::collections::BTreeMap;
use std::sync::Arc;

use watershed_model::Workload;

use super::Cast;
use crate::mine::{Census, Plan};
use crate::whatif::Policies;
use crate::{Error, RuleSet, Service};

/// What permits.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Exact rules, which are for servers alone.
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
    let mut permits = Permits {
        rules: rules.rules.iter().map(|rule| rule.id.to_string()).collect(),
        tuples: BTreeMap::new(),
    };
    for (number, rule) in (0..).zip(&rules.rules) {
        let Some(server) = cast.at(&rule.subject.party) else { continue };
        let clients = rule.peers.iter().filter_map(|peer| cast.at(&peer.party));
        for client in clients.filter(|&client| client != server) {
            permits.tuples.entry((client, server, rule.service)).or_default()[1].push(number);
        }
    }
    permits
}
