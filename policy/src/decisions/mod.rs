//! What people decided about rules: kept in a file of their own, so that it outlives every new mining.
//!
//! ```yaml
//! version: 1
//! rules:      # of proposed rules, by id
//!   - {id: allow-db-ingress-5d96e11e97835989, decision: approved, by: alice, at: 2026-11-28T12:00:00Z, comment: as designed}
//!   - {id: allow-web-egress-0c9a1bb5e4cf2e77, decision: rejected, by: bob, at: 2026-11-28T12:05:00Z}
//! exclude:    # observed, and never to become a rule
//!   - {client: {namespace: shop, labels: {app: debug}}, ports: [tcp/22], comment: gone with the last release}
//! allow:      # rules that no observation is needed for
//!   - {client: {namespace: ops, labels: {app: backup}}, server: {name: vault}, ports: [tcp/9000], comment: yearly}
//! ```
//!
//! An end is one of: `namespace` and `labels`, as in `mined.json` (`"*"` is every namespace; hosts are in none, so
//! theirs is left out); `name`, with `namespace` where it has one; `networks`, a list of addresses and CIDRs. Ports
//! are as in `mined.json`: `tcp/80`, `tcp/8000-8080`, `icmp/8`, a protocol without ports, `anything`. An exclusion
//! may leave out `client`, `server` and `ports`, though not both ends; what is left out is any. Rules of `rules.json`
//! and mined rules may both be decided: their ids never meet.
//!
//! Nothing here reads or writes files: [`Decisions::read`] takes text, [`Decisions::write`] makes it.

mod end;

mod read;

mod sift;

#[cfg(test)]
mod tests;

mod write;

use std::collections::BTreeMap;
use std::fmt;

use watershed_model::Timestamp;

use crate::Allowed;

pub use end::End;
pub(crate) use read::port;
pub use sift::Sifted;

/// Longest id of a rule, in bytes: the longest name that Kubernetes takes.
const LONGEST_ID: usize = 253;

/// Longest name of a person, in bytes.
const LONGEST_NAME: usize = 256;

/// Longest comment, in bytes: a page of text.
const LONGEST_COMMENT: usize = 4096;

/// Everything that was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// What was said of proposed rules, by their ids.
    pub rules: BTreeMap<String, Said>,
    /// Dependencies that never become rules, in the order of the file.
    pub exclude: Vec<Exclusion>,
    /// Rules that people made, in the order of the file.
    pub allow: Vec<Manual>,
}

/// What somebody said of a rule: a decision, a comment, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What was decided; `None` for a mere comment.
    pub decision: Option<Decision>,
    /// Who said it.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// Why.
    pub comment: Option<String>,
}

/// What can be decided about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// It is to be enforced.
    Approved,
    /// It is not exported, and what only it allows is denied.
    Rejected,
}

impl Decision {
    /// Its name: `approved`, `rejected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Dependencies that never become rules, although they were observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Who asks; `None` is anybody.
    pub client: Option<End>,
    /// Who is asked; `None` is anybody.
    pub server: Option<End>,
    /// For what; none is anything.
    pub ports: Vec<Allowed>,
    /// Why.
    pub comment: Option<String>,
}

/// A rule that people made: allowed whether it was observed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// Who may ask.
    pub client: End,
    /// Whom.
    pub server: End,
    /// For what; at least one.
    pub ports: Vec<Allowed>,
    /// Why.
    pub comment: Option<String>,
}

/// Why something cannot be said of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    /// It is no id that a rule has.
    #[error(
        "{0:?} is no id of a rule: these have 1 to {LONGEST_ID} lower-case letters, digits and hyphens; take it from mined.json or rules.json"
    )]
    Id(String),
    /// Neither a decision nor a comment.
    #[error("neither a decision nor a comment is given for {0}; give one of them")]
    Nothing(String),
    /// A text is longer than the file takes.
    #[error("`{what}` has {bytes} bytes and may have {limit}; shorten it")]
    Long {
        /// `by` or `comment`.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
}

impl Decisions {
    /// Says something of a rule; what was said of it before is replaced.
    ///
    /// # Errors
    /// [`Undecidable`] where it is something that the file could not hold; nothing has changed then.
    pub fn decide(&mut self, id: &str, said: Said) -> Result<(), Undecidable> {
        check(id, &said)?;
        self.rules.insert(id.to_owned(), said);
        Ok(())
    }

    /// Takes back what was said of a rule, and returns it.
    pub fn forget(&mut self, id: &str) -> Option<Said> {
        self.rules.remove(id)
    }

    /// What was decided about a rule.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<Decision> {
        self.rules.get(id)?.decision
    }

    /// Whether a rule is not to be exported.
    #[must_use]
    pub fn rejects(&self, id: &str) -> bool {
        self.of(id) == Some(Decision::Rejected)
    }

    /// Whether nothing was decided at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.exclude.is_empty() && self.allow.is_empty()
    }
}

/// Whether the file can hold it.
fn check(id: &str, said: &Said) -> Result<(), Undecidable> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(letter) {
        return Err(Undecidable::Id(id.to_owned()));
    }
    if said.decision.is_none() && said.comment.is_none() {
        return Err(Undecidable::Nothing(id.to_owned()));
    }
    for (what, text, limit) in [("by", &said.by, LONGEST_NAME), ("comment", &said.comment, LONGEST_COMMENT)] {
        let bytes = text.as_ref().map_or(0, String::len);
        if bytes > limit {
            return Err(Undecidable::Long { what, bytes, limit });
        }
    }
    Ok(())
}

/// `alice on 2026-11-28: as designed`, as far as it is known.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day =
            self.at.map(|at| at.to_string().chars().take_while(|&letter| letter != 'T').collect::<String>());
        let parts = [
            self.decision.map(|decision| decision.to_string()),
            self.by.as_ref().map(|by| format!("by {by}")),
            day.map(|day| format!("on {day}")),
        ];
        let said: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&said.join(" "))?;
        match &self.comment {
            Some(comment) if said.is_empty() => f.write_str(comment),
            Some(comment) => write!(f, ": {comment}"),
            None => Ok(()),
        }
    }
}

/// `shop/app=debug -> anybody: tcp/22`.
impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |end: &Option<End>| end.as_ref().map_or_else(|| "anybody".to_owned(), ToString::to_string);
        let ports = if self.ports.is_empty() { "anything".to_owned() } else { ports(&self.ports) };
        write!(f, "{} -> {}: {ports}", end(&self.client), end(&self.server))
    }
}

/// `ops/app=backup -> vault: tcp/9000`.
impl fmt::Display for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.client, self.server, ports(&self.ports))
    }
}

fn ports(ports: &[Allowed]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
