//! What the entries of an inventory file amount to together, and what is wrong between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Labels, NoTimestamp, Protocol, Timestamp, Workload, WorkloadKind};

use super::super::entry::{RawEntry, RawFile, Text, port, prefix};
use super::super::fronts::{Backend, Front, FrontChange};
use super::super::table::PrefixTable;
use super::super::timeline::{Point, Span, Timeline};
use super::{FileInventory, Overlap};
use crate::Change;
use crate::inventory::Source;

/// Checks entries against each other.
pub(super) struct Builder {
    pub(super) raw: RawFile,
    members: Vec<Member>,
    /// Indices in `members` by namespace and name: several when a workload's labels changed over time.
    by_name: BTreeMap<(Option<String>, String), Vec<usize>>,
    prefixes: Vec<Prefix>,
    /// From prefix to index in `prefixes`.
    table: PrefixTable,
    declared: BTreeSet<Front>,
}

/// A workload to be.
struct Member {
    line: usize,
    namespace: Option<String>,
    name: String,
    labels: Labels,
    is_network: bool,
    /// When its entries hold.
    valid: Vec<Validity>,
}

struct Prefix {
    net: IpNet,
    line: usize,
    member: usize,
    owners: Timeline,
    /// The line of each owner's entry.
    lines: BTreeMap<Timestamp, usize>,
}

/// From when on an entry holds, and up to when.
#[derive(Clone, Copy)]
struct Validity {
    from: Timestamp,
    until: Timestamp,
}

impl Validity {
    const fn is_always(self) -> bool {
        self.from.as_nanos() == i64::MIN && self.until.as_nanos() == i64::MAX
    }

    const fn overlaps(self, other: Self) -> bool {
        self.from.as_nanos() < other.until.as_nanos() && other.from.as_nanos() < self.until.as_nanos()
    }
}

impl Builder {
    pub(super) fn new(mut raw: RawFile) -> Self {
        let entries = std::mem::take(&mut raw.entries);
        let mut builder = Self {
            raw,
            members: Vec::new(),
            by_name: BTreeMap::new(),
            prefixes: Vec::new(),
            table: PrefixTable::default(),
            declared: BTreeSet::new(),
        };
        entries.iter().for_each(|entry| builder.add(entry));
        builder
    }

    fn add(&mut self, entry: &RawEntry) {
        let Some(name) = &entry.name else {
            return self.raw.problem(entry.place, "this entry has no name; add one, such as `web1`");
        };
        if entry.addresses.is_empty() {
            let message =
                format!("`{}` has no address; add one, such as 192.0.2.1 or 192.0.2.0/24", name.value);
            self.raw.problem(entry.place, message);
        }
        let valid = self.validity(entry);
        let member = self.member(entry, name, valid);
        let ports = self.ports(entry);
        for address in &entry.addresses {
            match prefix(&address.value) {
                Ok(net) => {
                    self.assign(net, address, member, valid);
                    self.declare(net, address, &ports);
                }
                Err(message) => self.raw.problem(address.place, message),
            }
        }
    }

    /// What the entry says is offered.
    fn ports(&mut self, entry: &RawEntry) -> Vec<(Protocol, u16)> {
        let mut ports = Vec::new();
        for text in &entry.ports {
            match port(&text.value) {
                Ok(port) => ports.push(port),
                Err(message) => self.raw.problem(text.place, message),
            }
        }
        ports
    }

    /// Notes what is offered at an address.
    fn declare(&mut self, net: IpNet, address: &Text, ports: &[(Protocol, u16)]) {
        if net.prefix_len() < net.max_prefix_len() && !ports.is_empty() {
            let message = format!(
                "`{}` is a network, of which no ports can be declared; give its hosts entries of their own, or take `ports` out",
                address.value
            );
            return self.raw.problem(address.place, message);
        }
        let fronts = ports.iter().map(|&(protocol, port)| Front::Address(net.addr(), protocol, port));
        self.declared.extend(fronts);
    }

    /// When the entry holds; always where that is not said, or not to be read.
    fn validity(&mut self, entry: &RawEntry) -> Validity {
        let mut time = |text: &Option<Text>, otherwise| {
            let Some(text) = text else { return otherwise };
            text.value.parse().unwrap_or_else(|problem: NoTimestamp| {
                self.raw.problem(text.place, format!("`{}` is no time; {problem}", text.value));
                otherwise
            })
        };
        let from = time(&entry.valid_from, Timestamp::MIN);
        let until = time(&entry.valid_to, Timestamp::MAX);
        match &entry.valid_to {
            Some(text) if until <= from => {
                let message =
                    format!("it ends at {until}, not after it starts at {from}; swap the two, or mend one");
                self.raw.problem(text.place, message);
                Validity { from, until: Timestamp::MAX }
            }
            _ => Validity { from, until },
        }
    }

    /// The index of the workload that the entry is about.
    fn member(&mut self, entry: &RawEntry, name: &Text, valid: Validity) -> usize {
        let namespace = entry.namespace.as_ref().map(|text| text.value.clone());
        let known = self.by_name.entry((namespace.clone(), name.value.clone())).or_default();
        let members = &mut self.members;
        if let Some(&same) = known.iter().find(|&&member| members[member].labels == entry.labels) {
            members[same].valid.push(valid);
            return same;
        }
        let at_once = |&member: &usize| members[member].valid.iter().any(|other| other.overlaps(valid));
        if let Some(&other) = known.iter().find(|member| at_once(member)) {
            let message = format!(
                "`{}` has other labels here than in line {}; give both the same labels, or different names",
                name.value, members[other].line
            );
            self.raw.problem(name.place, message);
        }
        known.push(members.len());
        members.push(Member {
            line: entry.place.line,
            namespace,
            name: name.value.clone(),
            labels: entry.labels.clone(),
            is_network: false,
            valid: vec![valid],
        });
        members.len() - 1
    }

    fn assign(&mut self, net: IpNet, address: &Text, member: usize, valid: Validity) {
        self.members[member].is_network |= net.prefix_len() < net.max_prefix_len();
        let line = address.place.line;
        let index = self.table.insert(net, self.prefixes.len() as u32).unwrap_or_else(|| {
            let (owners, lines) = (Timeline::default(), BTreeMap::new());
            self.prefixes.push(Prefix { net, line, member, owners, lines });
            self.prefixes.len() as u32 - 1
        });
        let prefix = &mut self.prefixes[index as usize];
        let span = Span { from: valid.from, until: valid.until, owner: member as u32 };
        let Err(earlier) = prefix.owners.insert(span) else {
            prefix.lines.insert(span.from, line);
            return;
        };
        let earlier_line = prefix.lines.get(&earlier.from).copied().unwrap_or(prefix.line);
        let within = earlier.from <= span.from && span.until <= earlier.until;
        let (name, other) = (&self.members[member].name, &self.members[earlier.owner as usize].name);
        let timed = if valid.is_always() { "" } else { ", or let them hold one after the other" };
        let message = match earlier.owner == span.owner {
            true if within => return,
            true => format!(
                "{} is `{name}` in line {earlier_line} for part of this time; make it one entry",
                address.value
            ),
            false => format!(
                "{} is `{name}` here and `{other}` in line {earlier_line}; keep one of them{timed}",
                address.value
            ),
        };
        self.raw.problem(address.place, message);
    }

    /// The inventory, once there is no problem.
    pub(super) fn finish(self) -> FileInventory {
        let Self { members, prefixes, table, declared, .. } = self;
        let outer = |inner: &Prefix| {
            let (_, outer) = table.longest_below(inner.net.addr(), inner.net.prefix_len())?;
            prefixes.get(outer as usize).filter(|outer| outer.member != inner.member)
        };
        let mut overlaps: Vec<Overlap> = prefixes
            .iter()
            .filter_map(|inner| outer(inner).map(|outer| (inner, outer)))
            .map(|(inner, outer)| Overlap {
                line: inner.line,
                inner: inner.net,
                inner_name: members[inner.member].name.clone(),
                outer_line: outer.line,
                outer: outer.net,
                outer_name: members[outer.member].name.clone(),
            })
            .collect();
        overlaps.sort();

        let workload = |member: Member| {
            let kind = if member.is_network { WorkloadKind::Network } else { WorkloadKind::Host };
            Arc::new(Workload { kind, name: member.name, namespace: member.namespace, labels: member.labels })
        };
        let workloads: Vec<Arc<Workload>> = members.into_iter().map(workload).collect();
        let change = |prefix: IpNet, point: &Point| {
            let workload = point.owner.map(|owner| Arc::clone(&workloads[owner as usize]));
            Change { at: point.from, prefix, workload }
        };
        let changes =
            prefixes.iter().flat_map(|p| p.owners.points().iter().map(move |point| change(p.net, point)));
        FileInventory { history: changes.collect(), overlaps, declared: declare(declared) }
    }
}

/// That whoever has these addresses offers something on these ports, at all times.
fn declare(fronts: BTreeSet<Front>) -> Vec<FrontChange> {
    let change = |front: Front| {
        let number = match front {
            Front::Address(_, _, port) | Front::EveryNode(_, port) => port,
        };
        let backend = Some(Arc::new(Backend::declared(Source::File, number)));
        FrontChange { at: Timestamp::MIN, front, backend }
    };
    fronts.into_iter().map(change).collect()
}
