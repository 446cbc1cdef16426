//! Rules as nftables text: three files that are loaded with `nft -f`.
//!
//! The first allows and counts, and drops nothing; the second turns on default deny; the third turns it off
//! again. Each loads in one transaction: the kernel has all of it or nothing.
//!
//! Source: nft(8).

use std::fmt::{self, Write as _};

use ipnet::IpNet;

use super::text::{admits, day, states};
use crate::nft::{Family, Hook};
use crate::rule::Sides;
use crate::text::printable;
use crate::{Allowed, Observed, Rule, RuleSet, Service};

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
        f.write_str("\t}\n\n")?;
        base(f, *hook)?;
        f.write_str("}\n")
    }
}

fn header(f: &mut fmt::Formatter<'_>, rules: &RuleSet, place: &str) -> fmt::Result {
    let place = printable(place, LINE);
    let by_hand = match rules.by_hand().len() as u64 {
        0 => String::new(),
        made => format!(" and {} made by hand", count(made, "rule")),
    };
    let observed = count(rules.observed().len() as u64, "allow rule");
    writeln!(f, "# Watershed: {observed} from observed traffic{by_hand}, for {place}.")?;
    writeln!(f, "# Nothing is dropped: what matches no rule is counted, logged and passes.")?;
    writeln!(f, "# To enforce, load {DEFAULT_DENY} after it; {REVERT} takes that back.")?;
    writeln!(
        f,
        "# Loading this file again replaces all of it and returns to dropping nothing; to stay enforced,"
    )?;
    writeln!(f, "# load both in one transaction: cat {ALLOW} {DEFAULT_DENY} | nft -f -")
}

fn set_name(rule: &Rule, side: &str, family: Family) -> String {
    format!("{}_{side}_{}", rule.id, family.version())
}

fn sets(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    for Sides { family, clients, servers, .. } in rule.sides() {
        for (side, networks) in [("clients", clients), ("servers", servers)] {
            set(f, &set_name(rule, side, family), family, &networks)?;
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
fn set(f: &mut fmt::Formatter<'_>, name: &str, family: Family, networks: &[IpNet]) -> fmt::Result {
    writeln!(f, "\tset {name} {{")?;
    writeln!(f, "\t\ttype {}", family.set_type())?;
    // Without `flags interval` the kernel itself refuses anything but whole addresses.
    if !networks.iter().all(|&network| Network(network).is_single()) {
        f.write_str("\t\tflags interval\n")?;
    }
    f.write_str("\t\telements = {\n")?;
    for &network in networks {
        writeln!(f, "\t\t\t{},", Network(network))?;
    }
    f.write_str("\t\t}\n\t}\n\n")
}

fn allow(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    f.write_char('\n')?;
    about(f, rule)?;
    let comment = comment(rule);
    for Sides { family, ports, .. } in rule.sides() {
        let ip = family.keyword();
        let (clients, servers) = (set_name(rule, "clients", family), set_name(rule, "servers", family));
        for what in ports.into_iter().map(matching) {
            writeln!(
                f,
                "\t\t{ip} saddr @{clients} {ip} daddr @{servers} {what}counter accept comment \"{comment}\""
            )?;
        }
    }
    Ok(())
}

/// What a rule is about and why it is there, for people.
fn about(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    let what = match rule.manual() {
        Some(manual) => format!("by hand: {manual}"),
        None => {
            format!("{} {} for {}", rule.subject, rule.services(), listing(rule.peer.names().into_iter()))
        }
    };
    comment_line(f, &what)?;
    if let Some(said) = &rule.said {
        comment_line(f, &said.to_string())?;
    }
    if !rule.names.is_empty() {
        comment_line(f, &format!("called {}", listing(rule.names.iter().map(ToString::to_string))))?;
    }
    if rule.sides().next().is_none() {
        return comment_line(f, "for nobody: no address is known of one of its ends");
    }
    let all = states(rule.all);
    let evidence = rule.observed.map(|observed| {
        let Observed { answered, first_seen, last_seen, .. } = observed;
        let price = admits(rule.price);
        format!("{}, {answered} answered, {first_seen} to {last_seen}; {price}; {all}", counts(&observed))
    });
    comment_line(f, &evidence.unwrap_or(all))?;
    rule.confidence.iter().try_for_each(|confidence| comment_line(f, &confidence.to_string()))
}

/// The rule's name comes first, because `nft list` shows no other.
fn comment(rule: &Rule) -> String {
    let why = rule.observed.map_or_else(
        || "by hand".to_owned(),
        |observed| {
            format!("{}, {} to {}", counts(&observed), day(observed.first_seen), day(observed.last_seen))
        },
    );
    printable(&format!("{}: {why}", rule.id), COMMENT)
}

/// `2 edges, 24 connections`.
fn counts(observed: &Observed) -> String {
    format!("{}, {}", count(observed.edges, "edge"), count(observed.connections, "connection"))
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

fn comment_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "\t\t# {}", printable(text, LINE))
}

/// What a line asks of the packet's service, and a space after it. Numbers throughout: what a name stands for depends
/// on files of the machine that loads it.
pub(crate) fn matching(allowed: &Allowed) -> String {
    match allowed {
        Allowed::Anything => String::new(),
        Allowed::Ports(protocol, first, last) if first == last => format!("{protocol} dport {first} "),
        Allowed::Ports(protocol, first, last) => format!("{protocol} dport {first}-{last} "),
        Allowed::Service(service) => match *service {
            Service::Port { protocol, port } => format!("{protocol} dport {port} "),
            Service::Icmp { protocol, message_type } => format!("{protocol} type {message_type} "),
            Service::Protocol(protocol) => format!("meta l4proto {} ", protocol.0),
        },
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
