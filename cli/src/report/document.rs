//! The document that the page reads, in a report or from a server. `docs/formats.md` describes it.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use watershed_graph::{Graph, Service, Verdict, json};
use watershed_model::{ConnState, Hour, KnownListener, LossEntry, Party, Snapshot};
use watershed_policy::RuleSet;
use watershed_policy::confidence::{ConfidenceConfig, assess};
use watershed_policy::proof::Certificate;

use super::confidence::ConfidenceJson;
use super::edges::{COLUMNS, Row, Tables, milliseconds};
use super::levels::Level;
use super::mined::{self, LeftOut};
use super::reach::ReachJson;
use crate::output::listeners;
use crate::settings::Settings;

/// Goes up when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// What a document is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Where it comes from: the captures' names, or the store.
    pub(crate) source: &'a str,
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) rules: &'a RuleSet,
    pub(crate) certificate: &'a Certificate,
    /// What the graph was made of.
    pub(crate) snapshot: &'a Snapshot,
    /// What is worth most, and how sure is sure enough.
    pub(crate) settings: &'a Settings,
}

/// Everything the page shows.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    subject: Subject<'a>,
    ids: BTreeMap<&'a Party, &'a str>,
    first_hour: Hour,
    tables: Tables<'a>,
    edges: Vec<Row<'a>>,
    levels: Vec<Level>,
    left_out: Vec<LeftOut>,
    confidence: ConfidenceJson,
    reach: Option<ReachJson>,
    /// Who listened on the addresses of the nodes.
    listeners: Vec<KnownListener>,
}

impl<'a> Document<'a> {
    /// The document of what was found in a period.
    ///
    /// # Errors
    /// Those of mining, which an accepted edge causes that nobody answered.
    pub(crate) fn of(subject: Subject<'a>) -> Result<Self, watershed_policy::Error> {
        let Subject { graph, rules, certificate, snapshot, settings, .. } = subject;
        let first_hour = first_hour(graph);
        let ids = graph.nodes().map(|node| (&node.party, node.id.as_str())).collect();
        let nodes: Vec<&Party> = graph.nodes().map(|node| &node.party).collect();
        // Every end of an edge is a node, and nodes are in order of their parties.
        let node = |party: &Party| nodes.binary_search(&party).unwrap_or_default();
        let mut tables = Tables::default();
        let edges = graph.edges().zip(graph.directions()).map(|((edge, &verdict), direction)| {
            let nodes = [node(&edge.key.client), node(&edge.key.server)];
            tables.row(edge, (verdict, direction), nodes, first_hour)
        });
        let edges = edges.collect();
        let (mined, left_out) = mined::levels(graph)?;
        let mut levels = vec![Level::exact(graph, rules, certificate)];
        levels.extend(mined);
        let config = ConfidenceConfig { ready: settings.ready, ..ConfidenceConfig::default() };
        Ok(Self {
            subject,
            ids,
            first_hour,
            tables,
            edges,
            levels,
            left_out,
            confidence: ConfidenceJson::of(&assess(snapshot, graph.accepted(), &config), &config.ready),
            listeners: listeners(graph, snapshot),
            reach: ReachJson::of(graph, rules, &settings.crown_jewels),
        })
    }

    /// The ids of the rules of every level.
    pub(crate) fn rule_ids(&self) -> impl Iterator<Item = String> {
        self.levels.iter().flat_map(Level::rule_ids)
    }

    /// What to call a party: its node's id, or itself where it is none, as a scanner within a network.
    fn id(&self, party: &Party) -> String {
        self.ids.get(party).map_or_else(|| party.to_string(), |&id| id.to_owned())
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { subject: Subject { source, graph, .. }, tables, .. } = self;
        let id = |party: &Party| self.id(party);
        let mut document = serializer.serialize_struct("Document", 27)?;
        document.serialize_field("schema_version", &SCHEMA_VERSION)?;
        document.serialize_field("version", env!("CARGO_PKG_VERSION"))?;
        document.serialize_field("source", source)?;
        document.serialize_field("period", &json::period(graph.period()))?;
        document.serialize_field("first_hour", &milliseconds(self.first_hour.start()))?;
        document.serialize_field("counters", &json::counters(graph.counters()))?;
        let loss: Vec<_> = graph.loss().iter().map(|entry| self.loss(entry)).collect();
        document.serialize_field("loss", &loss)?;
        let nodes: Vec<_> = graph.nodes().map(json::node).collect();
        document.serialize_field("nodes", &nodes)?;
        let services: Vec<_> =
            tables.services.values().iter().map(|&service| ServiceJson::from(service)).collect();
        document.serialize_field("services", &services)?;
        let verdicts: Vec<_> =
            tables.verdicts.values().iter().map(|&verdict| VerdictJson::from(verdict)).collect();
        document.serialize_field("verdicts", &verdicts)?;
        document.serialize_field("states", &ConnState::ALL.map(ConnState::as_str))?;
        document.serialize_field("evidence", &tables.evidence)?;
        document.serialize_field("names", &tables.names)?;
        document.serialize_field("addresses", &tables.addresses)?;
        document.serialize_field("agents", &tables.agents)?;
        document.serialize_field("edge_columns", &COLUMNS)?;
        document.serialize_field("edges", &self.edges)?;
        let shared = graph.shared_services().iter().map(|s| json::shared_service(id(&s.party), s));
        document.serialize_field("shared_services", &shared.collect::<Vec<_>>())?;
        let exposed = graph.exposed().iter().map(|e| json::exposure(id(&e.party), e));
        document.serialize_field("exposed", &exposed.collect::<Vec<_>>())?;
        let egress = graph.egress().iter().map(|e| json::exposure(id(&e.party), e));
        document.serialize_field("egress", &egress.collect::<Vec<_>>())?;
        let scans = graph.scans().iter().map(|scan| json::scan(id, scan));
        document.serialize_field("scans", &scans.collect::<Vec<_>>())?;
        document.serialize_field("levels", &self.levels)?;
        document.serialize_field("levels_left_out", &self.left_out)?;
        document.serialize_field("confidence", &self.confidence)?;
        document.serialize_field("reach", &self.reach)?;
        let listening: Vec<_> = self.listeners.iter().map(listeners::Mirror::of).collect();
        document.serialize_field("listening", &listening)?;
        document.end()
    }
}

impl Document<'_> {
    fn loss<'b>(&self, entry: &'b LossEntry) -> LossJson<'b> {
        let LossEntry { agent, hour, loss, count } = entry;
        let hour = hour.0.saturating_sub(self.first_hour.0);
        LossJson { agent: &agent.0, hour, what: loss.describe(), count: *count }
    }
}

/// Who listened on the addresses that are seen; of others the map says nothing.
fn listeners(graph: &Graph<'_>, snapshot: &Snapshot) -> Vec<KnownListener> {
    let seen: HashSet<IpAddr> = graph.nodes().flat_map(|node| node.addresses.iter().copied()).collect();
    listeners::of(|address| seen.contains(&address), None, &snapshot.listeners)
}

/// The earliest hour of which the document says anything: hours are counted from it.
fn first_hour(graph: &Graph<'_>) -> Hour {
    let edges = graph.edges().filter_map(|(edge, _)| edge.hours.first().copied());
    let losses = graph.loss().iter().map(|entry| entry.hour);
    edges.chain(losses).min().unwrap_or_else(|| Hour::of(graph.period().start))
}

#[derive(Serialize)]
struct LossJson<'a> {
    agent: &'a str,
    hour: i64,
    what: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct ServiceJson {
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    port: u16,
}

impl From<Service> for ServiceJson {
    fn from(service: Service) -> Self {
        Self { service: service.to_string(), name: service.name(), port: service.port }
    }
}

#[derive(Serialize)]
struct VerdictJson {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubt: Option<&'static str>,
    text: &'static str,
}

impl From<Verdict> for VerdictJson {
    fn from(verdict: Verdict) -> Self {
        let doubt = if let Verdict::NeedsPerson(doubt) = verdict { Some(doubt.as_str()) } else { None };
        Self { verdict: verdict.as_str(), doubt, text: verdict.describe() }
    }
}
