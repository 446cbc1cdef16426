//! What is wrong with a manifest, and where.

use std::fmt;
use std::sync::Arc;

/// Problems that are told at once: enough to mend files in a few rounds, few enough to read.
pub const MAX_PROBLEMS: usize = 20;

/// A place in a file, numbers from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Name of the file, as the caller gave it.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The character in the line.
    pub column: u32,
}

/// `shop.yaml:3:5`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong or worth knowing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, with the offending value and what to do.
    pub message: String,
}

/// `shop.yaml:3:5: what is wrong`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong with files, in order of place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The first [`MAX_PROBLEMS`] of them.
    pub told: Vec<Problem>,
    /// How many more there are.
    pub omitted: usize,
    /// What cannot be used: `policies`.
    what: &'static str,
}

impl Problems {
    /// What is wrong with policies.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self::of("policies", problems)
    }

    /// What is wrong with files that are to hold `what`.
    pub(crate) fn of(what: &'static str, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        let omitted = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        Self { told: problems, omitted, what }
    }
}

/// One line for one problem; for several a line for each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the {}: ", self.what)?;
        match self.told.as_slice() {
            [only] if self.omitted == 0 => return only.fmt(f),
            several => write!(f, "{} problems", several.len() + self.omitted)?,
        }
        self.told.iter().try_for_each(|problem| write!(f, "\n  {problem}"))?;
        if self.omitted > 0 {
            write!(f, "\n  and {} more", self.omitted)?;
        }
        Ok(())
    }
}
