//! Rules that people made, by address: for enforcers who know of no labels.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::Party;

use crate::decisions::{Decisions, End, Manual};
use crate::identity::FieldDigest;
use crate::mine::size;
use crate::{Tuple, text};

/// Somebody who is known, seen or not, with the addresses that are theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who it is.
    pub party: Party,
    /// Single addresses, and networks of an inventory.
    pub networks: BTreeSet<IpNet>,
}

/// A rule that a person made, with the addresses of those whom it means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// Its stable name, by what the person wrote. A valid name in every dialect, as [`crate::RuleId`] is.
    pub id: String,
    /// What the person wrote.
    pub manual: Manual,
    /// Who may ask; in order, none inside another.
    pub clients: Vec<IpNet>,
    /// Whom; likewise.
    pub servers: Vec<IpNet>,
}

impl ByHand {
    /// The rules that people made, in their order; an end that means nobody whose address is known has none.
    #[must_use]
    pub fn of(decisions: &Decisions, known: &[Known]) -> Vec<Self> {
        let rule = |manual: &Manual| Self {
            id: id(manual),
            manual: manual.clone(),
            clients: meant(&manual.client, known),
            servers: meant(&manual.server, known),
        };
        let mut rules: Vec<Self> = decisions.allow.iter().map(rule).collect();
        let mut met = BTreeSet::new();
        // What is written twice is one rule.
        rules.retain(|rule| met.insert(rule.id.clone()));
        rules
    }

    /// Whether it allows anything: both of its ends mean somebody.
    #[must_use]
    pub fn is_for_somebody(&self) -> bool {
        !self.clients.is_empty() && !self.servers.is_empty()
    }

    /// What of it is about servers at `addresses`; `None` where nothing is.
    #[must_use]
    pub fn to(&self, addresses: &BTreeSet<IpAddr>) -> Option<Self> {
        let own = addresses.iter().filter(|&&address| contain(&self.servers, address));
        let servers: Vec<IpNet> = own.map(|&address| address.into()).collect();
        (!servers.is_empty() && !self.clients.is_empty()).then(|| Self { servers, ..self.clone() })
    }

    /// Whether it allows a connection.
    #[must_use]
    pub fn allows(&self, tuple: &Tuple) -> bool {
        contain(&self.clients, tuple.client)
            && contain(&self.servers, tuple.server)
            && self.manual.ports.iter().any(|allowed| allowed.includes(tuple.service))
    }
}

/// `allow-vault-by-hand-4f0c2a9be711aabb`: 64 bits of all that was written.
fn id(manual: &Manual) -> String {
    const SLUG: usize = 32;
    const DIGITS: usize = 16;
    let mut digest = FieldDigest::default();
    digest.field(&manual.to_string());
    let digest: String = digest.finish().chars().take(DIGITS).collect();
    match text::slug(&manual.server.to_string(), SLUG).as_str() {
        "" => format!("allow-by-hand-{digest}"),
        slug => format!("allow-{slug}-by-hand-{digest}"),
    }
}

fn meant(end: &End, known: &[Known]) -> Vec<IpNet> {
    let networks: BTreeSet<IpNet> = match end {
        End::Networks(networks) => networks.iter().map(IpNet::trunc).collect(),
        End::Workloads { .. } | End::Named { .. } => {
            let found = known.iter().filter(|one| end.is(&one.party));
            found.flat_map(|one| one.networks.iter().map(IpNet::trunc)).collect()
        }
    };
    // Networks are nested or apart, and a wider one comes first.
    let mut widest: Vec<IpNet> = Vec::with_capacity(networks.len());
    for network in networks {
        if !widest.last().is_some_and(|last| last.contains(&network)) {
            widest.push(network);
        }
    }
    widest
}

/// Whether one of these, which are in order and apart, has an address: a label may mean thousands.
fn contain(networks: &[IpNet], address: IpAddr) -> bool {
    let after = networks.partition_point(|network| network.addr() <= address);
    networks[..after].last().is_some_and(|network| network.contains(&address))
}

/// How many addresses there are; the largest number where there are more.
pub(crate) fn addresses(networks: &[IpNet]) -> u64 {
    let sum = networks.iter().map(size).fold(0_u128, u128::saturating_add);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use watershed_model::{Protocol, Workload};

    use super::*;
    use crate::Service;

    fn known(name: &str, label: &str, networks: &[&str]) -> Known {
        let mut workload = Workload { name: name.into(), ..Workload::default() };
        workload.labels.insert("role".into(), label.into());
        let networks = networks.iter().map(|one| one.parse().expect("a network")).collect();
        Known { party: Party::Workload(Arc::new(workload)), networks }
    }

    fn rules(text: &str) -> Vec<ByHand> {
        let decisions =
            Decisions::read("decisions.yaml", &format!("version: 1\nallow:\n{text}")).expect("read");
        let known = [
            known("vault-1", "vault", &["10.0.0.7/32", "2001:db8::7/128"]),
            known("vault-2", "vault", &["10.0.0.8/32"]),
            known("office", "people", &["10.9.0.0/16", "10.9.3.0/24"]),
        ];
        ByHand::of(&decisions, &known)
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
        let texts = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&rules[0].clients), ["10.9.0.0/16"]);
        assert_eq!(texts(&rules[0].servers), ["10.0.0.7/32", "10.0.0.8/32", "2001:db8::7/128"]);
        assert!(rules[0].is_for_somebody() && !rules[1].is_for_somebody());
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
        assert!(rules[0].id.starts_with("allow-vault-1-by-hand-"), "{}", rules[0].id);
        let decisions = Decisions::read("d", &format!("version: 1\nallow:\n{line}")).expect("read");
        assert_eq!(ByHand::of(&decisions, &[])[0].id, rules[0].id);
    }

    #[test]
    fn a_host_has_the_part_that_is_about_itself() {
        let rule =
            rules("- {client: {name: office}, server: {labels: {role: vault}}, ports: [tcp/22]}\n").remove(0);
        let at = |text: &str| BTreeSet::from([text.parse::<IpAddr>().expect("an address")]);
        let own = rule.to(&at("10.0.0.8")).expect("a part");
        assert_eq!(own.servers, ["10.0.0.8/32".parse::<IpNet>().expect("a network")]);
        assert_eq!(rule.to(&at("10.0.0.9")), None);
    }
}
