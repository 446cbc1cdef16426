//! Outcomes as JSON. `schema_version` grows when a field changes its meaning or goes away.
//!
//! ```json
//! {
//!   "schema_version": 1, "edges": { "allowed": 20, "denied": 1, "not_covered": 2 },
//!   "connections_denied": 4, "address_pairs_not_asked": 0,
//!   "denied": [{ "client": "shop/job", "server": "shop/db", "protocol": "tcp", "port": 5432, "connections": 4,
//!                "first_seen": "2026-01-02T03:04:05Z", "last_seen": "2026-01-02T04:00:00Z",
//!                "owners": ["billing"], "refused_by": ["shop/db"],
//!                "missing": ["ingress of shop/db: allow tcp/5432 from shop/job"] }],
//!   "against": { "still_denied": 0, "newly_denied": [0], "newly_allowed": [] }
//! }
//! ```
//!
//! `against` is null without a comparison; `newly_denied` are places in `denied`, `newly_allowed` are like its
//! elements, as the old policies denied them.

use serde::Serialize;

use super::{Comparison, Denied, Outcome};
use crate::Error;

#[derive(Serialize)]
struct Mirror {
    schema_version: u32,
    edges: Edges,
    connections_denied: u64,
    address_pairs_not_asked: u64,
    denied: Vec<DeniedMirror>,
    against: Option<Against>,
}

#[derive(Serialize)]
struct Edges {
    allowed: usize,
    denied: usize,
    not_covered: usize,
}

#[derive(Serialize)]
struct DeniedMirror {
    client: String,
    server: String,
    protocol: String,
    port: u16,
    connections: u64,
    first_seen: String,
    last_seen: String,
    owners: Vec<String>,
    refused_by: Vec<String>,
    missing: Vec<String>,
}

#[derive(Serialize)]
struct Against {
    still_denied: usize,
    newly_denied: Vec<usize>,
    newly_allowed: Vec<DeniedMirror>,
}

impl Outcome {
    /// The outcome as JSON, with what changes from `old` if there is one; ends in a newline.
    ///
    /// # Errors
    /// [`Error::Json`] when it cannot be written.
    pub fn to_json(&self, comparison: Option<&Comparison<'_>>) -> Result<String, Error> {
        let place = |denied: &&Denied| self.denied.binary_search_by(|one| one.edge.cmp(&denied.edge)).ok();
        let against = comparison.map(|comparison| Against {
            still_denied: comparison.still_denied,
            newly_denied: comparison.newly_denied.iter().filter_map(place).collect(),
            newly_allowed: comparison.newly_allowed.iter().map(|&denied| mirror(denied)).collect(),
        });
        let mirror = Mirror {
            schema_version: 1,
            edges: Edges { allowed: self.allowed, denied: self.denied.len(), not_covered: self.not_covered },
            connections_denied: self.connections_denied(),
            address_pairs_not_asked: self.not_asked,
            denied: self.denied.iter().map(mirror).collect(),
            against,
        };
        Ok(serde_json::to_string_pretty(&mirror)? + "\n")
    }
}

fn mirror(denied: &Denied) -> DeniedMirror {
    DeniedMirror {
        client: denied.edge.client.to_string(),
        server: denied.edge.server.to_string(),
        protocol: denied.edge.protocol.to_string(),
        port: denied.edge.port,
        connections: denied.connections,
        first_seen: denied.first_seen.to_string(),
        last_seen: denied.last_seen.to_string(),
        owners: denied.owners.iter().cloned().collect(),
        refused_by: denied.refused_by.clone(),
        missing: denied.missing.iter().map(ToString::to_string).collect(),
    }
}
