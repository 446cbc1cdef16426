//! From the file to decisions. Every mistake is told with its place; one mistake fails the file, since a decision is
//! worth nothing as a guess.

use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::{Labels, Protocol};

use super::{Decision, Decisions, End, Exclusion, Manual, Said, check};
use crate::k8s::Problems;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{self, Node, Value};
use crate::{Allowed, Namespace, Service};

/// Entries that a list may have: more than anybody decides, few enough to try each of them on every edge.
const MOST: usize = 10_000;

/// The keys of an end.
const END: [&str; 4] = ["namespace", "labels", "name", "networks"];

impl Decisions {
    /// Reads the file; `name` is what problems call it. A file without any text decides nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(name: &str, text: &str) -> Result<Self, Problems> {
        let mut sheet = Sheet::new(name, "");
        let mut decisions = Self::default();
        let mut documents = Vec::new();
        for piece in yaml::pieces(text) {
            match piece.documents() {
                Ok(more) => documents.extend(more),
                Err((spot, message)) => sheet.problem(spot, message),
            }
        }
        if let [first, others @ ..] = documents.as_slice() {
            decisions.document(&mut sheet, first);
            for other in others {
                sheet.problem(other.spot, "the file must be one document; take out `---`");
            }
        }
        if sheet.problems.is_empty() { Ok(decisions) } else { Err(Problems::of("decisions", sheet.problems)) }
    }

    fn document(&mut self, sheet: &mut Sheet, node: &Node) {
        let fields = sheet.fields(node, "the file", &["version", "rules", "exclude", "allow"]);
        match fields.get("version").map(|node| (node, node.scalar())) {
            Some((_, Some("1"))) => {}
            Some((node, _)) => {
                let kind = node.kind();
                sheet.problem(
                    node.spot,
                    format!("`version` must be 1, found {kind}; this program knows no other"),
                );
            }
            None => sheet.problem(node.spot, "there is no `version`; write `version: 1` at the top"),
        }
        for node in list(sheet, fields, "rules") {
            self.said(sheet, node);
        }
        for node in list(sheet, fields, "exclude") {
            self.exclude.extend(exclusion(sheet, node));
        }
        for node in list(sheet, fields, "allow") {
            self.allow.extend(manual(sheet, node));
        }
    }

    fn said(&mut self, sheet: &mut Sheet, node: &Node) {
        let fields = sheet.fields(node, "an entry of rules", &["id", "decision", "by", "at", "comment"]);
        let Some(id) = fields.get("id") else {
            return sheet.problem(node.spot, "there is no `id`; take it from mined.json or rules.json");
        };
        let spot = id.spot;
        let Some(id) = sheet.text(id, "id") else { return };
        let decision = fields.get("decision").and_then(|node| match node.scalar() {
            Some("approved") => Some(Decision::Approved),
            Some("rejected") => Some(Decision::Rejected),
            _ => {
                let kind = node.kind();
                sheet.problem(node.spot, format!("`decision` must be approved or rejected, found {kind}"));
                None
            }
        });
        let at = fields.get("at").and_then(|node| {
            let time = sheet.text(node, "at")?;
            let parsed = time.parse();
            parsed.map_err(|why| sheet.problem(node.spot, format!("`{time}` is no time; {why}"))).ok()
        });
        let (by, comment) = (words(sheet, fields, "by"), words(sheet, fields, "comment"));
        let said = Said { decision, by, at, comment };
        if self.rules.contains_key(id) {
            sheet.problem(spot, format!("rule {id} was decided further up already; take one entry out"));
        } else if let Err(why) = check(id, &said) {
            // A decision that cannot be read is told already.
            if fields.get("decision").is_none() || decision.is_some() {
                sheet.problem(spot, why.to_string());
            }
        } else {
            self.rules.insert(id.to_owned(), said);
        }
    }
}

/// The entries of a list of the file.
fn list<'a>(sheet: &mut Sheet, fields: Fields<'a>, name: &str) -> &'a [Node<'a>] {
    let Some(node) = fields.get(name) else { return &[] };
    let items = sheet.list(node, name);
    if items.len() > MOST {
        let number = items.len();
        sheet.problem(
            node.spot,
            format!("`{name}` has {number} entries and may have {MOST}; say more with one of them"),
        );
        return &[];
    }
    items
}

/// A text that may be left out.
fn words(sheet: &mut Sheet, fields: Fields<'_>, name: &str) -> Option<String> {
    fields.get(name).and_then(|node| sheet.text(node, name)).map(str::to_owned)
}

fn exclusion(sheet: &mut Sheet, node: &Node) -> Option<Exclusion> {
    let fields = sheet.fields(node, "an entry of exclude", &["client", "server", "ports", "comment"]);
    let comment = words(sheet, fields, "comment");
    let ports = allowed(sheet, fields)?;
    let mut side = |name| match fields.get(name) {
        None => Some(None),
        Some(node) => end(sheet, node, name).map(Some),
    };
    let (client, server) = (side("client"), side("server"));
    let (client, server) = (client?, server?);
    if client.is_none() && server.is_none() {
        sheet.problem(
            node.spot,
            "an exclusion of everybody would leave no rule; give `client`, `server` or both",
        );
        return None;
    }
    Some(Exclusion { client, server, ports, comment })
}

fn manual(sheet: &mut Sheet, node: &Node) -> Option<Manual> {
    let fields = sheet.fields(node, "an entry of allow", &["client", "server", "ports", "comment"]);
    let comment = words(sheet, fields, "comment");
    let ports = allowed(sheet, fields)?;
    if ports.is_empty() {
        sheet.problem(
            node.spot,
            "there are no `ports`; write for example `ports: [tcp/443]`, or `ports: [anything]`",
        );
        return None;
    }
    let mut side = |name| {
        let Some(at) = fields.get(name) else {
            sheet.problem(node.spot, format!("there is no `{name}`; a rule names both of its ends"));
            return None;
        };
        let end = end(sheet, at, name)?;
        if let End::Named { namespace: Some(namespace), .. } = &end {
            let message = format!(
                "a rule selects the workloads of {namespace} by labels and not by name; write `{name}: {{namespace: {namespace}, labels: {{...}}}}`"
            );
            sheet.problem(at.spot, message);
            return None;
        }
        Some(end)
    };
    let (client, server) = (side("client"), side("server"));
    let (client, server) = (client?, server?);
    if let (End::Networks(_), End::Networks(_)) = (&client, &server) {
        sheet.problem(
            node.spot,
            "both ends are networks, so no rule can be for either; give one by labels or by name",
        );
        return None;
    }
    Some(Manual { client, server, ports, comment })
}

fn end(sheet: &mut Sheet, node: &Node, what: &str) -> Option<End> {
    if !matches!(node.value, Value::Map(_)) {
        let kind = node.kind();
        let message = format!(
            "`{what}` must be a mapping, found {kind}; write `{{namespace: shop, labels: {{app: web}}}}`, `{{name: db1}}` or `{{networks: [10.0.0.0/8]}}`"
        );
        sheet.problem(node.spot, message);
        return None;
    }
    let fields = sheet.fields(node, what, &END);
    let namespace = words(sheet, fields, "namespace");
    match (fields.get("labels"), fields.get("name"), fields.get("networks")) {
        (None, None, Some(list)) if namespace.is_none() => networks(sheet, list),
        (None, Some(name), None) => {
            let text = sheet.text(name, "name")?.to_owned();
            if text.is_empty() || namespace.as_deref() == Some("*") {
                sheet.problem(
                    name.spot,
                    "one workload is meant by its `namespace` and `name`; give both, or `labels` for several",
                );
                return None;
            }
            Some(End::Named { namespace, name: text })
        }
        (labels, None, None) if labels.is_some() || namespace.is_some() => {
            let namespace = match namespace {
                None => Namespace::Hosts,
                Some(every) if every == "*" => Namespace::Every,
                Some(name) => Namespace::One(name),
            };
            let mut all = Labels::new();
            for (key, value) in labels.map_or(&[][..], |labels| sheet.entries(labels, "labels")) {
                all.insert(key.name.to_string(), sheet.text(value, &key.name)?.to_owned());
            }
            Some(End::Workloads { namespace, labels: all })
        }
        _ => {
            let message = format!(
                "`{what}` must be one of: `namespace` and `labels`; `name`, with `namespace` for a workload in one; `networks`"
            );
            sheet.problem(node.spot, message);
            None
        }
    }
}

fn networks(sheet: &mut Sheet, node: &Node) -> Option<End> {
    let mut networks = Vec::new();
    for item in sheet.list(node, "networks") {
        let text = sheet.text(item, "networks")?;
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match parsed {
            Ok(network) if network.trunc() == network => networks.push(network),
            Ok(network) => {
                let (trunc, address) = (network.trunc(), network.addr());
                sheet.problem(
                    item.spot,
                    format!("`{text}` has bits of a host; write {trunc} for the network or {address} for the address"),
                );
                return None;
            }
            Err(_) => {
                sheet.problem(
                    item.spot,
                    format!("`{text}` is neither an address nor a network; write 10.0.0.1 or 10.0.0.0/8"),
                );
                return None;
            }
        }
    }
    if networks.is_empty() {
        sheet.problem(node.spot, "`networks` is empty; write for example `networks: [10.0.0.0/8]`");
        return None;
    }
    Some(End::Networks(networks))
}

/// The ports of an entry; none where they are left out.
fn allowed(sheet: &mut Sheet, fields: Fields<'_>) -> Option<Vec<Allowed>> {
    let Some(node) = fields.get("ports") else { return Some(Vec::new()) };
    let items = sheet.list(node, "ports");
    if items.is_empty() {
        sheet.problem(node.spot, "`ports` names none; write for example `ports: [tcp/443]`");
        return None;
    }
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let text = sheet.text(item, "ports")?;
        let Some(one) = port(text) else {
            let message = format!(
                "`{text}` is no port; write tcp/443, udp/5000-5010, icmp/8 (a type), a protocol without ports such as esp, or anything"
            );
            sheet.problem(item.spot, message);
            return None;
        };
        all.push(one);
    }
    all.sort();
    all.dedup();
    Some(all)
}

/// What [`Allowed`] displays, read back.
pub(crate) fn port(text: &str) -> Option<Allowed> {
    if text == "anything" {
        return Some(Allowed::Anything);
    }
    let Some((protocol, number)) = text.split_once('/') else {
        let protocol = Protocol::parse(text).filter(|one| !one.has_ports() && !one.is_icmp())?;
        return Some(Allowed::Service(Service::Protocol(protocol)));
    };
    let protocol = Protocol::parse(protocol)?;
    let plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    if protocol.is_icmp() {
        return Service::new(protocol, plain(number)?).map(Allowed::Service);
    }
    let (first, last) = number.split_once('-').unwrap_or((number, number));
    let (first, last) = (plain(first)?, plain(last)?);
    (protocol.has_ports() && first <= last && first > 0).then_some(Allowed::Ports(protocol, first, last))
}
