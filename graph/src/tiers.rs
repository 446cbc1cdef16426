//! Tiers: how far below the topmost clients a node lies.

use petgraph::algo::kosaraju_scc;
use petgraph::visit::{EdgeFiltered, EdgeRef as _};

use crate::graph::Inner;
use crate::verdict::Verdict;

/// Sets every node's tier: the longest way from a node that nobody uses, over accepted edges.
///
/// Nodes that use each other in a circle share a tier: cycles are condensed first, by an algorithm that
/// does not recurse, since a chain of dependencies can be as long as the graph is large.
pub(crate) fn assign(graph: &mut Inner<'_>) {
    let accepted = EdgeFiltered::from_fn(&*graph, |r| r.weight().verdict == Verdict::Accepted);
    let components = kosaraju_scc(&accepted);

    let mut component_of = vec![0; graph.node_count()];
    for (number, component) in components.iter().enumerate() {
        component.iter().for_each(|node| component_of[node.index()] = number);
    }
    let mut tiers = vec![0; components.len()];
    // Servers come before their clients, so from the last component on, each is final when its turn comes.
    for (number, component) in components.iter().enumerate().rev() {
        for &node in component {
            for edge in graph.edges(node).filter(|r| r.weight().verdict == Verdict::Accepted) {
                let server = component_of[edge.target().index()];
                if server != number {
                    tiers[server] = tiers[server].max(tiers[number] + 1);
                }
            }
        }
    }
    for (node, component) in graph.node_weights_mut().zip(component_of) {
        node.tier = tiers[component];
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{snapshot, tcp};
    use crate::{Graph, GraphConfig};

    fn tiers(pairs: &[(u32, u32)]) -> Vec<usize> {
        let address = |n: u32| std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string();
        let snapshot = snapshot(pairs.iter().map(|&(a, b)| tcp(&address(a), &address(b), 80).build()));
        Graph::of(&snapshot, &GraphConfig::default()).nodes().map(|node| node.tier).collect()
    }

    #[test]
    fn the_longest_way_decides() {
        assert_eq!(tiers(&[(0, 1), (1, 2), (0, 2), (2, 3), (4, 3)]), [0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_circle_is_one_tier() {
        assert_eq!(tiers(&[(0, 1), (1, 2), (2, 1), (2, 3)]), [0, 1, 1, 2]);
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let chain: Vec<_> = (0..50_000).map(|n| (n, n + 1)).collect();
        assert_eq!(tiers(&chain).last(), Some(&50_000));
    }
}
