//! Rules that people made, by address: for enforcers who know of no labels.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::Party;

use super::{Origin, Rule, RuleId, Whom, outermost};
use crate::decisions::{Decisions, End, Manual, Said};
use crate::k8s::Direction;

/// Somebody who is known, seen or not, with the addresses that are theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who it is.
    pub party: Party,
    /// Single addresses, and networks of an inventory.
    pub networks: BTreeSet<IpNet>,
}

impl Rule {
    /// The rules that people made, in their order, with the addresses of those whom they mean now; an end that means
    /// nobody whose address is known has none. What was observed of them is not looked for: their price is all that they
    /// admit.
    #[must_use]
    pub fn by_hand(decisions: &Decisions, known: &[Known]) -> Vec<Self> {
        let mut met = BTreeSet::new();
        let rules = decisions.allow.iter().map(|manual| {
            let (clients, servers) = (meant(&manual.client, known), meant(&manual.server, known));
            let ends = (Whom::Networks(servers), Direction::Ingress, Whom::Networks(clients));
            Self::written(manual, RuleId::by_hand(manual), ends).counted()
        });
        // What is written twice is one rule.
        rules.filter(|rule| met.insert(rule.id.clone())).collect()
    }

    /// What a person wrote, for a subject, a direction and a peer; nothing of it is counted yet.
    pub(crate) fn written(
        manual: &Manual,
        id: RuleId,
        (subject, direction, peer): (Whom, Direction, Whom),
    ) -> Self {
        let said = |comment: &String| Said { comment: Some(comment.clone()), ..Said::default() };
        Self {
            id,
            subject,
            direction,
            peer,
            ports: manual.ports.clone(),
            origin: Origin::Manual(Arc::new(manual.clone())),
            observed: None,
            confidence: None,
            names: BTreeSet::new(),
            price: 0,
            all: 0,
            said: manual.comment.as_ref().map(said),
            subjects: Arc::default(),
            peers: Arc::default(),
        }
    }

    /// What of a rule by networks is about servers at `addresses`; `None` where nothing is.
    #[must_use]
    pub fn to(&self, addresses: &BTreeSet<IpAddr>) -> Option<Self> {
        let own = addresses.iter().filter(|&&address| self.subject.has(address));
        let servers: Vec<IpNet> = own.map(|&address| address.into()).collect();
        let is_some = !servers.is_empty() && !self.peer.networks().is_empty();
        is_some.then(|| Self { subject: Whom::Networks(servers), ..self.clone() }.counted())
    }

    fn counted(mut self) -> Self {
        self.all = self.tuples();
        self.price = self.all;
        self
    }
}

fn meant(end: &End, known: &[Known]) -> Vec<IpNet> {
    match end {
        End::Networks(networks) => outermost(networks.iter().copied()),
        End::Workloads { .. } | End::Named { .. } => {
            let found = known.iter().filter(|one| end.is(&one.party));
            outermost(found.flat_map(|one| one.networks.iter().copied()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use watershed_model::{Protocol, Workload};

    use super::*;
    use crate::{Service, Tuple};

    fn known(name: &str, label: &str, networks: &[&str]) -> Known {
        let mut workload = Workload { name: name.into(), ..Workload::default() };
        workload.labels.insert("role".into(), label.into());
        let networks = networks.iter().map(|one| one.parse().expect("a network")).collect();
        Known { party: Party::Workload(Arc::new(workload)), networks }
    }

    fn rules(text: &str) -> Vec<Rule> {
        let decisions =
            Decisions::read("decisions.yaml", &format!("version: 1\nallow:\n{text}")).expect("read");
        let known = [
            known("vault-1", "vault", &["10.0.0.7/32", "2001:db8::7/128"]),
            known("vault-2", "vault", &["10.0.0.8/32"]),
            known("office", "people", &["10.9.0.0/16", "10.9.3.0/24"]),
        ];
        Rule::by_hand(&decisions, &known)
    }

    fn tuple(client: &str, server: &str, port: u16) -> Tuple {
        Tuple {
            client: client.parse().expect("an address"),
            server: server.parse().expect("an address"),
            service: Service::Port { protocol: Protocol::TCP, port },
        }
    }

    #[test]
    fn ends_are_the_addresses_of_whom_they_mean() {
        let rules = rules(
            "- {client: {name: office}, server: {labels: {role: vault}}, ports: [tcp/8200-8201]}\n- {client: {networks: [192.0.2.0/24]}, server: {name: gone}, ports: [tcp/1]}\n",
        );
        assert_eq!(rules[0].client().names(), ["10.9.0.0/16"]);
        assert_eq!(rules[0].server().names(), ["10.0.0.7/32", "10.0.0.8/32", "2001:db8::7/128"]);
        assert_eq!((rules[0].sides().count(), rules[1].sides().count()), (1, 0));
        assert_eq!((rules[0].all, rules[1].all), (65_536 * 2 * 2, 0));
        assert!(rules[0].allows(&tuple("10.9.255.255", "10.0.0.8", 8201)));
        for (client, server, port) in
            [("10.10.0.0", "10.0.0.8", 8201), ("10.9.0.1", "10.0.0.9", 8201), ("10.9.0.1", "10.0.0.8", 8202)]
        {
            assert!(!rules[0].allows(&tuple(client, server, port)), "{client} {server} {port}");
        }
    }

    #[test]
    fn the_name_stays_whoever_is_meant_and_what_is_written_twice_is_one_rule() {
        let line = "- {client: {name: office}, server: {name: vault-1}, ports: [tcp/22], comment: x}\n";
        let rules = rules(&format!("{line}{line}"));
        assert_eq!(rules.len(), 1);
        assert!(rules[0].id.as_str().starts_with("allow-vault-1-by-hand-"), "{}", rules[0].id);
        let decisions = Decisions::read("d", &format!("version: 1\nallow:\n{line}")).expect("read");
        assert_eq!(Rule::by_hand(&decisions, &[])[0].id, rules[0].id);
    }

    #[test]
    fn a_host_has_the_part_that_is_about_itself() {
        let rule =
            rules("- {client: {name: office}, server: {labels: {role: vault}}, ports: [tcp/22]}\n").remove(0);
        let at = |text: &str| BTreeSet::from([text.parse::<IpAddr>().expect("an address")]);
        let own = rule.to(&at("10.0.0.8")).expect("a part");
        assert_eq!(own.server().names(), ["10.0.0.8/32"]);
        assert_eq!(rule.to(&at("10.0.0.9")), None);
    }
}
