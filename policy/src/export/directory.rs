//! A directory of policies for `kubectl apply -k`: the rules, default deny, and what takes that back.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::text;
use crate::rule::subject_name;
use crate::{Rule, Whom};

/// The file that lists the others.
pub const KUSTOMIZATION: &str = "kustomization.yaml";
/// The directory of the rules.
pub const ALLOW: &str = "allow";
/// The directory of the files that turn default deny on.
pub const DEFAULT_DENY: &str = "default-deny";
/// The directory of the files that take it back.
pub const REVERT: &str = "default-deny-revert";

/// A directory of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Text of each file by its path in the directory, with `/` between its parts.
    pub files: BTreeMap<String, String>,
    /// What the dialect cannot say, in order.
    pub not_expressed: Vec<NotExpressed>,
}

/// A rule, or a part of one, that a dialect cannot say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotExpressed {
    /// The rule, as it reads.
    pub rule: String,
    /// Why, what is written instead, and what that admits.
    pub reason: Cow<'static, str>,
}

impl Directory {
    pub(super) fn cannot(&mut self, rule: &Rule, reason: impl Into<Cow<'static, str>>) {
        self.not_expressed.push(NotExpressed { rule: rule.to_string(), reason: reason.into() });
    }

    /// Adds the file of one subject; gives its path.
    pub(super) fn allow(&mut self, namespace: &str, subject: &Whom, text: String) -> String {
        let path = format!("{ALLOW}/{namespace}/{}.yaml", subject_name(subject));
        self.files.insert(path.clone(), text);
        path
    }

    /// Adds what turns default deny on in a namespace, and what takes it back; gives the path of the latter.
    pub(super) fn default_deny(&mut self, namespace: &str, deny: String, revert: String) -> String {
        // A namespace may be called as the list of files is.
        let file = format!("in-{namespace}.yaml");
        self.files.insert(format!("{DEFAULT_DENY}/{file}"), deny);
        let path = format!("{REVERT}/{file}");
        self.files.insert(path.clone(), revert);
        path
    }

    /// Adds the lists of files, `rules` for the rules; everything else must be there.
    pub(super) fn finish<'a>(mut self, rules: impl Iterator<Item = &'a str>) -> Self {
        let rules = text::kustomization("The rules. Loaded alone they deny nothing.", rules);
        let parts = [
            (DEFAULT_DENY, "Default deny: what no rule allows is denied from now on. Load the rules first."),
            (REVERT, "Takes default deny back: everything is allowed again."),
        ];
        for (directory, what) in parts {
            let inside = |path: &String| Some(path.strip_prefix(directory)?.strip_prefix('/')?.to_owned());
            let files: BTreeSet<String> = self.files.keys().filter_map(inside).collect();
            let text = text::kustomization(what, files.iter().map(String::as_str));
            self.files.insert(format!("{directory}/{KUSTOMIZATION}"), text);
        }
        self.files.insert(KUSTOMIZATION.to_owned(), rules);
        self.not_expressed.sort();
        self.not_expressed.dedup();
        self
    }
}
