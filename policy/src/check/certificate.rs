//! What was checked, in numbers: for whoever has to show that it was.

use serde::Serialize;

use super::{Extent, Given, Observed};
use crate::Error;
use crate::identity::text_digest;
use crate::k8s::Problem;
use crate::proof::digest_of;

const SCHEMA_VERSION: u32 = 1;

/// Evidence that policies were checked, against what, and with which result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Certificate {
    schema_version: u32,
    /// Version of the tool that checked them.
    pub tool_version: String,
    /// SHA-256 over the edges, as certificates of exports have it; `None` without traffic.
    pub input_sha256: Option<String>,
    /// Path and SHA-256 of every file, as `sha256sum` prints it.
    pub files: Vec<File>,
    /// Observed edges replayed.
    pub edges_replayed: u64,
    /// Those of them that are allowed.
    pub edges_allowed: u64,
    /// Those of them that would be denied.
    pub edges_denied: u64,
    /// Those of them that the policies do not speak of.
    pub edges_not_covered: u64,
    /// Rules of the policies, by where they stand.
    pub rules: u64,
    /// Rules, with those that one comment speaks for counted once, that state what they admit.
    pub rules_stated: u64,
    /// Rules that state nothing.
    pub rules_not_stated: u64,
    /// Whether the policies pass.
    pub passed: bool,
    /// Why they do not.
    pub failures: Vec<String>,
    /// What could not be checked.
    pub not_checked: Vec<String>,
    /// What was taken for granted.
    pub assumptions: Vec<&'static str>,
}

/// A file that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its path, as given.
    pub path: String,
    /// Its digest.
    pub sha256: String,
}

impl Certificate {
    /// The certificate as indented JSON with a final newline.
    ///
    /// # Errors
    /// [`Error::Json`], which no known certificate causes.
    pub fn to_json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(super) fn of(given: &Given<'_>, observed: Observed<'_>) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.into(), sha256: text_digest(text) };
        let mut certificate = Self {
            schema_version: SCHEMA_VERSION,
            tool_version: given.tool_version.into(),
            input_sha256: observed.edges.map(|edges| digest_of(edges.iter().copied())),
            files: given.texts.iter().map(file).collect(),
            assumptions: vec![
                "the first packet of a connection decides, and answers pass",
                "what is known of workloads is what the inventory, the traffic and the manifests tell",
            ],
            ..Self::default()
        };
        certificate.not_asked(observed.edges.is_none(), "whether observed traffic passes: none was given");
        certificate
    }

    pub(super) const fn count(&mut self, all: usize, allowed: usize, denied: usize, not_covered: usize) {
        self.edges_replayed = all as u64;
        self.edges_allowed = allowed as u64;
        self.edges_denied = denied as u64;
        self.edges_not_covered = not_covered as u64;
    }

    /// Notes what could not be checked, if it is so.
    pub(super) fn not_asked(&mut self, is_so: bool, what: &str) {
        if is_so {
            self.not_checked.push(what.to_owned());
        }
    }

    /// Notes what was passed over while reading.
    pub(super) fn passed_over(&mut self, notes: &[Problem]) {
        self.not_checked.extend(notes.iter().map(ToString::to_string));
    }

    /// Adds the result.
    pub(super) fn conclude(&mut self, failures: &[String], extents: &[Extent]) {
        self.rules_stated = extents.iter().filter(|one| one.stated.is_some()).count() as u64;
        self.rules_not_stated = extents.len() as u64 - self.rules_stated;
        self.failures = failures.to_vec();
        self.passed = failures.is_empty();
    }
}
