//! Whose an address was, for a person and for a program.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use watershed_aggregator::Tenure;
use watershed_model::{KnownName, Labels, Party, Protocol, Snapshot, TimeRange, Timestamp};

use super::table::{Table, number, text};
use super::text::{count, plain, seconds};
use crate::terminal::Style;

/// The widest line, as that of the summary.
const WIDTH: usize = 100;

/// Services that are named in a line of text; JSON names all.
const SERVICES: usize = 6;

/// All that is known of an address.
pub(crate) struct Answer<'a> {
    pub(crate) address: IpAddr,
    /// The time asked about, if any.
    pub(crate) at: Option<Timestamp>,
    pub(crate) asked_inventory: bool,
    /// Who had it, the longest prefix first.
    pub(crate) tenures: Vec<Tenure<'a>>,
    /// The store that was asked.
    pub(crate) store: Option<String>,
    pub(crate) seen: Vec<Seen>,
    /// Names that DNS gave it.
    pub(crate) names: Vec<&'a KnownName>,
}

/// As what a store has an address: on one side of edges, as one workload.
pub(crate) struct Seen {
    pub(crate) side: Side,
    pub(crate) party: Party,
    pub(crate) period: TimeRange,
    pub(crate) services: BTreeSet<(Protocol, u16)>,
    pub(crate) edges: u64,
}

/// A side of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Server,
    Client,
}

impl Seen {
    /// As what `snapshot` has `address`.
    pub(crate) fn of(address: IpAddr, snapshot: &Snapshot) -> Vec<Self> {
        let mut seen: BTreeMap<(Side, &Party), Self> = BTreeMap::new();
        for edge in &snapshot.edges {
            let sides = [
                (Side::Server, &edge.key.server, &edge.server_addresses),
                (Side::Client, &edge.key.client, &edge.client_addresses),
            ];
            for (side, party, _) in sides.into_iter().filter(|(_, _, addresses)| addresses.contains(&address))
            {
                let period = TimeRange { start: edge.first_seen, end: edge.last_seen };
                let seen = seen.entry((side, party)).or_insert_with(|| Self {
                    side,
                    party: party.clone(),
                    period,
                    services: BTreeSet::new(),
                    edges: 0,
                });
                seen.period.start = seen.period.start.min(period.start);
                seen.period.end = seen.period.end.max(period.end);
                seen.services.insert((edge.key.protocol, edge.key.port));
                seen.edges += 1;
            }
        }
        seen.into_values().collect()
    }

    fn services(&self) -> impl Iterator<Item = String> {
        self.services.iter().map(|(protocol, port)| format!("{protocol}/{port}"))
    }
}

impl Answer<'_> {
    /// Who had it at the time asked about; the longest prefix wins.
    fn then(&self) -> Option<&Tenure<'_>> {
        self.tenures.iter().find(|tenure| self.at.is_some_and(|at| tenure.from <= at && at < tenure.until))
    }

    /// Writes it for a person.
    pub(crate) fn write(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        writeln!(out, "{}", style.bold(&self.address.to_string()))?;
        if self.asked_inventory {
            self.inventory(out, style)?;
        }
        if let Some(store) = &self.store {
            self.store(out, store, style)?;
        }
        Ok(())
    }

    fn inventory(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        if let Some(at) = self.at {
            match self.then() {
                Some(then) => writeln!(out, "At {at}: {}", plain(&then.workload.to_string()))?,
                None => writeln!(out, "At {at}: nobody in the inventory")?,
            }
        }
        if self.tenures.is_empty() {
            return writeln!(out, "The inventory has no entry for it");
        }
        let columns = [
            text("from", 20),
            text("until", 20),
            text("workload", 40),
            text("labels", 60),
            text("entry", 43),
        ];
        let mut table = Table::new(&columns);
        for tenure in &self.tenures {
            let labels = tenure.workload.labels.iter();
            table.row([
                if tenure.from == Timestamp::MIN { "always".to_owned() } else { seconds(tenure.from) },
                if tenure.until == Timestamp::MAX { "now".to_owned() } else { seconds(tenure.until) },
                tenure.workload.to_string(),
                labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
                tenure.prefix.to_string(),
            ]);
        }
        writeln!(out, "\nInventory")?;
        table.write(out, "  ", WIDTH, |header| style.dim(header))
    }

    fn store(&self, out: &mut impl Write, store: &str, style: Style) -> io::Result<()> {
        writeln!(out, "\nSeen in {}", plain(store))?;
        if self.seen.is_empty() {
            writeln!(out, "  never")?;
        } else {
            let columns = [
                text("as", 6),
                text("workload", 40),
                number("edges"),
                text("services", 60),
                text("first", 19),
                text("last", 19),
            ];
            let mut table = Table::new(&columns);
            for seen in &self.seen {
                let mut services: Vec<String> = seen.services().take(SERVICES).collect();
                if seen.services.len() > SERVICES {
                    services.push(format!("and {} more", seen.services.len() - SERVICES));
                }
                table.row([
                    if seen.side == Side::Server { "server" } else { "client" }.to_owned(),
                    seen.party.to_string(),
                    count(seen.edges),
                    services.join(" "),
                    seconds(seen.period.start),
                    seconds(seen.period.end),
                ]);
            }
            table.write(out, "  ", WIDTH, |header| style.dim(header))?;
        }
        for name in &self.names {
            let (first, last) = (seconds(name.first_seen), seconds(name.last_seen));
            writeln!(out, "  DNS called it {} from {first} to {last}", plain(&name.name))?;
        }
        Ok(())
    }
}

/// What is written as JSON.
#[derive(Serialize)]
pub(crate) struct Mirror<'a> {
    address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Who had it at `at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<String>,
    inventory: Vec<TenureMirror<'a>>,
    seen: Vec<SeenMirror>,
    names: Vec<NameMirror<'a>>,
}

#[derive(Serialize)]
struct TenureMirror<'a> {
    entry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    workload: String,
    labels: &'a Labels,
}

#[derive(Serialize)]
struct SeenMirror {
    side: Side,
    party: String,
    first_seen: String,
    last_seen: String,
    edges: u64,
    services: Vec<String>,
}

#[derive(Serialize)]
struct NameMirror<'a> {
    name: &'a str,
    first_seen: String,
    last_seen: String,
}

impl<'a> Mirror<'a> {
    pub(crate) fn of(answer: &'a Answer<'a>) -> Self {
        let known = |time: Timestamp, unknown| (time != unknown).then(|| time.to_string());
        let tenure = |tenure: &'a Tenure<'a>| TenureMirror {
            entry: tenure.prefix.to_string(),
            from: known(tenure.from, Timestamp::MIN),
            until: known(tenure.until, Timestamp::MAX),
            workload: tenure.workload.to_string(),
            labels: &tenure.workload.labels,
        };
        let seen = |seen: &Seen| SeenMirror {
            side: seen.side,
            party: seen.party.to_string(),
            first_seen: seen.period.start.to_string(),
            last_seen: seen.period.end.to_string(),
            edges: seen.edges,
            services: seen.services().collect(),
        };
        let name = |name: &&'a KnownName| NameMirror {
            name: &name.name,
            first_seen: name.first_seen.to_string(),
            last_seen: name.last_seen.to_string(),
        };
        Self {
            address: answer.address,
            at: answer.at.map(|at| at.to_string()),
            workload: answer.then().map(|then| then.workload.to_string()),
            inventory: answer.tenures.iter().map(tenure).collect(),
            seen: answer.seen.iter().map(seen).collect(),
            names: answer.names.iter().map(name).collect(),
        }
    }
}
