//! The environment: the only file that reads it.

#![allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]

use std::collections::BTreeMap;
use std::env;

/// The variables that Watershed looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    const PREFIX: &str = "WATERSHED_";
    const CONFIG: &str = "WATERSHED_CONFIG";
    const NO_COLOR: &str = "NO_COLOR";

    /// What is set now. A value that is not UTF-8 is kept with replacement characters, so that the
    /// setting's own check can refuse it by name.
    pub(crate) fn read() -> Self {
        let all =
            env::vars_os().map(|(n, v)| (n.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()));
        Self(all.filter(|(name, _)| name.starts_with(Self::PREFIX) || name == Self::NO_COLOR).collect())
    }

    /// The settings file named by `WATERSHED_CONFIG`.
    pub(crate) fn config_file(&self) -> Option<&str> {
        self.0.get(Self::CONFIG).map(String::as_str).filter(|path| !path.is_empty())
    }

    /// `WATERSHED_*` variables and their values, in order of their names; an empty one counts as unset.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, value)| {
            name.starts_with(Self::PREFIX) && *name != Self::CONFIG && !value.is_empty()
        })
    }

    /// Whether colours are unwanted, as no-color.org says it.
    pub(crate) fn no_color(&self) -> bool {
        self.0.get(Self::NO_COLOR).is_some_and(|value| !value.is_empty())
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
