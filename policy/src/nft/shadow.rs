//! Rules that say nothing new: whatever they mean is decided before they are asked, or decided the same way by
//! another rule. All that are found can be taken out at once, and no decision changes.
//!
//! As [`crate::layers`] has it for policies about pods: one address and one service of every stretch within which no
//! other rule begins or ends are tried, the last rule first.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use watershed_model::Protocol;

use super::{Hook, Rule, Ruleset};
use crate::k8s::Place;
use crate::layers::after;
use crate::{Service, Tuple};

/// Connections tried for all rules together: some seconds' work. Rules whose turn comes later are not asked about.
const MOST: usize = 1 << 20;

/// Places of rules that make another needless, at most: enough to see why.
const SHOWN: usize = 3;

/// What the search for needless rules found.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// Every rule that can go, with some of those that decide in its place; in order.
    pub(crate) rules: BTreeMap<Place, BTreeSet<Place>>,
    /// Rules that were not asked about, because there are too many connections to try.
    pub(crate) not_asked: usize,
}

impl Ruleset {
    /// Finds rules that no decision at `hook` needs.
    pub(crate) fn shadow(&self, hook: Hook) -> Shadow {
        // Rules that jump or return decide what others are asked about.
        let rules: Vec<&Rule> = self.rules().map(|(_, rule)| rule).collect();
        let mut search = Search {
            ruleset: self,
            hook,
            out: HashSet::new(),
            left: MOST,
            clients: starts(rules.iter().filter_map(|rule| rule.clients())),
            servers: starts(rules.iter().filter_map(|rule| rule.servers())),
            services: services(&rules),
        };
        let mut shadow = Shadow::default();
        for rule in rules.into_iter().rev().filter(|rule| rule.decides()) {
            search.out.insert(std::ptr::from_ref(rule));
            if let Some(by) = search.needless(rule) {
                shadow.rules.insert(rule.spot(), by);
            } else {
                search.out.remove(&std::ptr::from_ref(rule));
                shadow.not_asked += usize::from(search.left == 0);
            }
        }
        shadow
    }
}

struct Search<'a> {
    ruleset: &'a Ruleset,
    hook: Hook,
    /// Rules that are as if they were not there, by where they lie in memory.
    out: HashSet<*const Rule>,
    /// Connections that may still be tried.
    left: usize,
    clients: BTreeSet<IpAddr>,
    servers: BTreeSet<IpAddr>,
    services: BTreeSet<Service>,
}

impl Search<'_> {
    /// Which rules decide in place of `rule`; `None` where it is needed, or means nothing.
    fn needless(&mut self, rule: &Rule) -> Option<BTreeSet<Place>> {
        let (mut any, mut by) = (false, BTreeSet::new());
        let (clients, servers) =
            (within(&self.clients, rule.clients()), within(&self.servers, rule.servers()));
        let services: Vec<Service> = self.services.iter().copied().collect();
        for &client in &clients {
            for &server in &servers {
                for &service in &services {
                    let tuple = Tuple { client, server, service };
                    if !service.connects(client, server) || !rule.matches(&tuple) {
                        continue;
                    }
                    self.left = self.left.saturating_sub(1);
                    let reason = self.reason(rule, &tuple).filter(|_| self.left > 0)?;
                    any = true;
                    if by.len() < SHOWN {
                        by.extend(reason);
                    }
                }
            }
        }
        any.then_some(by)
    }

    /// What decides a packet where `rule` is not needed for it; `None` where it is.
    fn reason(&self, rule: &Rule, tuple: &Tuple) -> Option<Option<Place>> {
        let is_own = |one: &Rule| std::ptr::eq(one, rule);
        let with = self.ruleset.trace(self.hook, tuple, |one| !is_own(one) && self.is_out(one));
        let without = self.ruleset.trace(self.hook, tuple, |one| self.is_out(one));
        let mut instead = with.iter().rev().find_map(|step| step.rule).map(Rule::spot);
        for (step, other) in with.iter().zip(&without) {
            if step.rule.is_some_and(is_own) {
                let rule = other.rule.filter(|_| step.action == other.action)?;
                instead = Some(rule.spot());
            }
        }
        Some(instead)
    }

    fn is_out(&self, rule: &Rule) -> bool {
        self.out.contains(&std::ptr::from_ref(rule))
    }
}

/// The addresses of `all` that lie in one of the ranges; every one where there are none.
fn within(all: &BTreeSet<IpAddr>, ranges: Option<&[RangeInclusive<IpAddr>]>) -> Vec<IpAddr> {
    match ranges {
        Some(ranges) => ranges.iter().flat_map(|range| all.range(range.clone()).copied()).collect(),
        None => all.iter().copied().collect(),
    }
}

/// The first address of every stretch in which rules mean the same.
fn starts<'a>(lists: impl Iterator<Item = &'a [RangeInclusive<IpAddr>]>) -> BTreeSet<IpAddr> {
    let mut starts = BTreeSet::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    for range in lists.flatten() {
        starts.insert(*range.start());
        starts.extend(after(*range.end()));
    }
    starts
}

/// The first service of every stretch in which rules mean the same. A protocol without ports that no rule names
/// stands for all of them.
fn services(rules: &[&Rule]) -> BTreeSet<Service> {
    /// ESP (RFC 4303): has no ports.
    const UNNAMED: Protocol = Protocol(50);
    let ports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP].map(|protocol| (protocol, 0));
    let types = [Protocol::ICMP, Protocol::ICMPV6].map(|protocol| (protocol, 0));
    let always = ports.into_iter().chain(types).chain([(UNNAMED, 0)]);
    let always = always.filter_map(|(protocol, number)| Service::new(protocol, number));
    always.chain(rules.iter().flat_map(|rule| rule.starts())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::Decision;

    fn ruleset(text: &str) -> Ruleset {
        Ruleset::read([("t.nft", text)]).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn table(policy: &str, inner: &str, rules: &str) -> String {
        format!(
            "table inet t {{\nchain inner {{\n{inner}\n}}\nchain forward {{\n\
             type filter hook forward priority filter; policy {policy};\n{rules}\n}}\n}}\n"
        )
    }

    fn lines(text: &str) -> Vec<u32> {
        ruleset(text).shadow(Hook::Forward).rules.into_keys().map(|place| place.line).collect()
    }

    #[test]
    fn what_is_decided_before_or_the_same_way_later_says_nothing_new() {
        let told = |policy: &str, rules: &str| lines(&table(policy, "", rules));
        assert_eq!(told("drop", "tcp dport 80 accept\ntcp dport 80 accept"), [8]);
        assert_eq!(told("drop", "tcp dport 80 accept\ntcp dport 1-99 accept"), [7]);
        assert_eq!(told("drop", "tcp dport 80 drop\ntcp dport 80 accept"), [8]);
        assert_eq!(told("drop", "tcp dport { 80, 81 } accept\ntcp dport 80-82 accept"), [7]);
        assert_eq!(told("drop", "tcp dport 80-81 accept\ntcp dport 80-82 drop"), [] as [u32; 0]);
        // What the policy does anyway may be said.
        assert_eq!(told("drop", "tcp dport 80 accept\ndrop"), [] as [u32; 0]);
        assert_eq!(told("accept", "ip saddr 10.0.0.0/8 accept\nip saddr 10.1.0.0/16 accept"), [8]);
        assert_eq!(
            told(
                "drop",
                "ip saddr 10.0.0.0/9 accept\nip saddr 10.128.0.0/9 accept\nip saddr 10.0.0.0/8 accept"
            ),
            [9]
        );
        assert_eq!(
            told("drop", "ip saddr 10.0.0.0/9 accept\nip saddr 10.0.0.0/8 tcp dport 1 accept"),
            [] as [u32; 0]
        );
        let shadow =
            ruleset(&table("drop", "", "tcp dport 80 accept\nth dport 80 accept")).shadow(Hook::Forward);
        let told: Vec<String> = shadow.rules.iter().map(|(place, by)| format!("{place} {by:?}")).collect();
        assert!(
            told.len() == 1 && told[0].starts_with("t.nft:7:1 ") && told[0].contains("line: 8"),
            "{told:?}"
        );
    }

    fn rule(random: &mut fastrand::Rng) -> String {
        const NETS: [&str; 6] =
            ["10.0.0.1", "10.0.0.0/30", "10.0.0.0-10.0.0.5", "0.0.0.0/0", "{ 10.0.0.2, 10.0.0.4 }", ""];
        const SERVICES: [&str; 7] = [
            "tcp dport 80",
            "tcp dport 80-90",
            "th dport { 80, 85 }",
            "udp dport 53",
            "meta l4proto 6",
            "icmp type 8",
            "",
        ];
        const VERDICTS: [&str; 6] = ["accept", "accept", "drop", "jump inner", "return", "counter"];
        let mut side = |name: &str| match NETS[random.usize(..NETS.len())] {
            "" => String::new(),
            net => format!("ip {name} {net} "),
        };
        let (clients, servers) = (side("saddr"), side("daddr"));
        let service = SERVICES[random.usize(..SERVICES.len())];
        format!("{clients}{servers}{service} {}", VERDICTS[random.usize(..VERDICTS.len())])
    }

    #[test]
    fn all_that_is_found_can_go_and_no_decision_changes() {
        let mut random = fastrand::Rng::with_seed(5);
        let (mut found, mut all) = (0, 0);
        for _ in 0..2_000 {
            let mut rules = |inner: bool| -> Vec<String> {
                let count = random.usize(1..6);
                let list = (0..count).map(|_| rule(&mut random));
                list.filter(|one| !inner || !one.contains("jump")).collect()
            };
            let (inner, outer) = (rules(true).join("\n"), rules(false).join("\n"));
            let text = table(random.choice(["accept", "drop"]).unwrap_or("drop"), &inner, &outer);
            let shadow = lines(&text);
            found += shadow.len();
            all += ruleset(&text).deciding().count();
            let kept =
                text.lines().zip(1_u32..).map(|(line, at)| if shadow.contains(&at) { "" } else { line });
            let rest = ruleset(&kept.collect::<Vec<_>>().join("\n"));
            let (own, rest) = (ruleset(&text), rest);
            for _ in 0..200 {
                let mut address = || IpAddr::from([10, 0, 0, random.u8(..8)]);
                let (client, server) = (address(), address());
                let number = [1, 8, 53, 80, 85, 90, 91][random.usize(..7)];
                let protocol =
                    [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol(50)][random.usize(..4)];
                let Some(service) = Service::new(protocol, number) else { continue };
                let tuple = Tuple { client, server, service };
                let of = |ruleset: &Ruleset| -> Decision { ruleset.evaluate(Hook::Forward, &tuple) };
                assert_eq!(of(&own).action, of(&rest).action, "{tuple}\n{text}\n{shadow:?}");
            }
        }
        assert!(found > 500 && found < all, "{found} of {all}");
    }
}
