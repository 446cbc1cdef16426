//! The graph for other tools. Names come from the wire, so every format escapes them.

use std::fmt;

use watershed_model::{Edge, Party};

use crate::graph::UniqueIds;
use crate::{Graph, Node, Service};

pub mod json;

mod dot;

mod graphml;

mod mermaid;

/// A format that a graph can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Everything, for programs: see [`json`].
    Json,
    /// Graphviz: accepted edges, and dashed those that need a person.
    Dot,
    /// GraphML: all nodes and edges with their main figures, for Gephi, yEd, networkx.
    GraphMl,
    /// Mermaid flowchart: as DOT, for Markdown; at most as many arrows as Mermaid draws.
    Mermaid,
}

impl Format {
    /// Every format, in declaration order.
    pub const ALL: [Self; 4] = [Self::Json, Self::Dot, Self::GraphMl, Self::Mermaid];

    /// Its name, which is also the customary file extension but for Mermaid's `mmd`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Dot => "dot",
            Self::GraphMl => "graphml",
            Self::Mermaid => "mermaid",
        }
    }

    /// The customary file extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mermaid => "mmd",
            other => other.as_str(),
        }
    }

    /// Writes the graph; ends with a newline.
    ///
    /// # Errors
    ///
    /// Only what `out` itself reports.
    pub fn write(self, graph: &Graph<'_>, out: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Json => json::write(graph, out),
            Self::Dot => dot::write(graph, out),
            Self::GraphMl => graphml::write(graph, out),
            Self::Mermaid => mermaid::write(graph, out),
        }
    }

    /// The graph as text.
    #[must_use]
    pub fn render(self, graph: &Graph<'_>) -> String {
        let mut text = String::new();
        self.write(graph, &mut text).expect("writing to a string does not fail");
        text
    }
}

/// Identifiers of letters, digits and `_` that start with `n_`, by index of node: safe in every format,
/// and the same from run to run as long as the names are.
fn safe_ids(graph: &Graph<'_>) -> Vec<String> {
    let mut ids = UniqueIds::default();
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    graph
        .nodes()
        .map(|node| ids.unique(&format!("n_{}", node.id.chars().map(safe).collect::<String>()), '_'))
        .collect()
}

/// What to write on a node: its id, and for an address its first name and how many more it has.
fn node_label(node: &Node) -> String {
    match (&node.party, node.names.first()) {
        (Party::Address(_), Some(name)) if node.names.len() > 1 => {
            format!("{} ({name}, {} more)", node.id, node.names.len() - 1)
        }
        (Party::Address(_), Some(name)) => format!("{} ({name})", node.id),
        _ => node.id.clone(),
    }
}

/// The services between two nodes that are worth an arrow, gathered into one.
struct Arrow {
    client: usize,
    server: usize,
    /// All of its edges need a person.
    doubtful: bool,
    /// Answered connections.
    connections: u64,
    label: String,
}

/// So many services fit on an arrow; the rest are counted.
const MAX_LABEL_SERVICES: usize = 4;

/// Accepted edges and edges that need a person, one arrow for each pair of nodes and kind, in order.
fn arrows(graph: &Graph<'_>) -> Vec<Arrow> {
    use crate::Verdict::{Accepted, NeedsPerson};
    let drawn = |verdict| matches!(verdict, Accepted | NeedsPerson(_));
    let links: Vec<_> = graph.links().filter(|(_, _, link)| drawn(link.verdict)).collect();

    let mut arrows = Vec::new();
    for between in links.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        for doubtful in [false, true] {
            let of_kind = between.iter().filter(|(_, _, link)| (link.verdict != Accepted) == doubtful);
            let edges: Vec<_> = of_kind.map(|(_, _, link)| &*link.edge).collect();
            if edges.is_empty() {
                continue;
            }
            let mut labels: Vec<_> =
                edges.iter().take(MAX_LABEL_SERVICES).map(|edge| service_label(edge)).collect();
            if edges.len() > MAX_LABEL_SERVICES {
                labels.push(format!("{} more", edges.len() - MAX_LABEL_SERVICES));
            }
            arrows.push(Arrow {
                client: between[0].0,
                server: between[0].1,
                doubtful,
                connections: edges.iter().map(|edge| edge.answered).sum(),
                label: labels.join(", "),
            });
        }
    }
    arrows
}

/// `tcp/5432 postgresql`.
fn service_label(edge: &Edge) -> String {
    let service = Service { protocol: edge.key.protocol, port: edge.key.port };
    match service.name() {
        Some(name) => format!("{service} {name}"),
        None => service.to_string(),
    }
}

/// Which nodes have an arrow.
fn drawn_nodes(graph: &Graph<'_>, arrows: &[Arrow]) -> Vec<bool> {
    let mut drawn = vec![false; graph.nodes().count()];
    for arrow in arrows {
        drawn[arrow.client] = true;
        drawn[arrow.server] = true;
    }
    drawn
}

#[cfg(test)]
mod tests;
