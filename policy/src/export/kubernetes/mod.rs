//! Mined rules as Kubernetes NetworkPolicies (`networking.k8s.io/v1`): a directory for `kubectl apply -k`.
//!
//! ```text
//! kustomization.yaml       the rules, and per namespace a policy that still allows everything
//! allow/NAMESPACE/*.yaml   the rules, a file for each subject
//! default-deny/            turns the policy that allows everything into one that allows nothing
//! default-deny-revert/     and back
//! ```
//!
//! A NetworkPolicy denies to the pods that it selects whatever no policy allows. So that loading the rules
//! denies nothing yet, each namespace gets a policy that allows everything; default deny is another policy of
//! the same name. What another pod listens on is its target port, which is what was observed.

mod names;

mod peers;

mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::mine::{Allowed, Census, Namespace, Plan, Rule, Whom, subject_name};

/// The file that lists the others.
pub const KUSTOMIZATION: &str = "kustomization.yaml";
/// The directory of the rules.
pub const ALLOW: &str = "allow";
/// The directory of the files that turn default deny on.
pub const DEFAULT_DENY: &str = "default-deny";
/// The directory of the files that take it back.
pub const REVERT: &str = "default-deny-revert";

/// A rule, and its peers as a policy says them.
type Said<'a> = (&'a Rule, Vec<peers::Peer>);

/// A directory of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubernetes {
    /// Text of each file by its path in the directory, with `/` between its parts.
    pub files: BTreeMap<String, String>,
    /// What NetworkPolicy cannot say, in order.
    pub not_expressed: Vec<NotExpressed>,
}

/// A rule, or a part of one, that NetworkPolicy cannot say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotExpressed {
    /// The rule, as it reads.
    pub rule: String,
    /// Why, and what holds instead.
    pub reason: &'static str,
}

/// Writes the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, plan: &Plan) -> Result<Kubernetes, Error> {
    let mut export = Kubernetes::default();
    let mut policies: BTreeMap<(&str, &Whom), Vec<Said<'_>>> = BTreeMap::new();
    for rule in &plan.rules {
        let Whom::Workloads { namespace: Namespace::One(namespace), .. } = &rule.subject else {
            export.cannot(rule, "its subject is no pod: nothing of it is enforced by the cluster");
            continue;
        };
        names::check(rule)?;
        let sayable = |allowed: &&Allowed| !matches!(allowed, Allowed::Service(_));
        if !rule.ports.iter().all(|allowed| sayable(&allowed)) {
            export.cannot(rule, "NetworkPolicy knows TCP, UDP and SCTP alone: the network plugin decides");
        }
        // Without this a rule for pings alone would have no ports, which means all of them.
        if !rule.ports.iter().any(|allowed| sayable(&allowed)) {
            continue;
        }
        let peers = peers::of(census, plan, rule);
        if peers.is_empty() {
            export.cannot(rule, "no address of its peer is known: it stays denied");
            continue;
        }
        policies.entry((namespace, &rule.subject)).or_default().push((rule, peers));
    }
    let mut listed = BTreeSet::new();
    for ((namespace, subject), rules) in &policies {
        let path = format!("{ALLOW}/{namespace}/{}.yaml", subject_name(subject));
        export.files.insert(path.clone(), text::policy(namespace, subject, rules, plan.level));
        listed.insert(path);
    }
    export.add_defaults(plan, &listed)?;
    export.not_expressed.sort();
    export.not_expressed.dedup();
    Ok(export)
}

impl Kubernetes {
    fn cannot(&mut self, rule: &Rule, reason: &'static str) {
        self.not_expressed.push(NotExpressed { rule: rule.to_string(), reason });
    }

    /// What every namespace has: default deny, its opposite, and the lists of files.
    fn add_defaults(&mut self, plan: &Plan, listed: &BTreeSet<String>) -> Result<(), Error> {
        let mut open = BTreeSet::new();
        let mut files = BTreeSet::new();
        for namespace in plan.namespaces() {
            names::check_namespace(namespace)?;
            // A namespace may be called as the list of files is.
            let file = format!("in-{namespace}.yaml");
            self.files.insert(format!("{DEFAULT_DENY}/{file}"), text::default_deny(namespace));
            self.files.insert(format!("{REVERT}/{file}"), text::allow_everything(namespace));
            open.insert(format!("{REVERT}/{file}"));
            files.insert(file);
        }
        // First what allows everything: between two steps of loading nothing is denied.
        let all = open.iter().chain(listed).map(String::as_str);
        let rules = text::kustomization("The rules. Loaded alone they deny nothing.", all);
        self.files.insert(KUSTOMIZATION.to_owned(), rules);
        let parts = [
            (DEFAULT_DENY, "Default deny: what no rule allows is denied from now on. Load the rules first."),
            (REVERT, "Takes default deny back: everything is allowed again."),
        ];
        for (directory, what) in parts {
            let text = text::kustomization(what, files.iter().map(String::as_str));
            self.files.insert(format!("{directory}/{KUSTOMIZATION}"), text);
        }
        Ok(())
    }
}
