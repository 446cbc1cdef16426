//! Which rules of a plan allow an edge: for those who look at rules one edge at a time.
//!
//! Rules stand at both ends. A connection comes about where the rules for its client let it out and those for its
//! server let it in; an address has no rules, and stops nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use watershed_model::{Edge, Party, Workload};

use super::declared::{Declared, Someone};
use super::{Census, Plan};
use crate::Service;
use crate::identity::Identity;
use crate::k8s::Direction;

/// What rules say of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every end that rules are for lets it pass.
    Allowed,
    /// An end does not.
    Denied,
    /// Both ends are addresses: no rule is for it.
    Outside,
}

/// What rules say of an edge, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What comes of it.
    pub outcome: Outcome,
    /// The rules that let it pass at one end, by their places in the plan, in order.
    pub rules: BTreeSet<u32>,
}

/// Rules by what they allow.
pub struct Allowing<'a> {
    census: &'a Census,
    plan: &'a Plan,
    declared: Declared<'a>,
    /// Workloads that no accepted edge knows, with their numbers.
    strangers: RefCell<HashMap<Party, usize>>,
}

/// An end of an edge.
pub(crate) struct End<'a> {
    someone: Someone<'a>,
    /// Where rules may mean its address rather than itself.
    address: Option<IpAddr>,
    /// Whether rules are for it.
    governed: bool,
}

impl<'a> Allowing<'a> {
    /// Of a plan that was mined from this census.
    #[must_use]
    pub fn of(census: &'a Census, plan: &'a Plan) -> Self {
        Self { census, plan, declared: Declared::of(census, plan), strangers: RefCell::default() }
    }

    /// What the rules say of an edge, accepted or not. A network of the inventory stands for each of its addresses,
    /// all of which must pass.
    #[must_use]
    pub fn edge(&self, edge: &Edge) -> Permission {
        let mut told = Permission { outcome: Outcome::Outside, rules: BTreeSet::new() };
        let Some(service) = Service::of(&edge.key) else { return told };
        let clients = self.ends(&edge.key.client, &edge.client_addresses);
        let servers = self.ends(&edge.key.server, &edge.server_addresses);
        for (client, server) in clients.iter().flat_map(|client| servers.iter().map(move |end| (client, end)))
        {
            self.side(Direction::Egress, (client, server), service, &mut told);
            self.side(Direction::Ingress, (server, client), service, &mut told);
        }
        told
    }

    /// The rules of egress that let a connection out, and those of ingress that let it in; none at an end that no
    /// rules are for. `None` where an end denies it.
    pub(crate) fn sides(
        &self,
        clients: &[End<'_>],
        servers: &[End<'_>],
        service: Service,
    ) -> Option<[Vec<u32>; 2]> {
        let mut sides = [(); 2].map(|()| Permission { outcome: Outcome::Outside, rules: BTreeSet::new() });
        for (client, server) in clients.iter().flat_map(|one| servers.iter().map(move |other| (one, other))) {
            self.side(Direction::Egress, (client, server), service, &mut sides[0]);
            self.side(Direction::Ingress, (server, client), service, &mut sides[1]);
        }
        let denied = sides.iter().any(|side| side.outcome == Outcome::Denied);
        (!denied).then(|| sides.map(|side| side.rules.into_iter().collect()))
    }

    /// Adds what the rules of one end say.
    fn side(
        &self,
        direction: Direction,
        (subject, peer): (&End<'_>, &End<'_>),
        service: Service,
        told: &mut Permission,
    ) {
        if !subject.governed {
            return;
        }
        let of = |peer| self.declared.rules(direction, subject.someone, peer).unwrap_or_default();
        let mut rules = of(peer.someone);
        rules.extend(peer.address.into_iter().flat_map(|address| of(Someone::Address(address))));
        rules
            .retain(|&at| self.plan.rules[at as usize].ports.iter().any(|allowed| allowed.includes(service)));
        if rules.is_empty() {
            told.outcome = Outcome::Denied;
        } else if told.outcome == Outcome::Outside {
            told.outcome = Outcome::Allowed;
        }
        told.rules.extend(rules);
    }

    pub(crate) fn ends<'b>(&self, party: &'b Party, addresses: &BTreeSet<IpAddr>) -> Vec<End<'b>> {
        match party {
            Party::Workload(workload) if workload.kind.is_addresses() => {
                addresses.iter().map(|&address| self.address(address)).collect()
            }
            Party::Workload(workload) => vec![self.workload(party, workload, addresses)],
            Party::Address(address) => vec![self.address(*address)],
        }
    }

    fn address<'b>(&self, address: IpAddr) -> End<'b> {
        let known = self.node(&Identity::Address(address));
        End {
            someone: known.unwrap_or(Someone::Address(address)),
            address: known.map(|_| address),
            governed: false,
        }
    }

    fn workload<'b>(&self, party: &Party, workload: &'b Workload, addresses: &BTreeSet<IpAddr>) -> End<'b> {
        let someone = self.node(&Identity::of(party)).or_else(|| {
            let namespace = workload.namespace.as_deref()?;
            let mut strangers = self.strangers.borrow_mut();
            let next = strangers.len();
            let number = *strangers.entry(party.clone()).or_insert(next);
            Some(Someone::Stranger { number, namespace, labels: &workload.labels })
        });
        // A host that nobody used or was used by has no rules of its own; those of others mean it by its address.
        let unknown = addresses.first().map_or(IpAddr::from([0, 0, 0, 0]), |&address| address);
        End { someone: someone.unwrap_or(Someone::Address(unknown)), address: None, governed: true }
    }

    fn node<'b>(&self, identity: &Identity) -> Option<Someone<'b>> {
        let found = self.census.nodes.binary_search_by(|node| node.identity.cmp(identity));
        found.ok().map(|at| Someone::Node(at as u32))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use watershed_model::{EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Protocol, StateCounts, Timestamp};

    use super::*;
    use crate::mine::{Level, mine};

    fn pod(name: &str, role: &str) -> Party {
        let labels = Labels::from([("role".to_owned(), role.to_owned())]);
        let namespace = Some("shop".to_owned());
        Party::Workload(Arc::new(Workload { name: name.into(), namespace, labels, ..Workload::default() }))
    }

    fn host(name: &str) -> Party {
        Party::Workload(Arc::new(Workload { name: name.into(), ..Workload::default() }))
    }

    fn edge(client: &Party, server: &Party, port: u16) -> Edge {
        Edge {
            key: EdgeKey { client: client.clone(), server: server.clone(), protocol: Protocol::TCP, port },
            connections: 1,
            answered: 1,
            to_server: EdgeTraffic::default(),
            to_client: EdgeTraffic::default(),
            first_seen: Timestamp::from_parts(1, 0),
            last_seen: Timestamp::from_parts(2, 0),
            states: StateCounts::default(),
            evidence: EvidenceCounts::default(),
            names: BTreeSet::new(),
            hours: BTreeSet::new(),
            client_addresses: ["10.0.0.1".parse().unwrap()].into(),
            server_addresses: ["10.0.0.2".parse().unwrap()].into(),
            observers: BTreeSet::new(),
        }
    }

    #[test]
    fn what_was_observed_passes_at_both_ends_at_every_level_and_the_price_shows_in_what_else_does() {
        let address = Party::Address("203.0.113.9".parse().unwrap());
        let other = Party::Address("203.0.113.10".parse().unwrap());
        let web = [pod("web-1", "web"), pod("web-2", "web"), pod("web-3", "web")];
        let (db, mon) = (pod("db", "db"), host("mon"));
        let mut seen = vec![edge(&web[0], &db, 5432), edge(&web[1], &db, 5432), edge(&address, &web[0], 443)];
        seen.extend([edge(&mon, &db, 9187), edge(&web[2], &address, 443)]);
        let census = Census::of(&seen, &[]).unwrap();
        for level in Level::ALL {
            let plan = mine(&census, level);
            let allowing = Allowing::of(&census, &plan);
            for edge in &seen {
                let told = allowing.edge(edge);
                assert_eq!(told.outcome, Outcome::Allowed, "{level}: {:?}", edge.key);
                assert!(!told.rules.is_empty(), "{level}: {:?}", edge.key);
            }
            let outcome =
                |client: &Party, server: &Party, port| allowing.edge(&edge(client, server, port)).outcome;
            // A fence lets everything pass inside it.
            let inside = if level == Level::RingFence { Outcome::Allowed } else { Outcome::Denied };
            assert_eq!(outcome(&web[0], &db, 22), inside, "{level}: another port");
            assert_eq!(outcome(&mon, &web[0], 5432), Outcome::Denied, "{level}: another server");
            assert_eq!(outcome(&host("new"), &db, 5432), Outcome::Denied, "{level}: an unknown host");
            assert_eq!(outcome(&address, &other, 443), Outcome::Outside, "{level}: no rule is for addresses");
            // A pod with the labels of one that is allowed is allowed, though nobody saw it.
            assert_eq!(outcome(&pod("web-9", "web"), &db, 5432), Outcome::Allowed, "{level}: a replica");
            assert_eq!(outcome(&pod("job", "job"), &db, 5432), inside, "{level}: another role");
        }
        // Two rules: one lets it out of the client, one into the server.
        let plan = mine(&census, Level::Service);
        let told = Allowing::of(&census, &plan).edge(&seen[0]);
        let directions = told.rules.iter().map(|&at| plan.rules[at as usize].direction);
        assert_eq!(directions.collect::<BTreeSet<_>>().len(), 2, "{:?}", told.rules);
    }
}
