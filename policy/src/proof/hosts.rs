//! Proof of the rules that each host has for itself: the connections to it alone, at its own hook.

use std::collections::BTreeMap;

use watershed_model::Edge;

use super::{Certificate, prove_decided};
use crate::Error;
use crate::export::hosts::Host;
use crate::identity::text_digest;
use crate::who::Who;

/// What was proven of one host's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProof {
    /// What its files are kept under.
    pub name: String,
    /// Who it is.
    pub host: String,
    /// Edges to it that were replayed; all were allowed.
    pub edges_replayed: u64,
    /// Connections to it that no edge explains; all were denied.
    pub probes_denied: u64,
}

impl Certificate {
    /// Proves each host's files with those of `edges` that lead to it, and adds what was proven.
    ///
    /// # Errors
    /// As [`prove_decided`].
    pub fn add_hosts<'a>(
        &mut self,
        edges: impl IntoIterator<Item = &'a Edge>,
        hosts: &[Host],
    ) -> Result<(), Error> {
        let mut to: BTreeMap<Who<'a>, Vec<&'a Edge>> = BTreeMap::new();
        for edge in edges {
            to.entry(Who::of(&edge.key.server)).or_default().push(edge);
        }
        for host in hosts {
            let own = to.get(&Who::of(&host.party)).map_or(&[][..], Vec::as_slice);
            let proven = prove_decided(own.iter().copied(), &host.by_hand, &host.files, &self.tool_version)?;
            self.files.extend(host.paths().map(|(path, text)| (path, text_digest(text))));
            self.hosts.push(HostProof {
                name: host.name.clone(),
                host: host.party.to_string(),
                edges_replayed: proven.edges_replayed,
                probes_denied: proven.probes_denied,
            });
        }
        Ok(())
    }
}
