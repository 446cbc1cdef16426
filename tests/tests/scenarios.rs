//! Runs every scenario file of `scenarios/`: traffic is synthesised, `watershed` reads it, and what it
//! writes is compared with what the file expects. Adding a file adds a case.

#![expect(clippy::unwrap_used, reason = "a test that cannot write its files may panic")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use watershed_tests::binary;
use watershed_tests::capture::{CaptureWriter, WHOLE};
use watershed_tests::scenario::{Scenario, Text, differences};

/// As many as there should be at the least: an empty directory must not pass.
const FEWEST: usize = 14;

#[test]
fn every_scenario_is_understood() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension() == Some(OsStr::new("toml")));
    files.sort();
    assert!(files.len() >= FEWEST, "only {} scenarios in {}", files.len(), directory.display());

    let mut failures = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().display();
        let found = run(&fs::read_to_string(file).unwrap()).unwrap_or_else(|error| vec![error]);
        if !found.is_empty() {
            failures.push(format!("{name}\n  {}", found.join("\n  ")));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} scenarios failed\n\n{}",
        failures.len(),
        files.len(),
        failures.join("\n\n")
    );
}

/// What differs from what the scenario expects.
fn run(text: &str) -> Result<Vec<String>, String> {
    let scenario = Scenario::parse(text)?;
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("scenario.pcap");
    let out = directory.path().join("out");
    write_capture(&scenario, &capture)?;

    let mut inventory = Vec::new();
    if let Some(yaml) = scenario.inventory_yaml() {
        let file = directory.path().join("inventory.yaml");
        fs::write(&file, yaml).unwrap();
        inventory = vec![OsStr::new("--inventory").to_owned(), file.into_os_string()];
    }
    let json = ["--format", "json"].map(OsStr::new);
    let edges = watershed("edges", &capture, json, &inventory)?;
    watershed("discover", &capture, ["--out".as_ref(), out.as_os_str()], &inventory)?;

    let expect = &scenario.expect;
    let mut found = differences("edge", &scenario.resolve(&expect.edges(), true), &lines(&edges)?);
    let rules = list(&out, "rules.json", "rules")?;
    found.extend(differences("rule", &scenario.resolve(&expect.rules, true), &rules));
    let held_back = list(&out, "rules.json", "held_back")?;
    found.extend(differences("held back", &scenario.resolve(&expect.held_back, true), &held_back));
    let scans = list(&out, "graph.json", "scans")?;
    found.extend(differences("scan", &scenario.resolve(&expect.scans, true), &scans));
    if let Some(flows) = &expect.flows {
        let actual = watershed("flows", &capture, json, &[])?;
        found.extend(differences("flow", &scenario.resolve(flows, false), &lines(&actual)?));
    }
    for text in &expect.text {
        found.extend(text_differences(&out, text)?);
    }
    Ok(found)
}

fn write_capture(scenario: &Scenario, path: &Path) -> Result<(), String> {
    let mut writer = CaptureWriter::new(Vec::new(), WHOLE).unwrap();
    for frame in scenario.frames()? {
        writer.write(frame.time, &frame.bytes).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
    Ok(())
}

/// What the binary prints.
fn watershed(
    verb: &str,
    capture: &Path,
    flags: [&OsStr; 2],
    inventory: &[OsString],
) -> Result<String, String> {
    let mut command = Command::new(binary::watershed()?);
    let output = command.arg(verb).arg(capture).args(flags).args(inventory).output().unwrap();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{verb} ended with {}: {complaint}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{verb}: {error}"))
}

fn lines(text: &str) -> Result<Vec<Value>, String> {
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error} in {line}")))
        .collect()
}

fn list(out: &Path, file: &str, key: &str) -> Result<Vec<Value>, String> {
    let text = read(out, file)?;
    let document: Value = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    document[key].as_array().cloned().ok_or_else(|| format!("{file} has no list {key:?}"))
}

fn text_differences(out: &Path, expected: &Text) -> Result<Vec<String>, String> {
    let Text { file, contains, lacks } = expected;
    let text = read(out, file)?;
    let missing = contains.iter().filter(|words| !text.contains(*words));
    let present = lacks.iter().filter(|words| text.contains(*words));
    let missing = missing.map(|words| format!("{file} lacks {words:?}"));
    Ok(missing.chain(present.map(|words| format!("{file} contains {words:?}"))).collect())
}

fn read(out: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(out.join(file)).map_err(|error| format!("{file}: {error}"))
}
