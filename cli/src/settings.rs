//! Settings: what the arguments, the environment and a file mean together.
//!
//! Each layer goes over the one before: defaults, file, `WATERSHED_*` environment, flags. Every setting is
//! one entry of [`keys()`], so that all layers, `config print` and the example file know the same ones.

mod aggregate;
mod chosen;
mod collect;
mod environment;
mod file;
mod inventory;
mod kafka;
mod keys;
mod print;
mod serve;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use chosen::{ColorChoice, Settings};
pub(crate) use environment::Environment;
pub(crate) use inventory::InventoryPlace;
pub(crate) use keys::{Key, keys};
use keys::{old_variable, renamed};
pub(crate) use print::{example, print};
pub(crate) use serve::{Readers, ServeSettings};
pub(crate) use value::parse_duration;

use crate::args::Arguments;

/// Where the settings file is looked for when none is named; the first that exists is the one.
pub(crate) const PLACES: [&str; 2] = ["watershed.toml", "/etc/watershed/watershed.toml"];

/// A setting given by a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// Which setting.
    pub(crate) key: String,
    /// Its value.
    pub(crate) text: String,
    /// The flag, as it was typed.
    pub(crate) flag: String,
}

/// The settings in force, and where each one comes from.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) settings: Settings,
    /// By key; a key that is missing has its default.
    pub(crate) origins: BTreeMap<&'static str, Origin>,
    /// The settings file that was read.
    pub(crate) file: Option<PathBuf>,
    /// `WATERSHED_*` variables that name no setting. They are no error, since Kubernetes sets such
    /// variables for every service that happens to be called watershed.
    pub(crate) strangers: Vec<String>,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File(PathBuf, usize),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read the settings file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: not valid TOML: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{origin}: unknown key `{key}`{}; `watershed config print` lists them all", hint(key))]
    UnknownKey { origin: Origin, key: String },
    #[error("{origin}: `{key}` cannot be `{text}`: {expected}")]
    Value { origin: Origin, key: String, text: String, expected: String },
}

/// Puts the layers over each other.
pub(crate) fn load(arguments: &Arguments, environment: &Environment) -> Result<Effective, SettingsError> {
    let mut effective = Effective {
        settings: Settings::default(),
        origins: BTreeMap::new(),
        file: None,
        strangers: Vec::new(),
    };
    let named = arguments.config.clone().or_else(|| environment.config_file().map(PathBuf::from));
    if let Some((path, text)) = file::find(named, &PLACES)? {
        for (key, value, line) in file::read(&path, &text)? {
            let base = path.parent().unwrap_or_else(|| Path::new(""));
            effective.set(&key, &value, base, Origin::File(path.clone(), line))?;
        }
        effective.file = Some(path);
    }
    for (name, text) in environment.settings() {
        match keys().find(|key| key.variable() == name) {
            Some(key) => {
                effective.set(key.name, text, Path::new(""), Origin::Environment(name.to_owned()))?;
            }
            None => match old_variable(name) {
                Some(old) => {
                    effective.set(old, text, Path::new(""), Origin::Environment(name.to_owned()))?;
                }
                None => effective.strangers.push(name.to_owned()),
            },
        }
    }
    for Given { key, text, flag } in arguments.given() {
        effective.set(&key, &text, Path::new(""), Origin::Flag(flag))?;
    }
    Ok(effective)
}

impl Effective {
    fn set(&mut self, name: &str, text: &str, base: &Path, origin: Origin) -> Result<(), SettingsError> {
        let Some(key) = keys().find(|key| key.name == name) else {
            return Err(SettingsError::UnknownKey { origin, key: name.to_owned() });
        };
        match (key.write)(&mut self.settings, text, base) {
            Ok(()) => {
                self.origins.insert(key.name, origin);
                Ok(())
            }
            Err(expected) => {
                Err(SettingsError::Value { origin, key: name.to_owned(), text: text.to_owned(), expected })
            }
        }
    }
}

/// ` (did you mean ...?)`, for a key that is nearly right, or was.
fn hint(wrong: &str) -> String {
    if let Some(new) = renamed(wrong) {
        return format!(", which is called `{new}` now");
    }
    let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let nearness = |key: &Key| {
        let whole = strsim::jaro_winkler(key.name, wrong);
        let last = if bare(key.name) == bare(wrong) { 1.0 } else { 0.0 };
        whole.max(last)
    };
    let near = keys().max_by(|a, b| nearness(a).total_cmp(&nearness(b)));
    // Below this, jaro-winkler finds likeness in words that have nothing to do with each other.
    near.filter(|key| nearness(key) > 0.85)
        .map(|key| format!(" (did you mean `{}`?)", key.name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;
    use watershed_aggregator::StoreLocation;

    use super::*;

    fn loaded(line: &[&str], environment: &[(&str, &str)]) -> Result<Effective, SettingsError> {
        let arguments = Arguments::parse_from(line);
        load(&arguments, &Environment::of(environment))
    }

    #[test]
    fn later_layers_win_and_each_setting_knows_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        fs::write(&path, "threads = 2\n\n[summary]\nrows = 7\n").unwrap();
        let config = path.to_str().unwrap();
        let line = ["watershed", "edges", "a.pcap", "--config", config, "--threads", "1"];
        let effective =
            loaded(&line, &[("WATERSHED_SUMMARY_ROWS", "9"), ("WATERSHED_PORT", "tcp://10.0.0.1")]).unwrap();
        assert_eq!(effective.settings.threads, 1);
        assert_eq!(effective.settings.rows, 9);
        assert_eq!(effective.origins["threads"].to_string(), "flag --threads");
        assert_eq!(
            effective.origins["summary.rows"].to_string(),
            "environment variable WATERSHED_SUMMARY_ROWS"
        );
        assert_eq!(effective.strangers, ["WATERSHED_PORT"]);
        let effective = loaded(&["watershed", "config", "check", "--config", config], &[]).unwrap();
        assert_eq!(effective.origins["summary.rows"].to_string(), format!("{config}:4"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        let config = path.to_str().unwrap();
        for (text, expected) in [
            (
                "threads = 2\n[sumary]\nrows = 1\n",
                ":3: unknown key `sumary.rows` (did you mean `summary.rows`?)",
            ),
            (
                "[serve]\ndecisions = \"d.yaml\"\n",
                ":2: unknown key `serve.decisions`, which is called `rules.decisions` now; `watershed config print`",
            ),
            ("\nthreads = 7\n", ":2: `threads` cannot be `7`: write a whole number from 1 to 2"),
            ("threads = \n", ":1: not valid TOML"),
            ("threads = [1, [2]]\n", ":1: `threads` cannot be"),
        ] {
            fs::write(&path, text).unwrap();
            let error = loaded(&["watershed", "config", "check", "--config", config], &[]).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let old =
            loaded(&["watershed", "config", "check"], &[("WATERSHED_SERVE_DECISIONS", "d")]).unwrap_err();
        assert!(
            old.to_string().starts_with(
                "environment variable WATERSHED_SERVE_DECISIONS: unknown key `serve.decisions`, which is called \
                 `rules.decisions` now"
            ),
            "{old}"
        );
        let error = loaded(&["watershed", "config", "check", "--config", "/no/such/file"], &[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the settings file /no/such/file");
    }

    #[test]
    fn a_file_named_in_the_file_is_relative_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        fs::write(&path, "inventory = \"hosts.yaml\"\n").unwrap();
        let config = path.to_str().unwrap();
        let effective = loaded(&["watershed", "edges", "a.pcap", "--config", config], &[]).unwrap();
        assert_eq!(
            effective.settings.inventory,
            Some(InventoryPlace::File(folder.path().join("hosts.yaml")))
        );
        let line = ["watershed", "edges", "a.pcap", "--config", config, "-i", "other.yaml"];
        let effective = loaded(&line, &[]).unwrap();
        assert_eq!(effective.settings.inventory, Some(InventoryPlace::File("other.yaml".into())));
        let line = ["watershed", "edges", "a.pcap", "--config", config, "-i", "sqlite:edges.db"];
        let kept = StoreLocation::Sqlite("edges.db".into());
        assert_eq!(loaded(&line, &[]).unwrap().settings.inventory, Some(InventoryPlace::Kept(kept)));
    }
}
