//! GraphML: <http://graphml.graphdrawing.org/primer/graphml-primer.html>.

use std::fmt::{self, Display, Write};

use super::safe_ids;
use crate::graph::Link;
use crate::{Graph, Node, service_name};

/// Attributes of nodes: name and GraphML type, in the order in which [`write_node`] gives their values.
const NODE_KEYS: [(&str, &str); 8] = [
    ("label", "string"),
    ("addresses", "string"),
    ("names", "string"),
    ("scope", "string"),
    ("role", "string"),
    ("tier", "int"),
    ("dependants", "int"),
    ("dependencies", "int"),
];

/// Attributes of edges, in the order in which [`write_edge`] gives their values.
const EDGE_KEYS: [(&str, &str); 15] = [
    ("protocol", "string"),
    ("port", "int"),
    ("service", "string"),
    ("verdict", "string"),
    ("direction", "double"),
    ("connections", "long"),
    ("answered", "long"),
    ("packets_to_server", "long"),
    ("packets_to_client", "long"),
    ("bytes_to_server", "long"),
    ("bytes_to_client", "long"),
    ("first_seen", "string"),
    ("last_seen", "string"),
    ("names", "string"),
    ("why", "string"),
];

/// All nodes and all edges, whatever their verdict.
pub(super) fn write(graph: &Graph<'_>, out: &mut impl Write) -> fmt::Result {
    let ids = safe_ids(graph);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">")?;
    write_keys(out, "node", &NODE_KEYS)?;
    write_keys(out, "edge", &EDGE_KEYS)?;
    writeln!(out, "  <graph id=\"watershed\" edgedefault=\"directed\">")?;
    for (node, id) in graph.nodes().zip(&ids) {
        writeln!(out, "    <node id=\"{id}\">")?;
        write_node(out, node)?;
        writeln!(out, "    </node>")?;
    }
    for (client, server, link) in graph.links() {
        writeln!(out, "    <edge source=\"{}\" target=\"{}\">", ids[client], ids[server])?;
        write_edge(out, link)?;
        writeln!(out, "    </edge>")?;
    }
    writeln!(out, "  </graph>\n</graphml>")
}

fn write_keys(out: &mut impl Write, of: &str, keys: &[(&str, &str)]) -> fmt::Result {
    keys.iter().try_for_each(|(name, kind)| {
        writeln!(out, "  <key id=\"{of}_{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>")
    })
}

fn write_node(out: &mut impl Write, node: &Node) -> fmt::Result {
    let values: [&dyn Display; NODE_KEYS.len()] = [
        &node.id,
        &joined(&node.addresses),
        &joined(&node.names),
        &node.scope.as_str(),
        &node.role.as_str(),
        &node.tier,
        &node.dependants,
        &node.dependencies,
    ];
    write_data(out, "node", &NODE_KEYS, &values)
}

fn write_edge(out: &mut impl Write, link: &Link<'_>) -> fmt::Result {
    let Link { edge, direction, verdict } = link;
    let key = &edge.key;
    let values: [&dyn Display; EDGE_KEYS.len()] = [
        &key.protocol,
        &key.port,
        &service_name(key.protocol, key.port).unwrap_or_default(),
        verdict,
        &format_args!("{:.6}", direction.probability()),
        &edge.connections,
        &edge.answered,
        &edge.to_server.packets,
        &edge.to_client.packets,
        &edge.to_server.ip_bytes,
        &edge.to_client.ip_bytes,
        &edge.first_seen,
        &edge.last_seen,
        &joined(&edge.names),
        &verdict.describe(),
    ];
    write_data(out, "edge", &EDGE_KEYS, &values)
}

fn write_data(out: &mut impl Write, of: &str, keys: &[(&str, &str)], values: &[&dyn Display]) -> fmt::Result {
    for ((name, _), value) in keys.iter().zip(values) {
        let text = value.to_string();
        if !text.is_empty() {
            writeln!(out, "      <data key=\"{of}_{name}\">{}</data>", Escaped(&text))?;
        }
    }
    Ok(())
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

/// Character data of XML 1.0, which has no way to say control characters and two others.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                f.write_char(char::REPLACEMENT_CHARACTER)
            }
            c => f.write_char(c),
        })
    }
}
