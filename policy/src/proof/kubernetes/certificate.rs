//! What was proven of exported policies, in numbers.

use serde::Serialize;

use super::Dialect;
use crate::Error;
use crate::export::directory::Directory;
use crate::identity::text_digest;
use crate::mine::{Census, Level, Plan};

const SCHEMA_VERSION: u32 = 1;

/// Evidence that policies allow what was observed, and beyond it only what their rules declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Version of the tool that proved it.
    pub tool_version: String,
    /// The API that the policies are of.
    pub dialect: &'static str,
    /// What was taken for granted.
    pub assumptions: &'static [&'static str],
    /// SHA-256 over the dependencies: parties, service, counts and times.
    pub input_sha256: String,
    /// Path and SHA-256 of every file, as `sha256sum` prints it.
    pub files: Vec<(String, String)>,
    /// How general the rules are.
    pub level: Level,
    /// Rules that were mined.
    pub rules: u64,
    /// Connections that the rules admit unobserved, at most.
    pub price: u64,
    /// Dependencies replayed; all were allowed.
    pub dependencies_replayed: u64,
    /// Connections evaluated for them, with labels as they were and after the next rollout.
    pub connections_replayed: u64,
    /// Dependencies whose rules people rejected; between pods all were denied.
    pub dependencies_rejected: u64,
    /// Dependencies that the dialect cannot say: between two ends that are no pods, or of another protocol.
    pub not_expressed: u64,
    /// Connections tried that no rule declares; all were denied.
    pub probes_denied: u64,
    /// Connections tried that a rule turned out to declare.
    pub probes_declared: u64,
}

impl Certificate {
    pub(super) fn new<D: Dialect>(
        census: &Census,
        plan: &Plan,
        export: &Directory,
        tool_version: &str,
    ) -> Self {
        Self {
            tool_version: tool_version.to_owned(),
            dialect: D::NAME,
            assumptions: D::ASSUMPTIONS,
            input_sha256: census.digest(),
            files: export.files.iter().map(|(path, text)| (path.clone(), text_digest(text))).collect(),
            level: plan.level,
            rules: plan.rules.len() as u64,
            price: plan.price(),
            dependencies_replayed: 0,
            connections_replayed: 0,
            dependencies_rejected: 0,
            not_expressed: 0,
            probes_denied: 0,
            probes_declared: 0,
        }
    }

    /// The certificate as indented JSON with a final newline: its fields, and what was taken for granted.
    ///
    /// # Errors
    /// [`Error::Json`], which no known certificate causes.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut text = serde_json::to_string_pretty(&JsonCertificate {
            schema_version: SCHEMA_VERSION,
            tool_version: &self.tool_version,
            input_sha256: &self.input_sha256,
            files: self.files.iter().map(|(path, sha256)| JsonFile { path, sha256 }).collect(),
            dialect: self.dialect,
            level: self.level.as_str(),
            rules: self.rules,
            price: self.price,
            dependencies_replayed: self.dependencies_replayed,
            connections_replayed: self.connections_replayed,
            dependencies_rejected: self.dependencies_rejected,
            not_expressed: self.not_expressed,
            probes_denied: self.probes_denied,
            probes_declared: self.probes_declared,
            assumptions: self.assumptions,
        })?;
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
    level: &'static str,
    rules: u64,
    price: u64,
    dependencies_replayed: u64,
    connections_replayed: u64,
    dependencies_rejected: u64,
    not_expressed: u64,
    probes_denied: u64,
    probes_declared: u64,
    assumptions: &'static [&'static str],
}

#[derive(Serialize)]
struct JsonFile<'a> {
    path: &'a str,
    sha256: &'a str,
}
