//! What mined rules permit: the rules for the server name who is asked about, then both ends are held against them.

use std::collections::{BTreeSet, HashMap};

use super::super::Cast;
use super::Permits;
use crate::identity::Identity;
use crate::k8s::Direction;
use crate::mine::{Allowing, Census, ClassId, End, Plan};

pub(super) fn permits(cast: &Cast<'_>, census: &Census, plan: &Plan) -> Permits {
    let allowing = Allowing::of(census, plan);
    let ends: Vec<Vec<End<'_>>> =
        (0..cast.parties.len()).map(|at| allowing.ends(cast.parties[at], &cast.addresses[at])).collect();
    let candidates = Candidates::of(cast, census, plan);
    let mut permits = Permits::of_rules(&plan.rules);
    for (server, services) in cast.offered.iter().enumerate() {
        for client in candidates.of_server(cast, server).into_iter().filter(|&client| client != server) {
            for &service in services {
                if let Some(sides) = allowing.sides(&ends[client], &ends[server], service) {
                    permits.tuples.insert((client, server, service), sides);
                }
            }
        }
    }
    permits
}

/// Who may be permitted anything at whom.
struct Candidates {
    class: Vec<Option<ClassId>>,
    /// Parties of each class.
    of_class: HashMap<ClassId, Vec<usize>>,
    /// For each class of servers the classes that its rules let in.
    peers: HashMap<ClassId, BTreeSet<ClassId>>,
    /// Parties that rules mean by their addresses, if at all.
    addresses: Vec<usize>,
}

impl Candidates {
    fn of(cast: &Cast<'_>, census: &Census, plan: &Plan) -> Self {
        let class = |at: usize| {
            let identity = Identity::of(cast.parties[at]);
            let found = census.nodes.binary_search_by(|node| node.identity.cmp(&identity));
            let workload = matches!(identity, Identity::Workload { .. });
            found.ok().filter(|_| workload).map(|node| plan.classes.of_node[node])
        };
        let class: Vec<Option<ClassId>> = (0..cast.parties.len()).map(class).collect();
        let mut of_class: HashMap<ClassId, Vec<usize>> = HashMap::new();
        let mut addresses = Vec::new();
        for (at, class) in class.iter().enumerate() {
            match class {
                Some(class) => of_class.entry(*class).or_default().push(at),
                None => addresses.push(at),
            }
        }
        let mut peers: HashMap<ClassId, BTreeSet<ClassId>> = HashMap::new();
        for rule in plan.rules.iter().filter(|rule| rule.direction == Direction::Ingress) {
            for &subject in &*rule.subjects {
                peers.entry(subject).or_default().extend(&*rule.peers);
            }
        }
        Self { class, of_class, peers, addresses }
    }

    fn of_server(&self, cast: &Cast<'_>, server: usize) -> BTreeSet<usize> {
        let Some(class) = self.class[server] else { return (0..cast.parties.len()).collect() };
        let peers = self.peers.get(&class).into_iter().flatten();
        let members = peers.filter_map(|peer| self.of_class.get(peer)).flatten();
        members.chain(&self.addresses).copied().collect()
    }
}
