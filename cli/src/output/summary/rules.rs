//! What would be allowed, and how sure that is.

use std::cmp::Reverse;
use std::io::{self, Write};

use watershed_model::Party;
use watershed_policy::{Allowed, Member, Rule, RuleSet, Service};

use super::{Page, Summary, counted, first_and_more, length, service};
use crate::output::table::{Table, number, text};
use crate::output::text::count;

/// Services with the rule that allows each: whom, and on what evidence.
pub(super) fn services<W: Write>(page: &mut Page<'_, W>, rules: &RuleSet) -> io::Result<()> {
    let mut sorted: Vec<&Rule> = rules.observed().iter().collect();
    if sorted.is_empty() {
        return Ok(());
    }
    let answered = |rule: &Rule| rule.observed.map_or(0, |observed| observed.answered);
    sorted.sort_by_key(|rule| Reverse((rule.peer.parties().len(), answered(rule))));
    let mut table = Table::new(&[
        text("server", usize::MAX),
        text("service", 24),
        number("clients"),
        text("allowed", usize::MAX),
        number("connections"),
    ]);
    for rule in sorted.iter().take(page.rows) {
        table.row([
            server(rule),
            services_of(rule),
            count(length(rule.peer.parties().len())),
            rule.peer.to_string(),
            count(answered(rule)),
        ]);
    }
    page.heading("SERVICES", "each allowed by one rule, to the clients that used it")?;
    page.table(&table, sorted.len(), "rules.csv")
}

/// The server's name; an address that has names goes by them.
fn server(rule: &Rule) -> String {
    match rule.subject.parties() {
        [Member { party: Party::Address(_), .. }] if !rule.names.is_empty() => first_and_more(&rule.names),
        _ => rule.subject.to_string(),
    }
}

/// What they are called, where they are called something.
fn services_of(rule: &Rule) -> String {
    let name = |allowed: &Allowed| allowed.service().map_or_else(|| allowed.to_string(), service_name);
    rule.ports.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn service_name(of: Service) -> String {
    match of {
        Service::Port { protocol, port } => service(protocol, port),
        Service::Icmp { protocol, message_type } => service(protocol, message_type.into()),
        Service::Protocol(protocol) => service(protocol, 0),
    }
}

/// The certificate in words.
pub(super) fn proof<W: Write>(page: &mut Page<'_, W>, summary: &Summary<'_>) -> io::Result<()> {
    let certificate = summary.certificate;
    let rules = length(summary.rules.rules.len());
    if rules == 0 {
        return Ok(());
    }
    page.heading(
        "RULES",
        &format!("{} for nftables, read back from the text and proven", counted(rules, "rule", "rules")),
    )?;
    let style = page.style;
    writeln!(
        page.out,
        "  {}  {} replayed as {}: all allowed",
        style.good("✓"),
        counted(certificate.edges_replayed, "dependency", "dependencies"),
        counted(certificate.tuples_observed, "connection", "connections"),
    )?;
    writeln!(
        page.out,
        "  {}  {} tried that nobody was seen to make: all denied",
        style.good("✓"),
        counted(certificate.probes_denied, "connection", "connections"),
    )?;
    if certificate.tuples_unobserved > 0 {
        let price = counted(certificate.tuples_unobserved, "connection", "connections");
        writeln!(
            page.out,
            "  {}  {price} allowed without having been seen: parties with several addresses",
            style.alert("!")
        )?;
    }
    if certificate.tuples_not_replayed > 0 {
        let left = counted(certificate.tuples_not_replayed, "address pair", "address pairs");
        writeln!(page.out, "  {}  {left} not replayed: more than the limit", style.alert("!"))?;
    }
    if certificate.edges_held_back > 0 {
        let left = counted(certificate.edges_held_back, "accepted edge", "accepted edges");
        writeln!(page.out, "  {}  {left} that no rule can express", style.alert("!"))?;
    }
    Ok(())
}
