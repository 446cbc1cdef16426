//! Calico's selector language: what is true of a thing's labels.
//!
//! ```text
//! app == 'web' && (tier in {'front', 'api'} || has(public)) && !has(legacy)
//! ```
//!
//! Source: the section "Selectors" of Calico's resource reference (`projectcalico.org/v3`). `||` binds least,
//! `!` most. A comparison with a label that is absent is false, but for `!=` and `not in`, which are true.

mod parse;

mod tokens;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use watershed_model::Labels;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expression {
    /// `all()`: everything; of namespaces every one.
    All,
    /// `global()`: what is in no namespace. Only selectors of namespaces know the difference.
    Global,
    /// `has(key)`
    Has(String),
    /// `key == 'value'`
    Equal(String, String),
    /// `key != 'value'`
    Unequal(String, String),
    /// `key in {'a', 'b'}`
    In(String, BTreeSet<String>),
    /// `key not in {'a', 'b'}`
    NotIn(String, BTreeSet<String>),
    /// `key contains 'part'`
    Contains(String, String),
    /// `key starts with 'part'`
    StartsWith(String, String),
    /// `key ends with 'part'`
    EndsWith(String, String),
    /// `!a`
    Not(Box<Expression>),
    /// `a && b`
    And(Vec<Expression>),
    /// `a || b`
    Or(Vec<Expression>),
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Characters of the text before the place.
    pub offset: usize,
    /// What is wrong there, and what to write.
    pub message: String,
}

/// What an expression is asked about.
pub trait Labelled {
    /// The value of a label.
    fn label(&self, key: &str) -> Option<&str>;

    /// What `global()` says of it.
    fn is_global(&self) -> bool;

    /// What `all()` says of it: of selectors only those of namespaces leave out what is in none.
    fn is_in_all(&self) -> bool {
        true
    }
}

impl Expression {
    /// Reads an expression; an empty text means everything.
    ///
    /// # Errors
    /// The first place where it is none.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        parse::parse(text)
    }

    /// Whether it is true of something.
    #[must_use]
    pub fn matches(&self, of: &impl Labelled) -> bool {
        let value = |key: &String| of.label(key);
        match self {
            Self::All => of.is_in_all(),
            Self::Global => of.is_global(),
            Self::Has(key) => value(key).is_some(),
            Self::Equal(key, wanted) => value(key) == Some(wanted),
            Self::Unequal(key, wanted) => value(key) != Some(wanted),
            Self::In(key, wanted) => value(key).is_some_and(|value| wanted.contains(value)),
            Self::NotIn(key, wanted) => value(key).is_none_or(|value| !wanted.contains(value)),
            Self::Contains(key, part) => value(key).is_some_and(|value| value.contains(part.as_str())),
            Self::StartsWith(key, part) => value(key).is_some_and(|value| value.starts_with(part.as_str())),
            Self::EndsWith(key, part) => value(key).is_some_and(|value| value.ends_with(part.as_str())),
            Self::Not(inner) => !inner.matches(of),
            Self::And(all) => all.iter().all(|one| one.matches(of)),
            Self::Or(any) => any.iter().any(|one| one.matches(of)),
        }
    }

    /// Whether no labels at all could make it true. `false` where that cannot be told in reasonable time.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        /// Combinations of values that are tried: those of a dozen labels with one value each.
        const MOST: usize = 1 << 14;
        let mut values: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
        if !self.collect(&mut values) {
            return false;
        }
        let all = values.values().try_fold(1_usize, |all, one| all.checked_mul(one.len()));
        if all.is_none_or(|all| all > MOST) {
            return false;
        }
        let mut some = vec![Labels::new()];
        for (key, values) in &values {
            let with = |given: &Labels, value: Option<&str>| {
                let mut given = given.clone();
                given.extend(value.map(|value| ((*key).to_owned(), value.to_owned())));
                given
            };
            let with_each =
                |given: &Labels| values.iter().map(|&value| with(given, value)).collect::<Vec<_>>();
            some = some.iter().flat_map(with_each).collect();
        }
        let holds = |labels, global| self.matches(&Anywhere { labels, global });
        !some.iter().any(|labels| holds(labels, false) || holds(labels, true))
    }

    /// Gathers for each label the values that make a difference: those named, one named nowhere, and none at
    /// all. False where parts of values count, which are too many.
    fn collect<'a>(&'a self, values: &mut BTreeMap<&'a str, BTreeSet<Option<&'a str>>>) -> bool {
        /// No label's value holds a blank.
        const UNNAMED: &str = " ";
        let mut add = |key: &'a String, named: &mut dyn Iterator<Item = &'a String>| {
            let known = values.entry(key).or_default();
            known.extend([None, Some(UNNAMED)]);
            known.extend(named.map(|value| Some(value.as_str())));
            true
        };
        match self {
            Self::All | Self::Global => true,
            Self::Has(key) => add(key, &mut std::iter::empty()),
            Self::Equal(key, value) | Self::Unequal(key, value) => add(key, &mut std::iter::once(value)),
            Self::In(key, set) | Self::NotIn(key, set) => add(key, &mut set.iter()),
            Self::Contains(..) | Self::StartsWith(..) | Self::EndsWith(..) => false,
            Self::Not(inner) => inner.collect(values),
            Self::And(several) | Self::Or(several) => several.iter().all(|one| one.collect(values)),
        }
    }
}

/// Labels that could be somebody's.
struct Anywhere<'a> {
    labels: &'a Labels,
    global: bool,
}

impl Labelled for Anywhere<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    fn is_global(&self) -> bool {
        self.global
    }

    fn is_in_all(&self) -> bool {
        !self.global
    }
}

/// As Calico writes it. A value stands in single quotes, or in double quotes where it holds a single one.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |values: &BTreeSet<String>| values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(", ");
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(key) => write!(f, "has({key})"),
            Self::Equal(key, value) => write!(f, "{key} == {}", quoted(value)),
            Self::Unequal(key, value) => write!(f, "{key} != {}", quoted(value)),
            Self::In(key, values) => write!(f, "{key} in {{{}}}", set(values)),
            Self::NotIn(key, values) => write!(f, "{key} not in {{{}}}", set(values)),
            Self::Contains(key, part) => write!(f, "{key} contains {}", quoted(part)),
            Self::StartsWith(key, part) => write!(f, "{key} starts with {}", quoted(part)),
            Self::EndsWith(key, part) => write!(f, "{key} ends with {}", quoted(part)),
            Self::Not(inner) => write!(f, "!{}", Grouped(inner)),
            Self::And(all) => joined(f, all, " && "),
            Self::Or(any) => joined(f, any, " || "),
        }
    }
}

/// An expression inside another.
struct Grouped<'a>(&'a Expression);

impl fmt::Display for Grouped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::And(_) | Expression::Or(_) => write!(f, "({})", self.0),
            simple => simple.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expression], operator: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        f.write_str(if at > 0 { operator } else { "" })?;
        write!(f, "{}", Grouped(part))?;
    }
    Ok(())
}

fn quoted(value: &str) -> String {
    if value.contains('\'') { format!("\"{value}\"") } else { format!("'{value}'") }
}
