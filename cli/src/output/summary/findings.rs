//! What the graph shows: dependencies, shared services, exposure, scans, doubts.

use std::cmp::Reverse;
use std::io::{self, Write};

use watershed_graph::{Direction, Doubt, Graph, Scan, ScanKind, Verdict};
use watershed_model::Edge;

use super::{Page, counted, first_and_more, length, service, service_of};
use crate::output::table::{Table, number, text};
use crate::output::text::{bytes, count, probability};

/// The accepted edges with the most connections.
pub(super) fn dependencies<W: Write>(page: &mut Page<'_, W>, graph: &Graph<'_>) -> io::Result<()> {
    let mut edges: Vec<&Edge> = graph.accepted().collect();
    let all = edges.len();
    // The sort is stable: edges with as many connections stay in order of their keys.
    edges.sort_by_key(|edge| Reverse(edge.answered));
    let mut table = Table::new(&[
        text("client", usize::MAX),
        text("uses", usize::MAX),
        text("service", 24),
        number("connections"),
        number("bytes"),
        text("as", usize::MAX),
    ]);
    for edge in edges.into_iter().take(page.rows) {
        table.row([
            edge.key.client.to_string(),
            edge.key.server.to_string(),
            service_of(edge),
            count(edge.answered),
            bytes(edge.to_server.ip_bytes.saturating_add(edge.to_client.ip_bytes)),
            first_and_more(&edge.names),
        ]);
    }
    if all == 0 {
        return page.heading("DEPENDENCIES", "none: no connection was answered");
    }
    page.heading("DEPENDENCIES", "who uses what, by connections")?;
    page.table(&table, all, "edges.csv")
}

/// What many depend on.
pub(super) fn shared<W: Write>(page: &mut Page<'_, W>, graph: &Graph<'_>) -> io::Result<()> {
    let shared = graph.shared_services();
    if shared.is_empty() {
        return Ok(());
    }
    page.heading("SHARED SERVICES", "used by many, using few")?;
    let mut table =
        Table::new(&[text("server", usize::MAX), number("clients"), text("services", usize::MAX)]);
    for service in shared.iter().take(page.rows) {
        let services = service.services.keys().map(|s| self::service(s.protocol, s.port));
        table.row([
            service.party.to_string(),
            service.dependants.to_string(),
            services.collect::<Vec<_>>().join(", "),
        ]);
    }
    page.table(&table, shared.len(), "graph.json")
}

/// What the internet reaches, and what reaches the internet.
pub(super) fn exposed<W: Write>(page: &mut Page<'_, W>, graph: &Graph<'_>) -> io::Result<()> {
    for (exposures, title, note, column) in [
        (
            graph.exposed(),
            "EXPOSED TO THE INTERNET",
            "internal services that answered public addresses",
            "from",
        ),
        (graph.egress(), "USES THE INTERNET", "", "to"),
    ] {
        if exposures.is_empty() {
            continue;
        }
        let mut table = Table::new(&[
            text("host", usize::MAX),
            text("service", 24),
            number("connections"),
            text(column, usize::MAX),
        ]);
        let services =
            exposures.iter().flat_map(|e| e.services.iter().map(move |service| (&e.party, service)));
        let mut services: Vec<_> = services.collect();
        services.sort_by_key(|(_, service)| Reverse(service.connections));
        for (party, exposed) in services.iter().take(page.rows) {
            let probed = if exposed.used { "" } else { ", only probed" };
            let peers = counted(exposed.peers, "public address", "public addresses");
            table.row([
                party.to_string(),
                service(exposed.service.protocol, exposed.service.port),
                count(exposed.connections),
                format!("{peers}{probed}"),
            ]);
        }
        page.heading(title, note)?;
        page.table(&table, services.len(), "graph.json")?;
    }
    Ok(())
}

/// Who tried what in vain: scans first, then the rest by how much they tried.
pub(super) fn scans<W: Write>(page: &mut Page<'_, W>, graph: &Graph<'_>) -> io::Result<()> {
    let mut scans: Vec<&Scan> = graph.scans().iter().collect();
    if scans.is_empty() {
        return Ok(());
    }
    scans.sort_by_key(|scan| Reverse((scan.kind, scan.connections)));
    let mut table = Table::new(&[
        text("source", usize::MAX),
        text("what", 10),
        text("whom", usize::MAX),
        text("ports", 24),
        number("tries"),
        text("answers", usize::MAX),
    ]);
    for scan in scans.iter().take(page.rows) {
        let what = match scan.kind {
            ScanKind::Probe => "few tries",
            ScanKind::HostSweep => "host sweep",
            ScanKind::PortScan => "port scan",
        };
        table.row([
            scan.source.to_string(),
            what.to_owned(),
            targets(scan),
            format!("{} {}", scan.protocol, scan.port_ranges()),
            count(scan.connections),
            answers(scan),
        ]);
    }
    page.heading("SCANS AND VAIN TRIES", "never rules")?;
    page.table(&table, scans.len(), "graph.json")
}

fn targets(scan: &Scan) -> String {
    let mut targets = scan.targets.iter();
    match (targets.next(), targets.next()) {
        (Some(only), None) => only.to_string(),
        _ => counted(length(scan.targets.len()), "host", "hosts"),
    }
}

/// `3 refused, 997 silent, 2 open`; silent and refused count services, as open does.
fn answers(scan: &Scan) -> String {
    let parts = [(scan.refused, "refused"), (scan.unanswered, "silent"), (length(scan.open.len()), "open")];
    let said = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number)));
    said.collect::<Vec<_>>().join(", ")
}

/// Edges that became no rule because it is not sure enough what they are.
pub(super) fn needs_person<W: Write>(page: &mut Page<'_, W>, graph: &Graph<'_>) -> io::Result<()> {
    let judged = graph.edges().zip(graph.directions());
    let doubtful = judged.filter_map(|((edge, verdict), direction)| match verdict {
        Verdict::NeedsPerson(doubt) => Some((edge, why(edge, *doubt, direction))),
        _ => None,
    });
    let mut doubtful: Vec<_> = doubtful.collect();
    if doubtful.is_empty() {
        return Ok(());
    }
    doubtful.sort_by_key(|(edge, _)| Reverse(edge.connections));
    let mut table = Table::new(&[
        text("client", usize::MAX),
        text("server", usize::MAX),
        text("service", 24),
        number("connections"),
        text("why", usize::MAX),
    ]);
    for (edge, why) in doubtful.iter().take(page.rows) {
        table.row([
            edge.key.client.to_string(),
            edge.key.server.to_string(),
            service_of(edge),
            count(edge.connections),
            why.clone(),
        ]);
    }
    page.heading("NEEDS A PERSON", "no rule until somebody decides")?;
    page.table(&table, doubtful.len(), "rules.json")
}

/// The doubt; where it is about the direction, how sure it is and the other way to read it.
fn why(edge: &Edge, doubt: Doubt, direction: &Direction) -> String {
    if !matches!(doubt, Doubt::NoEvidence | Doubt::Contradicted | Doubt::Mirrored) {
        return doubt.describe().to_owned();
    }
    let sure = probability(direction.probability());
    let Edge { key, .. } = edge;
    let service = direction.reversed.as_ref().map(|other| service(other.protocol, other.port));
    let other = service.unwrap_or_else(|| "another port".to_owned());
    format!("{sure} sure, or {} uses {} {other}: {}", key.server, key.client, doubt.describe())
}
