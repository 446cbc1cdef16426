//! What a ruleset does with the first packet of a connection that comes from the network.

use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::Protocol;

use super::{Action, Chain, Hook, Match, Rule, Ruleset, Table, Verdict, single, values};
use crate::{Service, Tuple};

/// What happens to a packet, and which rule says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What happens to it.
    pub action: Action,
    /// The rule that decided; `None` where a chain's policy did, or nothing.
    pub rule: Option<Place>,
}

/// A rule, by where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the text.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// The rule's comment.
    pub comment: Option<Arc<str>>,
}

/// What one base chain says of a packet.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// The table that it is in.
    pub(crate) table: &'a str,
    /// What happens to the packet here.
    pub(crate) action: Action,
    /// The rule that decided; `None` where the chain's policy did.
    pub(crate) rule: Option<&'a Rule>,
}

impl Ruleset {
    /// What happens to the first packet of a connection at `hook`.
    ///
    /// Every base chain of the hook sees it, in order of priority: a drop is final, an accept only ends its own
    /// chain, and a packet that no rule decides gets the base chain's policy.
    #[must_use]
    pub fn evaluate(&self, hook: Hook, tuple: &Tuple) -> Decision {
        let steps = self.trace(hook, tuple, |_| false);
        let Some(last) = steps.last() else { return Decision { action: Action::Accept, rule: None } };
        Decision { action: last.action, rule: last.rule.map(Rule::place) }
    }

    /// What each base chain of the hook says, up to the first that drops; as if no rule were there that `skip`
    /// leaves out.
    pub(crate) fn trace(
        &self,
        hook: Hook,
        tuple: &Tuple,
        skip: impl Fn(&Rule) -> bool + Copy,
    ) -> Vec<Step<'_>> {
        let mut chains: Vec<(i32, &str, &Table, &Chain, Action)> = Vec::new();
        for (name, table) in &self.tables {
            for chain in &table.chains {
                if let Some(base) = chain.base.filter(|base| base.hook == hook) {
                    chains.push((base.priority, name, table, chain, base.policy));
                }
            }
        }
        chains.sort_by_key(|&(priority, ..)| priority);

        let mut steps = Vec::with_capacity(chains.len());
        for (_, name, table, chain, policy) in chains {
            let decided = table.walk(chain, tuple, skip);
            let (action, rule) = decided.map_or((policy, None), |(action, rule)| (action, Some(rule)));
            steps.push(Step { table: name, action, rule });
            if action == Action::Drop {
                break;
            }
        }
        steps
    }
}

impl Table {
    /// The first decision in a chain and those it jumps to; `None` at its end.
    fn walk<'a>(
        &'a self,
        chain: &'a Chain,
        tuple: &Tuple,
        skip: impl Fn(&Rule) -> bool + Copy,
    ) -> Option<(Action, &'a Rule)> {
        for rule in chain.candidates(tuple).filter(|rule| rule.matches(tuple) && !skip(rule)) {
            let action = match rule.verdict {
                None => continue,
                Some(Verdict::Return) => return None,
                Some(Verdict::Accept) => Action::Accept,
                Some(Verdict::Drop) => Action::Drop,
                Some(Verdict::Jump(target)) => {
                    match self.chains.get(target).and_then(|target| self.walk(target, tuple, skip)) {
                        Some(decision) => return Some(decision),
                        None => continue,
                    }
                }
            };
            return Some((action, rule));
        }
        None
    }
}

impl Chain {
    /// Puts the rules after the first `known` into the index.
    pub(super) fn index_from(&mut self, known: usize) {
        for (at, rule) in self.rules.iter().enumerate().skip(known) {
            match rule.service().zip(rule.hosts()) {
                Some((service, servers)) => {
                    for server in servers {
                        self.index.entry((service, server)).or_default().push(at);
                    }
                }
                None => self.rest.push(at),
            }
        }
    }

    /// The rules that may match, in their order: two sorted lists merged.
    fn candidates<'a>(&'a self, tuple: &Tuple) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let indexed = self.index.get(&(tuple.service, tuple.server)).map_or(&[][..], Vec::as_slice);
        let (mut indexed, mut rest) = (indexed.iter().peekable(), self.rest.iter().peekable());
        std::iter::from_fn(move || match (indexed.peek(), rest.peek()) {
            (Some(a), Some(b)) if a < b => indexed.next(),
            (Some(_), None) => indexed.next(),
            _ => rest.next(),
        })
        .filter_map(|&at| self.rules.get(at))
    }
}

impl Rule {
    /// Where it is written.
    pub(crate) fn place(&self) -> Place {
        let (file, line, comment) = (Arc::clone(&self.file), self.position.line, self.comment.clone());
        Place { file, line, comment }
    }

    pub(crate) fn matches(&self, tuple: &Tuple) -> bool {
        self.matches.iter().all(|one| one.holds(tuple))
    }

    /// The one service that it is for.
    fn service(&self) -> Option<Service> {
        self.matches.iter().find_map(|one| match one {
            Match::Port(Some(protocol), ports) => {
                single(ports).map(|port| Service::Port { protocol: *protocol, port })
            }
            Match::IcmpType(protocol, types) => {
                single(types).map(|message_type| Service::Icmp { protocol: *protocol, message_type })
            }
            _ => None,
        })
    }

    /// The servers that it is for, where it lists hosts only.
    fn hosts(&self) -> Option<impl Iterator<Item = IpAddr>> {
        self.matches.iter().find_map(|one| match one {
            Match::Destination(set) => set.hosts(),
            _ => None,
        })
    }
}

impl Match {
    fn holds(&self, tuple: &Tuple) -> bool {
        match self {
            Self::Source(set) => set.contains(tuple.client),
            Self::Destination(set) => set.contains(tuple.server),
            Self::Protocol(protocols) => values::contains(protocols, tuple.service.protocol().0),
            Self::Port(of, ports) => match tuple.service {
                Service::Port { protocol, port } => {
                    of.is_none_or(|of| of == protocol) && values::contains(ports, port)
                }
                _ => false,
            },
            // Either match pulls in its IP version: `icmp` is never true of an IPv6 packet.
            Self::IcmpType(of, types) => match tuple.service {
                Service::Icmp { protocol, message_type } => {
                    *of == protocol
                        && (protocol == Protocol::ICMP) == tuple.client.is_ipv4()
                        && values::contains(types, message_type)
                }
                _ => false,
            },
            Self::State { new } => *new,
            Self::Loopback => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `chains` in one table do at the forward hook with a connection from 10.0.0.1 to 10.0.0.2 tcp/80.
    fn decide(chains: &str) -> (Action, Option<u32>) {
        let text = format!("table inet t {{\n{chains}\n}}");
        let ruleset =
            Ruleset::read([("t.nft", text.as_str())]).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let tuple = Tuple {
            client: [10, 0, 0, 1].into(),
            server: [10, 0, 0, 2].into(),
            service: Service::Port { protocol: Protocol::TCP, port: 80 },
        };
        let decision = ruleset.evaluate(Hook::Forward, &tuple);
        (decision.action, decision.rule.map(|place| place.line))
    }

    fn forward(policy: &str, rules: &str) -> String {
        format!("chain forward {{ type filter hook forward priority 0; policy {policy};\n{rules}\n}}")
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let listed = "ip daddr 10.0.0.2 tcp dport 80 accept";
        assert_eq!(decide(&forward("accept", &format!("drop\n{listed}"))), (Action::Drop, Some(3)));
        assert_eq!(decide(&forward("accept", &format!("{listed}\ndrop"))), (Action::Accept, Some(3)));
        let other = "ip daddr 10.0.0.2 udp dport 80 accept";
        assert_eq!(
            decide(&forward("accept", &format!("{other}\ncounter\ntcp dport 1-99 drop"))),
            (Action::Drop, Some(5))
        );
    }

    #[test]
    fn a_chain_that_ends_or_returns_hands_back() {
        let chains = |inner: &str, after: &str| {
            format!("chain a {{ {inner} }}\n{}", forward("drop", &format!("jump a\n{after}")))
        };
        assert_eq!(decide(&chains("counter", "accept")), (Action::Accept, Some(5)));
        assert_eq!(decide(&chains("return; drop", "accept")), (Action::Accept, Some(5)));
        assert_eq!(decide(&chains("accept", "drop")), (Action::Accept, Some(2)));
        assert_eq!(decide(&forward("accept", "return\ndrop")), (Action::Accept, None));
        assert_eq!(decide(&forward("drop", "ct state established,related accept")), (Action::Drop, None));
        assert_eq!(decide(&forward("drop", "iifname \"lo\" accept")), (Action::Drop, None));
        assert_eq!(decide(&forward("drop", "ct state new,established accept")), (Action::Accept, Some(3)));
    }

    #[test]
    fn every_base_chain_of_the_hook_must_accept() {
        let other = |hook: &str, priority: i32| {
            format!("\nchain other {{ type filter hook {hook} priority {priority}; policy drop; }}")
        };
        assert_eq!(decide(&(forward("accept", "accept") + &other("forward", 5))), (Action::Drop, None));
        assert_eq!(decide(&(forward("accept", "accept") + &other("forward", -5))), (Action::Drop, None));
        assert_eq!(decide(&(forward("accept", "accept") + &other("input", -5))), (Action::Accept, Some(3)));
        assert_eq!(decide("chain forward { drop }"), (Action::Accept, None));
    }

    #[test]
    fn ip_versions_do_not_mix() {
        let chain = |rule: &str| forward("drop", rule);
        assert_eq!(decide(&chain("ip6 saddr ::/0 accept")).0, Action::Drop);
        assert_eq!(decide(&chain("ip saddr 0.0.0.0/0 accept")).0, Action::Accept);
        assert_eq!(
            decide(&chain("ip saddr { 10.0.0.0/31, 10.9.0.0-10.9.0.9 } meta l4proto { 6, 17 } accept")).0,
            Action::Accept
        );
        assert_eq!(decide(&chain("th dport 80 accept")).0, Action::Accept);
        assert_eq!(decide(&chain("icmp type 0-255 accept")).0, Action::Drop);
    }
}
