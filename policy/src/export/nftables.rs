//! Rules as nftables text: three files that are loaded with `nft -f`.
//!
//! The first allows and counts, and drops nothing; the second turns on default deny; the third turns it off
//! again. Each loads in one transaction: the kernel has all of it or nothing.
//!
//! Source: nft(8).

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::{Protocol, Timestamp};

use super::by_hand;
use super::text::states;
use crate::nft::{Family, Hook};
use crate::text::printable;
use crate::{Rule, RuleSet, Service};

/// File name of [`Nftables::allow`].
pub const ALLOW: &str = "rules.nft";
/// File name of [`Nftables::default_deny`].
pub const DEFAULT_DENY: &str = "default-deny.nft";
/// File name of [`Nftables::revert`].
pub const REVERT: &str = "default-deny-revert.nft";

/// ICMPv6 types without which no IPv6 network works, on the link alone: multicast listener discovery
/// (RFC 2710, RFC 3810) and neighbour discovery (RFC 4861). RFC 4890, section 4.4.1: must not be dropped.
/// Receivers refuse them from beyond the link, so they open nothing.
pub const ALWAYS_ALLOWED_ICMPV6: [u8; 8] = [130, 131, 132, 133, 134, 135, 136, 143];

/// Bytes that nftables keeps of a comment (`NFTNL_UDATA_COMMENT_MAXLEN`).
const COMMENT: usize = 128;

/// Names in a comment line of the text: more than a person reads at a glance.
const LISTED: usize = 10;

/// Bytes of a comment line in the text: room for [`LISTED`] names of the longest kind (255 bytes, RFC 1035).
const LINE: usize = 3000;

/// The three files, each ending in a newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nftables {
    /// Where the rules look at packets.
    pub hook: Hook,
    /// Allow rules with counters; packets that match none are counted and logged, and pass.
    pub allow: String,
    /// Packets that match none are dropped.
    pub default_deny: String,
    /// Back to what `allow` alone does.
    pub revert: String,
}

/// Writes `rules` for `hook`: [`Hook::Forward`] for a router or bridge between the parties, [`Hook::Input`]
/// for the servers themselves (each takes the same file; rules for other servers never match there).
#[must_use]
pub fn export(rules: &RuleSet, hook: Hook) -> Nftables {
    export_for(
        rules,
        hook,
        match hook {
            Hook::Forward => "a router or bridge between the parties",
            Hook::Input => "each of the servers",
        },
    )
}

/// The same, for people who are told what it is for.
pub(super) fn export_for(rules: &RuleSet, hook: Hook, place: &str) -> Nftables {
    Nftables {
        hook,
        allow: Text(rules, hook, place).to_string(),
        default_deny: policy(hook, "drop", "Default deny: what matches no rule is dropped from now on."),
        revert: policy(
            hook,
            "accept",
            "Takes default deny back: what matches no rule passes again, counted.",
        ),
    }
}

/// Changes the policy of the base chain and nothing else.
fn policy(hook: Hook, policy: &str, what: &str) -> String {
    let hook = hook.as_str();
    format!(
        "# {what}\n\
         # Load {ALLOW} first.\n\
         table inet watershed {{\n\
         \tchain {hook} {{\n\
         \t\ttype filter hook {hook} priority filter; policy {policy};\n\
         \t}}\n\
         }}\n"
    )
}

struct Text<'a>(&'a RuleSet, Hook, &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rules, hook, place) = self;
        header(f, rules, place)?;
        // A table must exist to be deleted; together these make loading the file twice the same as once.
        f.write_str("table inet watershed\ndelete table inet watershed\n\ntable inet watershed {\n")?;
        for rule in &rules.rules {
            sets(f, rule)?;
        }
        for rule in &rules.by_hand {
            by_hand::sets(f, rule)?;
        }
        f.write_str("\tchain watershed_allow {\n")?;
        f.write_str("\t\t# Answers, and errors about connections that were allowed.\n")?;
        f.write_str("\t\tct state established,related counter accept\n")?;
        f.write_str(
            "\t\t# IPv6 neighbour and listener discovery: without them there is no IPv6 (RFC 4890, 4.4.1).\n",
        )?;
        let types = ALWAYS_ALLOWED_ICMPV6.map(|number| number.to_string()).join(", ");
        writeln!(f, "\t\ticmpv6 type {{ {types} }} counter accept")?;
        for rule in &rules.rules {
            allow(f, rule)?;
        }
        for rule in &rules.by_hand {
            by_hand::allow(f, rule)?;
        }
        f.write_str("\t}\n\n")?;
        base(f, *hook)?;
        f.write_str("}\n")
    }
}

fn header(f: &mut fmt::Formatter<'_>, rules: &RuleSet, place: &str) -> fmt::Result {
    let place = printable(place, LINE);
    let by_hand = match rules.by_hand.len() as u64 {
        0 => String::new(),
        made => format!(" and {} made by hand", count(made, "rule")),
    };
    let observed = count(rules.rules.len() as u64, "allow rule");
    writeln!(f, "# Watershed: {observed} from observed traffic{by_hand}, for {place}.")?;
    writeln!(f, "# Nothing is dropped: what matches no rule is counted, logged and passes.")?;
    writeln!(f, "# To enforce, load {DEFAULT_DENY} after it; {REVERT} takes that back.")?;
    writeln!(
        f,
        "# Loading this file again replaces all of it and returns to dropping nothing; to stay enforced,"
    )?;
    writeln!(f, "# load both in one transaction: cat {ALLOW} {DEFAULT_DENY} | nft -f -")
}

/// The family's addresses of both sides, where both have any.
fn sides(rule: &Rule, family: Family) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
    let carries = match rule.service.protocol() {
        Protocol::ICMP => family == Family::V4,
        Protocol::ICMPV6 => family == Family::V6,
        _ => true,
    };
    let of_family = |address: &IpAddr| Family::of(*address) == family;
    let clients: Vec<_> = rule.peer_addresses().into_iter().filter(of_family).collect();
    let servers: Vec<_> = rule.subject.addresses.iter().copied().filter(of_family).collect();
    (carries && !clients.is_empty() && !servers.is_empty()).then_some((clients, servers))
}

fn set_name(rule: &Rule, side: &str, family: Family) -> String {
    format!("{}_{side}_{}", rule.id, family.version())
}

fn sets(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    for family in Family::ALL {
        let Some((clients, servers)) = sides(rule, family) else { continue };
        for (side, addresses) in [("clients", clients), ("servers", servers)] {
            let addresses = addresses.into_iter().map(|address| Network(address.into()));
            set(f, &set_name(rule, side, family), family, addresses)?;
        }
    }
    Ok(())
}

/// An element of a set; a single address without the length of its prefix.
pub(crate) struct Network(pub(crate) IpNet);

impl Network {
    fn is_single(&self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// A set with a name of its own.
pub(super) fn set(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    family: Family,
    networks: impl Iterator<Item = Network> + Clone,
) -> fmt::Result {
    writeln!(f, "\tset {name} {{")?;
    writeln!(f, "\t\ttype {}", family.set_type())?;
    // Without `flags interval` the kernel itself refuses anything but whole addresses.
    if !networks.clone().all(|network| network.is_single()) {
        f.write_str("\t\tflags interval\n")?;
    }
    f.write_str("\t\telements = {\n")?;
    for network in networks {
        writeln!(f, "\t\t\t{network},")?;
    }
    f.write_str("\t\t}\n\t}\n\n")
}

fn allow(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    let observed = &rule.subject.observed;
    let peers = listing(rule.peers.iter().map(|peer| peer.party.to_string()));
    f.write_char('\n')?;
    comment_line(f, &format!("{} {} for {peers}", rule.subject.party, rule.service))?;
    if !rule.names.is_empty() {
        comment_line(f, &format!("called {}", listing(rule.names.iter().map(ToString::to_string))))?;
    }
    let (first, last) = (observed.first_seen, observed.last_seen);
    let (edges, connections) = (count(observed.edges, "edge"), count(observed.connections, "connection"));
    let pairs = |family| sides(rule, family).map(|(clients, servers)| clients.len() * servers.len());
    let all = states(Family::ALL.into_iter().filter_map(pairs).sum::<usize>() as u64);
    let answered = observed.answered;
    comment_line(f, &format!("{edges}, {connections}, {answered} answered, {first} to {last}; {all}"))?;
    if let Some(confidence) = &rule.confidence {
        comment_line(f, &confidence.to_string())?;
    }
    for family in Family::ALL {
        if sides(rule, family).is_none() {
            continue;
        }
        let (ip, service) = (family.keyword(), service(rule.service));
        let (clients, servers) = (set_name(rule, "clients", family), set_name(rule, "servers", family));
        let comment = comment(rule);
        writeln!(
            f,
            "\t\t{ip} saddr @{clients} {ip} daddr @{servers} {service} counter accept comment \"{comment}\""
        )?;
    }
    Ok(())
}

/// The rule's name comes first, because `nft list` shows no other.
fn comment(rule: &Rule) -> String {
    let observed = &rule.subject.observed;
    let (edges, connections) = (count(observed.edges, "edge"), count(observed.connections, "connection"));
    let (first, last) = (day(observed.first_seen), day(observed.last_seen));
    printable(&format!("{}: {edges}, {connections}, {first} to {last}", rule.id), COMMENT)
}

/// `2026-01-02`.
fn day(time: Timestamp) -> String {
    time.to_string().chars().take_while(|&letter| letter != 'T').collect()
}

/// The first names, and how many more there are: the rest is in the JSON export.
fn listing(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// `1 edge`, `2 edges`.
fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub(super) fn comment_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "\t\t# {}", printable(text, LINE))
}

/// Numbers throughout: what a name stands for depends on files of the machine that loads it.
pub(super) fn service(service: Service) -> String {
    match service {
        Service::Port { protocol, port } => format!("{protocol} dport {port}"),
        Service::Icmp { protocol, message_type } => format!("{protocol} type {message_type}"),
        Service::Protocol(protocol) => format!("meta l4proto {}", protocol.0),
    }
}

fn base(f: &mut fmt::Formatter<'_>, hook: Hook) -> fmt::Result {
    let hook_name = hook.as_str();
    writeln!(f, "\tchain {hook_name} {{")?;
    writeln!(f, "\t\ttype filter hook {hook_name} priority filter; policy accept;")?;
    if hook == Hook::Input {
        f.write_str("\t\t# What the machine sends to itself.\n\t\tiifname \"lo\" counter accept\n")?;
    }
    f.write_str("\t\tjump watershed_allow\n")?;
    f.write_str(
        "\t\t# Default deny would drop what comes here; the limit keeps a scan from filling the log.\n",
    )?;
    f.write_str("\t\tlimit rate 5/second log prefix \"watershed unmatched: \"\n")?;
    f.write_str("\t\tcounter comment \"matched by no rule\"\n\t}\n")
}
