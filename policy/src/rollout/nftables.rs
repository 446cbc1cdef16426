//! A step as nftables text: a table of its own, so that applying and taking back touches nothing else.
//!
//! The base chain accepts by policy and drops only what goes to the unit and no rule allows. Source: nft(8).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Draft, Files, Step};
use crate::export::nftables::{ALWAYS_ALLOWED_ICMPV6, Network, matching};
use crate::identity::FieldDigest;
use crate::nft::{Family, Hook};
use crate::rule::Sides;
use crate::text::{printable, slug};
use crate::{Allowed, Rule, Service};

/// Bytes of a comment line: room for names of the longest kind (255 bytes, RFC 1035).
const LINE: usize = 400;

/// What happens to what no rule allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Watch,
    Apply,
}

/// The files of a step. Names of tables depend on the unit alone, so a later plan replaces an earlier one.
pub(super) fn files(step: &Step, draft: &Draft<'_>, hook: Hook) -> Files {
    let table = table(step);
    let text = |mode| Text { step, draft, hook, table: &table, mode }.to_string();
    Files {
        watch: text(Mode::Watch),
        apply: text(Mode::Apply),
        revert: format!(
            "# Takes back what protects {}: all of it passes again.\ntable inet {table}\ndelete table inet {table}\n",
            printable(&step.unit, LINE)
        ),
    }
}

/// `watershed-shop-db-4f0c2a9b`: 32 bits of the unit's name tell those apart that look alike.
fn table(step: &Step) -> String {
    let mut digest = FieldDigest::default();
    digest.field(&step.unit);
    let digest: String = digest.finish().chars().take(8).collect();
    format!("watershed-{}-{digest}", slug(&step.unit, 32)).replace("--", "-")
}

struct Text<'a> {
    step: &'a Step,
    draft: &'a Draft<'a>,
    hook: Hook,
    table: &'a str,
    mode: Mode,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header(f)?;
        let table = self.table;
        // A table must exist to be deleted; together these make loading the file twice the same as once.
        writeln!(f, "table inet {table}\ndelete table inet {table}\n\ntable inet {table} {{")?;
        f.write_str("\tchain watershed_allow {\n")?;
        f.write_str("\t\t# Answers, and errors about connections that were allowed.\n")?;
        f.write_str("\t\tct state established,related counter accept\n")?;
        f.write_str("\t\t# Without these there is no IPv6 (RFC 4890, 4.4.1).\n")?;
        let types = ALWAYS_ALLOWED_ICMPV6.map(|number| number.to_string()).join(", ");
        writeln!(f, "\t\ticmpv6 type {{ {types} }} counter accept")?;
        self.rules(f)?;
        f.write_str("\t}\n\n")?;
        self.base(f)?;
        f.write_str("}\n")
    }
}

impl Text<'_> {
    fn header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { unit, coverage, fan_in, ready, .. } = self.step;
        let unit = printable(unit, LINE);
        match self.mode {
            Mode::Watch => writeln!(f, "# Logs what enforcing would keep from {unit}, and drops nothing.")?,
            Mode::Apply => writeln!(f, "# Protects {unit}: what nobody was seen to use of it is dropped.")?,
        }
        writeln!(f, "# Coverage {:.2} %, clients {fan_in}.", coverage * 100.0)?;
        if !ready {
            writeln!(f, "# Not ready by the rule in the settings: watch first.")?;
        }
        writeln!(f, "# revert.nft takes it back.")
    }

    /// Servers with the same clients share a rule.
    fn rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules: BTreeMap<(Service, Family, BTreeSet<IpAddr>), Vec<IpAddr>> = BTreeMap::new();
        for (&(service, server), clients) in &self.draft.allowed {
            rules.entry((service, Family::of(server), clients.clone())).or_default().push(server);
        }
        for ((service, family, clients), servers) in rules {
            let (ip, what) = (family.keyword(), matching(&Allowed::only(service)));
            let (clients, servers) = (listing(&clients), listing(&servers));
            writeln!(f, "\t\t{ip} saddr {clients} {ip} daddr {servers} {what}counter accept")?;
        }
        self.draft.by_hand.iter().try_for_each(|rule| made_by_hand(f, rule))
    }

    fn base(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hook = self.hook.as_str();
        writeln!(f, "\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter; policy accept;")?;
        if self.hook == Hook::Input {
            f.write_str("\t\tiifname \"lo\" counter accept\n")?;
        }
        f.write_str("\t\tjump watershed_allow\n")?;
        for family in Family::ALL {
            let of_family = |address: &&IpAddr| Family::of(**address) == family;
            let addresses: Vec<&IpAddr> = self.draft.addresses.iter().filter(of_family).collect();
            if addresses.is_empty() {
                continue;
            }
            let (ip, to) = (family.keyword(), listing(addresses));
            if self.mode == Mode::Apply {
                writeln!(f, "\t\t{ip} daddr {to} counter drop")?;
                continue;
            }
            // The limit keeps a scan from filling the log.
            writeln!(f, "\t\t{ip} daddr {to} limit rate 5/second log prefix \"watershed would drop: \"")?;
            writeln!(f, "\t\t{ip} daddr {to} counter comment \"would be dropped\"")?;
        }
        f.write_str("\t}\n")
    }
}

fn made_by_hand(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(manual) = rule.manual() {
        writeln!(f, "\t\t# By hand: {}", printable(&manual.to_string(), LINE))?;
    }
    for Sides { family, clients, servers, ports } in rule.sides() {
        let networks = |networks: Vec<IpNet>| listing(networks.into_iter().map(Network));
        let (ip, clients, servers) = (family.keyword(), networks(clients), networks(servers));
        for what in ports.into_iter().map(matching) {
            writeln!(f, "\t\t{ip} saddr {clients} {ip} daddr {servers} {what}counter accept")?;
        }
    }
    Ok(())
}

/// `{ 10.0.0.1, 10.0.0.2 }`.
fn listing(addresses: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let mut text = String::from("{");
    for (number, address) in addresses.into_iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(text, "{} {address}", if number > 0 { "," } else { "" });
    }
    text + " }"
}
