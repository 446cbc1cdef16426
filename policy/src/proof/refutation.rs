//! What speaks against an export.

use std::fmt;

use watershed_model::EdgeKey;

use crate::nft::Place;
use crate::{RuleId, Tuple};

/// Everything found wrong with an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refutation {
    /// Accepted edges that it would cut.
    pub denied: Vec<DeniedEdge>,
    /// Connections that a person allowed, and that it would cut.
    pub withheld: Vec<Withheld>,
    /// Connections that it would let through without an edge to explain them; the first
    /// [`Refutation::MAX_ADMITTED`].
    pub admitted: Vec<Admitted>,
    /// How many of those there were.
    pub admitted_count: u64,
    /// Whether taking default deny back leaves something else than before.
    pub revert_differs: bool,
}

/// An accepted edge that an export would cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedEdge {
    /// The edge.
    pub edge: EdgeKey,
    /// The first of its connections that would be dropped.
    pub tuple: Tuple,
}

/// A connection that a person allowed, and that an export would cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The rule that the person made.
    pub rule: RuleId,
    /// The connection.
    pub tuple: Tuple,
}

/// A connection that an export would let through although no edge explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The connection.
    pub tuple: Tuple,
    /// The rule that lets it through; `None` where a policy does.
    pub rule: Option<Place>,
}

impl Refutation {
    /// Enough to find the fault; a rule open to everyone would otherwise list every probe.
    pub const MAX_ADMITTED: usize = 1000;
    /// Of each kind, in a message.
    const SHOWN: usize = 5;

    pub(super) fn admit(&mut self, admitted: Admitted) {
        self.admitted_count += 1;
        if self.admitted.len() < Self::MAX_ADMITTED {
            self.admitted.push(admitted);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.denied.is_empty() && self.withheld.is_empty() && self.admitted_count == 0 && !self.revert_differs
    }
}

impl fmt::Display for Refutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut findings = Vec::new();
        if !self.denied.is_empty() {
            let shown = self
                .denied
                .iter()
                .take(Self::SHOWN)
                .map(|denied| format!("{} ({})", denied.edge, denied.tuple));
            findings.push(format!("it denies {} accepted edges: {}", self.denied.len(), listing(shown)));
        }
        if !self.withheld.is_empty() {
            let shown = self.withheld.iter().take(Self::SHOWN);
            let shown = shown.map(|one| format!("{} of {}", one.tuple, one.rule));
            let number = self.withheld.len();
            findings.push(format!("it denies {number} connections that people allowed: {}", listing(shown)));
        }
        if self.admitted_count > 0 {
            let shown = self.admitted.iter().take(Self::SHOWN).map(|admitted| match &admitted.rule {
                Some(rule) => format!("{} by {}:{}", admitted.tuple, rule.file, rule.line),
                None => format!("{} by policy", admitted.tuple),
            });
            let count = self.admitted_count;
            findings.push(format!("it admits {count} connections that no edge explains: {}", listing(shown)));
        }
        if self.revert_differs {
            findings.push("reverting default deny does not restore the ruleset before it".into());
        }
        f.write_str(&findings.join("; "))
    }
}

fn listing(shown: impl Iterator<Item = String>) -> String {
    shown.collect::<Vec<_>>().join(", ")
}
