//! Proposals as an inventory file: YAML, an entry for each node, to be edited and fed back.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use watershed_model::{Labels, WorkloadKind};

use super::{Guess, LABELS, Proposals};
use crate::{Graph, Node};

const HEAD: &str = "\
# Proposed by watershed from what was observed. Edit what is wrong, then use it as inventory.
# A comment behind an entry says what was guessed and how well it fits, from 0 to 1; labels without a guess
# are those that the inventory has already. A label of the inventory is never changed.
";

impl Proposals {
    /// Writes an inventory file with an entry for every internal host for which something is proposed.
    /// Networks of the inventory are left out: a group is of hosts.
    #[must_use]
    pub fn to_yaml(&self, graph: &Graph<'_>) -> String {
        let mut text = HEAD.to_owned();
        let nodes: Vec<&Node> = graph.nodes().collect();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        nodes.iter().flat_map(|node| &node.names).for_each(|name| *known.entry(name).or_default() += 1);
        for proposal in &self.0 {
            let node = nodes[proposal.node];
            let is_network = node.party.workload().is_some_and(|w| w.kind == WorkloadKind::Network);
            if is_network || node.addresses.is_empty() {
                continue;
            }
            let role = proposal
                .role
                .as_ref()
                .map(|role| Guess { value: role.value.as_str().to_owned(), score: role.score });
            let guesses = [(LABELS.0, proposal.app.as_ref()), (LABELS.1, role.as_ref())];
            // An address is called by what DNS says, if that is one name and of no other address.
            let name = match (node.party.workload(), node.names.len(), node.names.first()) {
                (Some(workload), ..) => workload.name.as_str(),
                (None, 1, Some(name)) if known.get(&**name) == Some(&1) => name,
                _ => node.id.as_str(),
            };
            write_entry(&mut text, node, name, &guesses).expect("writing to a string does not fail");
        }
        text
    }
}

fn write_entry(
    out: &mut String,
    node: &Node,
    name: &str,
    guesses: &[(&str, Option<&Guess<String>>)],
) -> fmt::Result {
    let workload = node.party.workload();
    let mut labels: Labels = workload.map(|workload| workload.labels.clone()).unwrap_or_default();
    let mut guessed = Vec::new();
    for (label, guess) in guesses {
        if let Some(guess) = guess.filter(|_| !labels.contains_key(*label)) {
            labels.insert((*label).to_owned(), guess.value.clone());
            guessed.push(format!("{label} {:.2}", guess.score));
        }
    }
    if guessed.is_empty() {
        return Ok(());
    }
    let addresses: Vec<String> = node.addresses.iter().map(|a| quoted(&a.to_string())).collect();
    writeln!(out, "- addresses: [{}]  # {}", addresses.join(", "), guessed.join(", "))?;
    writeln!(out, "  name: {}", quoted(name))?;
    if let Some(namespace) = workload.and_then(|workload| workload.namespace.as_deref()) {
        writeln!(out, "  namespace: {}", quoted(namespace))?;
    }
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
    writeln!(out, "  labels: {{{}}}", labels.join(", "))
}

/// A double-quoted scalar, which for this text is the same in YAML and JSON (YAML 1.2 section 1.3).
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}
