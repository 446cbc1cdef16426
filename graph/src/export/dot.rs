//! DOT, for Graphviz: <https://graphviz.org/doc/info/lang.html>.

use std::fmt::{self, Write};

use super::{arrows, drawn_nodes, node_label, safe_ids};
use crate::{Graph, Scope};

/// Clients left, servers right; public nodes are ellipses, doubtful arrows dashed.
pub(super) fn write(graph: &Graph<'_>, out: &mut impl Write) -> fmt::Result {
    let (ids, arrows) = (safe_ids(graph), arrows(graph));
    let drawn = drawn_nodes(graph, &arrows);

    writeln!(out, "digraph watershed {{\n  rankdir=LR;\n  node [shape=box];")?;
    for ((node, id), _) in graph.nodes().zip(&ids).zip(drawn).filter(|(_, drawn)| *drawn) {
        let shape = if node.scope == Scope::Internal { "" } else { ", shape=ellipse" };
        writeln!(out, "  {id} [label=\"{}\"{shape}];", Escaped(&node_label(node)))?;
    }
    for arrow in &arrows {
        let style = if arrow.doubtful { ", style=dashed" } else { "" };
        let (client, server) = (&ids[arrow.client], &ids[arrow.server]);
        writeln!(out, "  {client} -> {server} [label=\"{}\"{style}];", Escaped(&arrow.label))?;
    }
    writeln!(out, "}}")
}

/// Text between quotes: Graphviz reads backslash sequences and HTML entities there.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '&' => f.write_str("&amp;"),
            c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER),
            c => f.write_char(c),
        })
    }
}
