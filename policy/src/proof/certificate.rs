//! What was proven, in numbers.

use serde::Serialize;

use super::expectation::Expectation;
use super::hosts::HostProof;
use crate::Error;
use crate::export::nftables::{self, ALWAYS_ALLOWED_ICMPV6, Nftables};
use crate::identity::text_digest;
use crate::nft::Hook;

const SCHEMA_VERSION: u32 = 1;

/// Evidence that an export allows what was observed and denies what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Version of the tool that proved it.
    pub tool_version: String,
    /// SHA-256 over the edges: parties, service, counts, times and addresses, in order of the edges.
    pub input_sha256: String,
    /// Name and SHA-256 of every file, as `sha256sum` prints it.
    pub files: Vec<(String, String)>,
    /// The hook at which packets were evaluated.
    pub hook: Hook,
    /// Edges replayed; all were allowed.
    pub edges_replayed: u64,
    /// Edges that no rule can express: they are denied once default deny is on.
    pub edges_held_back: u64,
    /// Distinct client address, server address and service of these edges; all were allowed.
    pub tuples_observed: u64,
    /// Tuples allowed without having been observed: the price of rules for parties with several addresses.
    pub tuples_unobserved: u64,
    /// Tuples left out because an edge or rule has more than the limit of address pairs.
    pub tuples_not_replayed: u64,
    /// Rules that people made.
    pub rules_by_hand: u64,
    /// Connections at the ends of what these say; all were allowed.
    pub tuples_by_hand: u64,
    /// Connections tried that neither an edge nor a person explains; all were denied.
    pub probes_denied: u64,
    /// Connections tried that an edge turned out to explain: among them everything that the text's own rules
    /// list, which shows that they list nothing else.
    pub probes_explained: u64,
    /// The same of the files that each host has for itself, where there are some.
    pub hosts: Vec<HostProof>,
}

impl Certificate {
    pub(super) fn new(expectation: &Expectation<'_>, export: &Nftables, tool_version: &str) -> Self {
        let files = [
            (nftables::ALLOW, &export.allow),
            (nftables::DEFAULT_DENY, &export.default_deny),
            (nftables::REVERT, &export.revert),
        ];
        Self {
            tool_version: tool_version.into(),
            input_sha256: expectation.digest.clone(),
            files: files.map(|(name, text)| (name.to_string(), text_digest(text))).into(),
            hook: export.hook,
            edges_replayed: 0,
            edges_held_back: expectation.held_back,
            tuples_observed: 0,
            tuples_unobserved: 0,
            tuples_not_replayed: 0,
            rules_by_hand: 0,
            tuples_by_hand: 0,
            probes_denied: 0,
            probes_explained: 0,
            hosts: Vec::new(),
        }
    }

    /// Distinct tuples that were evaluated and allowed, observed or not.
    #[must_use]
    pub const fn tuples_allowed(&self) -> u64 {
        self.tuples_observed.saturating_add(self.tuples_unobserved)
    }

    /// The certificate as indented JSON with a final newline: the fields of [`Certificate`], and what was taken
    /// for granted.
    ///
    /// # Errors
    /// [`Error::Json`], which no known certificate causes.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut text = serde_json::to_string_pretty(&JsonCertificate::from(self))?;
        text.push('\n');
        Ok(text)
    }
}

#[derive(Serialize)]
struct JsonCertificate<'a> {
    schema_version: u32,
    tool_version: &'a str,
    input_sha256: &'a str,
    files: Vec<JsonFile<'a>>,
    dialect: &'static str,
    hook: &'static str,
    edges_replayed: u64,
    edges_held_back: u64,
    tuples_observed: u64,
    tuples_allowed: u64,
    tuples_unobserved: u64,
    tuples_not_replayed: u64,
    #[serde(skip_serializing_if = "is_none")]
    rules_by_hand: u64,
    #[serde(skip_serializing_if = "is_none")]
    tuples_by_hand: u64,
    probes_denied: u64,
    probes_explained: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<JsonHost<'a>>,
    assumptions: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_none(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct JsonFile<'a> {
    name: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct JsonHost<'a> {
    name: &'a str,
    host: &'a str,
    edges_replayed: u64,
    probes_denied: u64,
}

impl<'a> From<&'a HostProof> for JsonHost<'a> {
    fn from(proof: &'a HostProof) -> Self {
        let HostProof { name, host, edges_replayed, probes_denied } = proof;
        Self { name, host, edges_replayed: *edges_replayed, probes_denied: *probes_denied }
    }
}

impl<'a> From<&'a Certificate> for JsonCertificate<'a> {
    fn from(certificate: &'a Certificate) -> Self {
        let types = ALWAYS_ALLOWED_ICMPV6.map(|number| number.to_string()).join(", ");
        Self {
            schema_version: SCHEMA_VERSION,
            tool_version: &certificate.tool_version,
            input_sha256: &certificate.input_sha256,
            files: certificate.files.iter().map(|(name, sha256)| JsonFile { name, sha256 }).collect(),
            dialect: "nftables",
            hook: certificate.hook.as_str(),
            edges_replayed: certificate.edges_replayed,
            edges_held_back: certificate.edges_held_back,
            tuples_observed: certificate.tuples_observed,
            tuples_allowed: certificate.tuples_allowed(),
            tuples_unobserved: certificate.tuples_unobserved,
            tuples_not_replayed: certificate.tuples_not_replayed,
            rules_by_hand: certificate.rules_by_hand,
            tuples_by_hand: certificate.tuples_by_hand,
            probes_denied: certificate.probes_denied,
            probes_explained: certificate.probes_explained,
            hosts: certificate.hosts.iter().map(JsonHost::from).collect(),
            assumptions: vec![
                "the first packet of a connection decides; connection tracking passes the rest".into(),
                format!("icmpv6 types {types} pass between all addresses (RFC 4890, section 4.4.1)"),
            ],
        }
    }
}
