//! Mermaid flowcharts: <https://mermaid.js.org/syntax/flowchart.html>.

use std::cmp::Reverse;
use std::fmt::{self, Write};

use super::{arrows, drawn_nodes, node_label, safe_ids};
use crate::{Graph, Scope};

/// Mermaid refuses to draw more arrows than this (`maxEdges` = 500 by default).
const MAX_ARROWS: usize = 500;

/// Clients left, servers right; public nodes are rounded, doubtful arrows dotted. Of too many arrows those
/// with the most answered connections are drawn, and a comment says how many are not.
pub(super) fn write(graph: &Graph<'_>, out: &mut impl Write) -> fmt::Result {
    let (ids, mut arrows) = (safe_ids(graph), arrows(graph));
    let left_out = arrows.len().saturating_sub(MAX_ARROWS);
    if left_out > 0 {
        arrows.sort_by_key(|arrow| (Reverse(arrow.connections), arrow.client, arrow.server, arrow.doubtful));
        arrows.truncate(MAX_ARROWS);
        arrows.sort_by_key(|arrow| (arrow.client, arrow.server, arrow.doubtful));
    }
    let drawn = drawn_nodes(graph, &arrows);

    writeln!(out, "flowchart LR")?;
    if left_out > 0 {
        writeln!(out, "  %% {left_out} arrows with fewer connections are left out")?;
    }
    for ((node, id), _) in graph.nodes().zip(&ids).zip(drawn).filter(|(_, drawn)| *drawn) {
        let (open, close) = if node.scope == Scope::Internal { ("[", "]") } else { ("(", ")") };
        writeln!(out, "  {id}{open}\"{}\"{close}", Escaped(&node_label(node)))?;
    }
    for arrow in &arrows {
        let line = if arrow.doubtful { "-.->" } else { "-->" };
        let (client, server) = (&ids[arrow.client], &ids[arrow.server]);
        writeln!(out, "  {client} {line}|\"{}\"| {server}", Escaped(&arrow.label))?;
    }
    Ok(())
}

/// Text between quotes: whatever could mean something to Mermaid, Markdown or HTML is written as `#code;`.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            ' ' | ',' | '-' | '.' | '/' | ':' | '_' | '(' | ')' => f.write_char(c),
            c if c.is_alphanumeric() => f.write_char(c),
            c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER),
            c => write!(f, "#{};", u32::from(c)),
        })
    }
}
