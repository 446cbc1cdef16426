//! The documentation as a book: every page is in its table of contents, every link leads somewhere, and the pages that are
//! made from the program are what it says now.

#![expect(clippy::unwrap_used, reason = "a test that cannot read docs/ may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use watershed_tests::binary;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Text of each page, by its path from the root.
fn pages() -> BTreeMap<PathBuf, String> {
    let files = fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().path());
    let books = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let others =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().to_owned(), text)
    };
    books.chain(others).map(page).collect()
}

/// The lines outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// Where the links of a text lead: what stands in `](...)`.
fn links(text: &str) -> Vec<&str> {
    let pieces = prose(text).flat_map(|line| line.split("](").skip(1));
    pieces.filter_map(|piece| piece.split(')').next()).collect()
}

/// Headings as links name them: lower case, words joined by hyphens, without punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let word = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    headings.map(|heading| heading.to_lowercase().chars().filter_map(word).collect()).collect()
}

/// `docs/../config/x` is `config/x`.
fn straight(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut straight, part| {
        match part {
            Component::ParentDir => drop(straight.pop()),
            part => straight.push(part),
        }
        straight
    })
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let pages = pages();
    let listed: BTreeSet<PathBuf> = links(&pages[Path::new("docs/SUMMARY.md")])
        .into_iter()
        .map(|link| Path::new("docs").join(link))
        .collect();
    for path in pages.keys().filter(|path| path.starts_with("docs") && !path.ends_with("SUMMARY.md")) {
        assert!(listed.contains(path), "docs/SUMMARY.md does not list {}", path.display());
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut dead = Vec::new();
    for (path, text) in &pages {
        for link in links(text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file =
                if file.is_empty() { path.clone() } else { straight(&path.parent().unwrap().join(file)) };
            let known =
                pages.get(&file).is_none_or(|page| anchor.is_empty() || anchors(page).contains(anchor));
            // The book has its own pages only.
            let outside = path.starts_with("docs") && !file.starts_with("docs");
            if !root().join(&file).exists() || !known || outside {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
        let included = text.split("{{#include ").skip(1).filter_map(|piece| piece.split("}}").next());
        let missing = included.filter(|file| !root().join("docs").join(file).exists());
        dead.extend(missing.map(|file| format!("{}: {file}", path.display())));
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let watershed = binary::watershed().unwrap_or_else(|error| panic!("{error}"));
    let made =
        Command::new(root().join("scripts/write-pages")).arg("--print").arg(watershed).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let kept = fs::read_to_string(root().join("docs/commands.md")).unwrap();
    assert!(
        kept == String::from_utf8(made.stdout).unwrap(),
        "docs/commands.md is old: run make pages and commit it"
    );
}
