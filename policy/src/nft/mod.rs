//! nftables, read and evaluated: the part of its language that Watershed writes, with nftables' semantics.
//!
//! [`Ruleset::read`] takes text and knows nothing about the rules it was made from; [`Ruleset::evaluate`] says
//! what a kernel with that ruleset would do with the first packet of a connection. Anything that the reader
//! does not know is an error: half-understood rules prove nothing.
//!
//! Source: nft(8), "RULESET", "SETS", "CHAINS", "STATEMENTS".

mod lexer;

mod parser;

mod rule;

mod values;

mod evaluate;

mod corners;

mod extent;

mod shadow;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use watershed_model::Protocol;

pub use evaluate::{Decision, Place};
use lexer::Position;
pub(crate) use values::Family;
use values::{AddressSet, Ranges};

use crate::Service;

/// Where in a packet's way a chain looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Packets that this machine routes or bridges for others.
    Forward,
    /// Packets for this machine itself.
    Input,
}

impl Hook {
    /// nftables' name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Input => "input",
        }
    }
}

/// What finally happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Accept,
    /// It is dropped.
    Drop,
}

/// Tables of the `inet` family, as the kernel would hold them after loading one or more texts in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ruleset {
    tables: BTreeMap<String, Table>,
}

impl Ruleset {
    /// Where its rules look at packets: those that pass through, if it says anything about them.
    #[must_use]
    pub fn hook(&self) -> Hook {
        let mut bases = self.tables.values().flat_map(|table| &table.chains).filter_map(|chain| chain.base);
        if bases.clone().count() > 0 && bases.all(|base| base.hook == Hook::Input) {
            Hook::Input
        } else {
            Hook::Forward
        }
    }

    /// Names of the tables, in order.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Every rule that may accept or drop the first packet of a connection, with its table; in their order.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules().filter(|(_, rule)| rule.decides())
    }

    /// Those of them that accept, but for what IPv6 itself needs.
    pub(crate) fn accepting(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.deciding().filter(|(_, rule)| rule.accepts() && !rule.is_ipv6_itself())
    }

    /// Whether it can say anything about connections to a server. Rules of a host about what arrives there are
    /// loaded on that host alone, which is one that they name; of others they know nothing.
    pub(crate) fn is_about(&self, hook: Hook, server: IpAddr) -> bool {
        let mut named = self.accepting().map(|(_, rule)| rule.servers());
        hook == Hook::Forward
            || named.any(|servers| servers.is_none_or(|all| all.iter().any(|range| range.contains(&server))))
    }

    /// The ports that rules ask for, whatever they then do.
    pub(crate) fn ports(&self) -> impl Iterator<Item = RangeInclusive<u16>> {
        let matches = self.rules().flat_map(|(_, rule)| &rule.matches);
        let listed = matches.filter_map(|one| match one {
            Match::Port(_, ports) => Some(ports),
            _ => None,
        });
        listed.flat_map(|ports| ports.iter().cloned())
    }

    /// Every rule with its table; in their order.
    fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        let chains = self
            .tables
            .iter()
            .flat_map(|(name, table)| table.chains.iter().map(move |chain| (name.as_str(), chain)));
        chains.flat_map(|(name, chain)| chain.rules.iter().map(move |rule| (name, rule)))
    }
}

/// One table. A chain jumps only to chains before it, so there are no loops.
#[derive(Clone, Debug, Default, PartialEq)]
struct Table {
    sets: BTreeMap<String, Arc<AddressSet>>,
    chains: Vec<Chain>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Chain {
    name: String,
    base: Option<Base>,
    rules: Vec<Rule>,
    /// Rules for exactly one service of listed servers, by service and server.
    index: HashMap<(Service, IpAddr), Vec<usize>>,
    /// All other rules.
    rest: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base {
    hook: Hook,
    priority: i32,
    policy: Action,
}

/// A rule: what it matches, all of it, and what it then does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    matches: Vec<Match>,
    verdict: Option<Verdict>,
    comment: Option<Arc<str>>,
    file: Arc<str>,
    position: Position,
}

#[derive(Clone, Debug, PartialEq)]
enum Match {
    /// `ip saddr`, `ip6 saddr`: of this family and in the set.
    Source(Arc<AddressSet>),
    /// `ip daddr`, `ip6 daddr`.
    Destination(Arc<AddressSet>),
    /// `meta l4proto`.
    Protocol(Ranges<u8>),
    /// `tcp dport` and its like; `th dport` is of any protocol with ports.
    Port(Option<Protocol>, Ranges<u16>),
    /// `icmp type`, `icmpv6 type`.
    IcmpType(Protocol, Ranges<u8>),
    /// `ct state`: whether the first packet of a connection is among the states.
    State { new: bool },
    /// `iifname "lo"`: packets that this machine sends to itself.
    Loopback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    Return,
    /// To the chain at this place.
    Jump(usize),
}

/// The single value of a set that holds one.
fn single<T: Copy + PartialEq>(ranges: &[RangeInclusive<T>]) -> Option<T> {
    match ranges {
        [range] if range.start() == range.end() => Some(*range.start()),
        _ => None,
    }
}
