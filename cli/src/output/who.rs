//! Whose an address was, for a person and for a program.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use watershed_aggregator::Tenure;
use watershed_aggregator::inventory::{Derivation, LabelRules, Source};
use watershed_model::{KnownListener, KnownName, Labels, Party, Protocol, Snapshot, TimeRange, Timestamp};

use super::table::{Table, number, text};
use super::text::{count, plain, seconds};
use super::{drift, listeners};
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
    /// The inventory that was asked, as it is called: a file, or the store that kept it.
    pub(crate) inventory: Option<String>,
    /// Who had it, the longest prefix first.
    pub(crate) tenures: Vec<Tenure<'a>>,
    /// By what it is to be explained, if it is.
    pub(crate) why: Option<&'a LabelRules>,
    /// The store that was asked.
    pub(crate) store: Option<String>,
    pub(crate) seen: Vec<Seen>,
    /// Who listened on it.
    pub(crate) listeners: Vec<KnownListener>,
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
        self.at.and_then(|at| self.during(at).next())
    }

    /// Who had it at a time by any prefix and source, the one that counts first; no end is after every time.
    fn during(&self, at: Timestamp) -> impl Iterator<Item = &Tenure<'_>> {
        let ended = move |tenure: &&Tenure<'_>| tenure.until <= at && tenure.until < Timestamp::MAX;
        self.tenures.iter().filter(move |tenure| tenure.from <= at && !ended(tenure))
    }

    /// Writes it for a person.
    pub(crate) fn write(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        writeln!(out, "{}", style.bold(&self.address.to_string()))?;
        if let Some(place) = &self.inventory {
            self.inventory(out, place, style)?;
            if let Some(rules) = self.why {
                self.explain(rules, out)?;
            }
        }
        if let Some(store) = &self.store {
            self.store(out, store, style)?;
            listeners::write(&self.listeners, out, style)?;
        }
        Ok(())
    }

    fn inventory(&self, out: &mut impl Write, place: &str, style: Style) -> io::Result<()> {
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
            text("by", 10),
        ];
        let mut table = Table::new(&columns);
        for tenure in &self.tenures {
            table.row([
                if tenure.from == Timestamp::MIN { "always".to_owned() } else { seconds(tenure.from) },
                if tenure.until == Timestamp::MAX { "now".to_owned() } else { seconds(tenure.until) },
                tenure.workload.to_string(),
                drift::labels(&tenure.workload.labels),
                tenure.prefix.to_string(),
                source(tenure).to_owned(),
            ]);
        }
        writeln!(out, "\nInventory {}", plain(place))?;
        table.write(out, "  ", WIDTH, |header| style.dim(header))
    }

    /// Why it was whose it was at the time asked about, or is now.
    fn explain(&self, rules: &LabelRules, out: &mut impl Write) -> io::Result<()> {
        let mut tenures = self.during(self.at.unwrap_or(Timestamp::MAX));
        let Some(tenure) = tenures.next() else { return Ok(()) };
        writeln!(out, "\nWhy")?;
        let workload = plain(&tenure.workload.to_string()).into_owned();
        writeln!(out, "  {workload}: {} has it by {}", source(tenure), tenure.prefix)?;
        for other in tenures {
            let why = match other.source {
                None => "ranges are asked last",
                Some(_) if other.prefix == tenure.prefix => "which is asked later",
                Some(_) => "which is shorter",
            };
            let workload = other.workload.to_string();
            writeln!(out, "  not {}: {} has it by {}, {why}", plain(&workload), source(other), other.prefix)?;
        }
        for Derivation { label, value, reason } in rules.explain(tenure.workload) {
            match value {
                Some(value) => writeln!(out, "  {label}={}: {}", plain(value), plain(&reason.to_string()))?,
                None => writeln!(out, "  no {label}: {reason}")?,
            }
        }
        Ok(())
    }

    fn why_mirror(&self, rules: &LabelRules) -> Vec<WhyMirror> {
        let tenure = self.during(self.at.unwrap_or(Timestamp::MAX)).next();
        let labels = tenure.into_iter().flat_map(|tenure| rules.explain(tenure.workload));
        let mirror = |Derivation { label, value, reason }: Derivation<'_>| WhyMirror {
            label,
            value: value.map(str::to_owned),
            why: reason.to_string(),
        };
        labels.map(mirror).collect()
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

/// Who says so.
fn source(tenure: &Tenure<'_>) -> &'static str {
    tenure.source.map_or("ranges", Source::as_str)
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
    /// Why who has it, or had it at `at`, has its labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<WhyMirror>,
    inventory: Vec<TenureMirror<'a>>,
    seen: Vec<SeenMirror>,
    listening: Vec<listeners::Mirror<'a>>,
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
    source: &'static str,
}

/// Why a label is what it is.
#[derive(Serialize)]
struct WhyMirror {
    label: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    why: String,
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
            source: source(tenure),
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
            why: answer.why.map(|rules| answer.why_mirror(rules)).unwrap_or_default(),
            inventory: answer.tenures.iter().map(tenure).collect(),
            seen: answer.seen.iter().map(seen).collect(),
            listening: answer.listeners.iter().map(listeners::Mirror::of).collect(),
            names: answer.names.iter().map(name).collect(),
        }
    }
}
