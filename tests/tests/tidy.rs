//! House rules as tests: who imports whom, and what every source file looks like.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// Who may import whom; the binary and the tests may import everything.
const IMPORTS: [(&str, &[&str]); 5] = [
    ("watershed-model", &[]),
    ("watershed-collector", &["watershed-model"]),
    ("watershed-aggregator", &["watershed-model"]),
    ("watershed-graph", &["watershed-model"]),
    ("watershed-policy", &["watershed-graph", "watershed-model"]),
];

/// The binary, and this crate.
const ABOVE_ALL: [&str; 2] = ["watershed", "watershed-tests"];

/// Longest source file, lines: what is longer has two subjects.
const MAX_LINES: usize = 500;

/// Where unsafe code is allowed, each with its reason beside it.
const UNSAFE_ALLOWED: [&str; 2] =
    ["collector/src/flow/prefetch.rs", "collector/src/source/live/enabled/group.rs"];

#[test]
fn crates_import_only_what_lies_below_them() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = IMPORTS.into_iter().collect();
    let members: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        if ABOVE_ALL.contains(&name) {
            continue;
        }
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} is in no line of IMPORTS"));
        for dependency in &package.dependencies {
            let import = dependency.name.as_str();
            assert!(
                !members.contains(import) || allowed.contains(&import),
                "{name} must not import {import}"
            );
        }
    }
}

#[test]
fn nothing_imports_the_binary_or_the_tests() {
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            let import = dependency.name.as_str();
            assert!(!ABOVE_ALL.contains(&import), "{} must not import {import}", package.name);
        }
    }
}

#[test]
fn every_crate_keeps_the_lints_and_the_licence_of_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest: toml::Table = fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(inherits, Some(&toml::Value::Boolean(true)), "{}: [lints] workspace = true", package.name);
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{}", package.name);
    }
}

#[test]
fn every_source_file_says_what_it_is_for_and_is_short() {
    let mut complaints = Vec::new();
    each_source(|file, text| {
        if !text.starts_with("//! ") {
            complaints.push(format!("{file} must open with //! and what it is for"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            complaints.push(format!("{file} has {lines} lines, more than {MAX_LINES}: split it"));
        }
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_property_is_tried_with_the_same_cases_each_time() {
    // Put together here, so that this file does not find itself.
    let property = concat!("prop", "test! {");
    let mut complaints = Vec::new();
    each_source(|file, text| {
        let seeds =
            text.matches("_config(").filter(|_| text.contains("seeded(") || text.contains("RngSeed::Fixed("));
        if text.matches(property).count() > seeds.count() {
            complaints.push(format!(
                "{file} has a property without a fixed seed: give it a configuration with one"
            ));
        }
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn nothing_is_left_undone_and_nothing_is_unsafe_but_what_is_listed() {
    // Put together here, so that this file does not find itself.
    let (undone, exempt) = (concat!("to", "do!("), concat!("(unsafe", "_code"));
    let mut exempted = BTreeSet::new();
    each_source(|file, text| {
        assert!(!text.contains(undone), "{file} leaves something undone");
        if text.contains(exempt) {
            exempted.insert(file.to_owned());
        }
    });
    let listed: BTreeSet<_> = UNSAFE_ALLOWED.map(str::to_owned).into();
    assert_eq!(exempted, listed, "files that allow unsafe code, and those that may");
}

#[test]
fn the_changelog_has_a_section_for_this_version() {
    let metadata = metadata();
    let Ok(changelog) = fs::read_to_string(metadata.workspace_root.join("CHANGELOG.md")) else { return };
    let package = metadata.workspace_packages()[0];
    let version = package.version.to_string();
    let current = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.trim_start_matches('[').trim_start_matches('v'))
        .any(|title| title.to_lowercase().starts_with("unreleased") || title.starts_with(&version));
    assert!(current, "CHANGELOG.md has neither a section Unreleased nor one for {version}");
}

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

/// Calls `check` with the path, relative to the workspace, and text of each Rust file that is ours.
fn each_source(mut check: impl FnMut(&str, &str)) {
    let root = metadata().workspace_root.into_std_path_buf();
    let mut files = Vec::new();
    collect_sources(&root, &mut files);
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        check(name, &fs::read_to_string(&file).unwrap());
    }
}

fn collect_sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            // Build output, hidden directories, and what the web's package manager fetched.
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                collect_sources(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
