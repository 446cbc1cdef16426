//! Every setting there is: name, purpose, default, check.
//!
//! Defaults are those of the stage that uses the setting; why they are what they are stands there.

use std::path::{Path, PathBuf};

use toml::Value;
use watershed_collector::sink::spool::MIN_LIMIT;

use super::Settings;

mod keeping;

mod running;

mod seeing;

fn path(path: Option<&PathBuf>) -> Value {
    Value::String(path.map_or(String::new(), |path| path.display().to_string()))
}

/// A file name; none if empty.
fn parse_path(text: &str, base: &Path) -> Option<PathBuf> {
    (!text.is_empty()).then(|| base.join(text))
}

/// One setting.
pub(crate) struct Key {
    /// Its name, with a dot after its table: `summary.rows`.
    pub(crate) name: &'static str,
    /// What it is for, a few lines.
    pub(crate) help: &'static str,
    /// Its value as TOML.
    pub(crate) read: fn(&Settings) -> Value,
    /// Sets it from text; file names are relative to the path given. The error says what is expected.
    pub(crate) write: fn(&mut Settings, &str, &Path) -> Result<(), String>,
}

impl Key {
    /// The environment variable that sets it: `WATERSHED_SUMMARY_ROWS`.
    pub(crate) fn variable(&self) -> String {
        variable(self.name)
    }
}

/// Settings that are called otherwise now, with the new name: the old one is refused, and told where it went.
const RENAMED: [(&str, &str); 1] = [("serve.decisions", "rules.decisions")];

/// What a setting is called that had this name before.
pub(crate) fn renamed(old: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(name, _)| *name == old).map(|(_, new)| *new)
}

/// The setting that an environment variable set before it was called otherwise.
pub(crate) fn old_variable(variable: &str) -> Option<&'static str> {
    RENAMED.iter().map(|(old, _)| *old).find(|old| self::variable(old) == variable)
}

fn variable(name: &str) -> String {
    format!("WATERSHED_{}", name.to_uppercase().replace('.', "_"))
}

/// The smallest spool.
const MIN_SPOOL: usize = MIN_LIMIT as usize;

/// Every setting, in the order in which they are printed: keys of the same table stand together.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    [seeing::KEYS, keeping::KEYS, running::KEYS].into_iter().flatten()
}
