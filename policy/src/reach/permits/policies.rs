//! What policies permit, whoever wrote them: every workload is asked about with every service that another offers.

use std::collections::BTreeMap;
use std::sync::Arc;

use watershed_model::Workload;

use super::super::Cast;
use super::{Permits, Sides};
use crate::check::{Observed, cast};
use crate::k8s::{Blocks, Direction, End, Manifests, Place};
use crate::layers::{Layers, Names};
use crate::nft::{Action, Hook, Ruleset};
use crate::{Error, Service, Tuple};

/// Connections that are asked about: those of some 3,000 workloads with two services each, which take seconds.
const MAX_QUESTIONS: u64 = 20_000_000;

/// Policies about pods of every dialect. A network of a policy means pods too: some plugins have it so, and reach
/// is what may be got to.
pub(super) fn kubernetes(
    parties: &Cast<'_>,
    manifests: &Manifests,
    workloads: &[Arc<Workload>],
) -> Result<Permits, Error> {
    let cast = cast::Cast::new(&manifests.world, Observed { edges: Some(&parties.edges), workloads });
    let layers = Layers::of(manifests, &cast.world, &Names::of_edges(&parties.edges), Blocks::PodsToo);
    let of = |at: usize| cast.ends(parties.parties[at], &parties.addresses[at]);
    let ends: Vec<Vec<End>> = (0..parties.parties.len()).map(of).collect();
    let mut numbers = Numbers::default();
    let tuples = ask(parties, |client, server, service| {
        let spoken_of = manifests.speak_of(service);
        let pairs = ends[client].iter().flat_map(|&one| ends[server].iter().map(move |&other| (one, other)));
        let mut passing = pairs
            .filter(|&(client, server)| !spoken_of || layers.refused(client, server, service).is_empty());
        let (client, server) = passing.next()?;
        let mut side = |direction| -> Vec<u32> {
            if !spoken_of {
                return Vec::new();
            }
            let rules = layers.permitting_at(direction, client, server, service);
            let number = |(policy, place): (usize, &Place)| {
                let name = || format!("{} at {}:{}", layers.policies[policy].name, place.file, place.line);
                numbers.of((place.file.to_string(), place.line, place.column), name)
            };
            rules.into_iter().map(number).collect()
        };
        Some([side(Direction::Egress), side(Direction::Ingress)])
    })?;
    Ok(Permits { rules: numbers.names, tuples })
}

/// An nftables ruleset between them. The rule that decides is the only one that is known to permit.
pub(super) fn nftables(parties: &Cast<'_>, ruleset: &Ruleset, hook: Hook) -> Result<Permits, Error> {
    let mut numbers = Numbers::default();
    let tuples = ask(parties, |client, server, service| {
        let (clients, servers) = (&parties.addresses[client], &parties.addresses[server]);
        let pairs = clients.iter().flat_map(|&client| servers.iter().map(move |&server| (client, server)));
        let mut decisions = pairs
            .filter(|&(client, server)| service.connects(client, server))
            .map(|(client, server)| ruleset.evaluate(hook, &Tuple { client, server, service }));
        let decision = decisions.find(|decision| decision.action == Action::Accept)?;
        let rule = decision.rule.map(|place| {
            let at = format!("{}:{}", place.file, place.line);
            let name = || match &place.comment {
                Some(comment) => format!("{comment} at {at}"),
                None => at.clone(),
            };
            numbers.of((place.file.to_string(), place.line, 0), name)
        });
        Some([Vec::new(), rule.into_iter().collect()])
    })?;
    Ok(Permits { rules: numbers.names, tuples })
}

fn ask(
    parties: &Cast<'_>,
    mut permitted: impl FnMut(usize, usize, Service) -> Option<Sides>,
) -> Result<BTreeMap<super::Tuple, Sides>, Error> {
    let services: u64 = parties.offered.iter().map(|services| services.len() as u64).sum();
    let questions = services.saturating_mul(parties.parties.len() as u64);
    if questions > MAX_QUESTIONS {
        return Err(Error::TooFar { questions, most: MAX_QUESTIONS });
    }
    let mut tuples = BTreeMap::new();
    for (server, services) in parties.offered.iter().enumerate() {
        for client in (0..parties.parties.len()).filter(|&client| client != server) {
            for &service in services {
                if let Some(sides) = permitted(client, server, service) {
                    tuples.insert((client, server, service), sides);
                }
            }
        }
    }
    Ok(tuples)
}

/// Numbers of rules, by where they stand, in the order in which they were met.
#[derive(Default)]
struct Numbers {
    known: BTreeMap<(String, u32, u32), u32>,
    names: Vec<String>,
}

impl Numbers {
    fn of(&mut self, place: (String, u32, u32), name: impl FnOnce() -> String) -> u32 {
        *self.known.entry(place).or_insert_with(|| {
            self.names.push(name());
            (self.names.len() - 1) as u32
        })
    }
}
