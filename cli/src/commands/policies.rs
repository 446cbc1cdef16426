//! Policies in files: manifests of every dialect about pods, or rulesets of nftables. What exports of ours hold
//! beside policies is passed over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use watershed_model::{Edge, Workload};
use watershed_policy::diff::Allowances;
use watershed_policy::export::nftables;
use watershed_policy::k8s::Manifests;
use watershed_policy::nft::{Hook, Ruleset};
use watershed_policy::whatif::{Outcome, Policies, what_if, what_if_mined};

use super::rules::diff::MINED;
use crate::failure::Failure;
use crate::input;

/// Directories within directories that are followed: deeper ones are a loop of links.
const MAX_DEPTH: usize = 32;

/// What is in a directory to take other files back, or to watch without denying: it is not in force with them.
const NOT_IN_FORCE: [&str; 3] = ["default-deny-revert", "revert", "watch"];

/// Where exports put the rulesets of single hosts.
const HOSTS: &str = "hosts";

/// What exports write as JSON beside policies.
const NO_POLICIES: [&str; 2] = ["certificate", "mined"];

/// What `discover` and exports write as JSON beside rules for nftables.
const TOLD_BESIDE: [&str; 2] = ["graph", "rules"];

/// Policies of one kind, with the text that they were read from.
pub(crate) struct Read {
    kind: Kind,
    texts: Vec<(String, String)>,
}

enum Kind {
    Kubernetes(Manifests),
    Nftables(Ruleset, Hook),
    /// Mined rules as an export lists them, beside the policies that say them.
    Mined(Allowances),
}

impl Read {
    /// Reads files and directories of them; nothing is there unless all of it is valid. Manifests that name no
    /// namespace are of `namespace`; files of nftables are loaded in the order given, and those of a directory by
    /// name, default deny last.
    pub(crate) fn of(paths: &[PathBuf], namespace: &str) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for path in paths {
            files(path, 0, &mut found).map_err(Failure::usage)?;
        }
        if let [path] = found.as_slice()
            && path.file_name().is_some_and(|name| name == MINED)
        {
            let (name, text) = input::text("mined rules", path).map_err(Failure::usage)?;
            let mined = Allowances::read(&name, &text).map_err(Failure::usage)?;
            return Ok(Self { kind: Kind::Mined(mined), texts: vec![(name, text)] });
        }
        let nftables = found.iter().filter(|path| is_nftables(path)).count();
        if nftables == 0 {
            return Self::manifests(paths, found, namespace);
        }
        if nftables < found.len() {
            return Err(Failure::usage(anyhow!(
                "nftables files and manifests cannot be one set of policies; ask for each alone"
            )));
        }
        let texts = texts(&found)?;
        let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let ruleset = Ruleset::read(files).map_err(Failure::usage)?;
        let hook = ruleset.hook();
        Ok(Self { kind: Kind::Nftables(ruleset, hook), texts })
    }

    fn manifests(named: &[PathBuf], mut paths: Vec<PathBuf>, namespace: &str) -> Result<Self, Failure> {
        paths.sort();
        paths.dedup();
        let texts = texts(&paths)?;
        let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let manifests = Manifests::read(files, namespace).map_err(Failure::usage)?;
        if manifests.count() == 0 {
            let places: Vec<_> = named.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::usage(anyhow!(
                "there is no policy in {}, neither NetworkPolicy nor ClusterNetworkPolicy nor one of Cilium, Calico, Istio or nftables; name the files or directories that hold them",
                places.join(", ")
            )));
        }
        Ok(Self { kind: Kind::Kubernetes(manifests), texts })
    }

    /// The policies, which mined rules are not: they select nobody who was not there when they were exported.
    pub(crate) fn policies(&self) -> Result<Policies<'_>, Failure> {
        match &self.kind {
            Kind::Kubernetes(manifests) => Ok(Policies::Kubernetes(manifests)),
            Kind::Nftables(ruleset, hook) => Ok(Policies::Nftables(ruleset, *hook)),
            Kind::Mined(_) => Err(Failure::usage(anyhow!(
                "{MINED} lists rules and is no policy; name the policies that were exported beside it, or ask `watershed rules what-if` or `watershed rules diff` about it"
            ))),
        }
    }

    /// What they would have done to edges.
    pub(crate) fn what_if(&self, edges: &[&Edge], workloads: &[Arc<Workload>]) -> Result<Outcome, Failure> {
        match &self.kind {
            Kind::Mined(rules) => Ok(what_if_mined(rules, edges)),
            Kind::Kubernetes(_) | Kind::Nftables(..) => Ok(what_if(self.policies()?, edges, workloads)),
        }
    }

    /// Name and text of each file.
    pub(crate) fn texts(&self) -> Vec<(&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }
}

fn texts(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    paths.iter().map(|path| input::text("policy", path).map_err(Failure::usage)).collect()
}

fn is_nftables(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "nft")
}

/// A file that is named is taken whatever it is called; of a directory, what is called like a policy.
fn files(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        bail!(
            "cannot read {}: directories lie more than {MAX_DEPTH} deep; look for a loop of links",
            path.display()
        );
    }
    let unreadable = || format!("cannot read directory {}", path.display());
    let entries: Result<Vec<PathBuf>, _> =
        path.read_dir().with_context(unreadable)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut entries = entries.with_context(unreadable)?;
    entries.sort_by_key(|entry| (stem(entry).starts_with("default-deny"), entry.clone()));
    for entry in entries.into_iter().filter(|entry| is_taken(entry)) {
        files(&entry, depth + 1, found)?;
    }
    Ok(())
}

/// Whether what lies in a directory is a policy by its name, and in force.
fn is_taken(path: &Path) -> bool {
    let stem = stem(path);
    if stem.is_empty() || stem.starts_with('.') {
        return false;
    }
    let beside_nftables = || path.with_file_name(nftables::ALLOW).exists();
    match path.extension().and_then(|extension| extension.to_str()) {
        // Hosts that protect themselves have a ruleset each, beside that of a router or bridge between them.
        _ if path.is_dir() && stem == HOSTS => !beside_nftables(),
        _ if path.is_dir() => !NOT_IN_FORCE.contains(&stem),
        Some("nft") => !NOT_IN_FORCE.contains(&stem),
        // What stands beside an export for nftables tells of it.
        Some("json") if TOLD_BESIDE.contains(&stem) => !beside_nftables(),
        Some("json") => !NO_POLICIES.contains(&stem),
        Some("yaml" | "yml") => true,
        _ => false,
    }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn of_an_export_the_policies_in_force_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "rules.nft",
            "default-deny.nft",
            "default-deny-revert.nft",
            "hosts/db/rules.nft",
            "certificate.json",
            "mined.json",
            "rules.json",
            "allow/shop/a.yaml",
            "default-deny/in-shop.yaml",
            "default-deny-revert/in-shop.yaml",
            ".git/config.yaml",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = Vec::new();
        files(folder.path(), 0, &mut found).unwrap();
        let found: Vec<_> =
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(
            found,
            ["allow/shop/a.yaml", "rules.nft", "default-deny/in-shop.yaml", "default-deny.nft"]
        );
        // By itself it may be anything.
        fs::remove_file(folder.path().join("rules.nft")).unwrap();
        let mut found = Vec::new();
        files(folder.path(), 0, &mut found).unwrap();
        assert!(found.iter().any(|path| path.ends_with("rules.json")), "{found:?}");
    }
}
