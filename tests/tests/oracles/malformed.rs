//! Broken, truncated and fuzzed captures: no panic, no hang, and every packet accounted for.

use std::collections::BTreeMap;

use crate::support::{captures, collect, file_name, oracle, table};

/// Packets of each capture, as its collection counted them: only where it knew the link type.
fn counted(index: &[BTreeMap<String, String>]) -> BTreeMap<&str, u64> {
    let known = index.iter().filter(|row| !row["dlt"].is_empty());
    known.map(|row| (row["file"].as_str(), row["packets"].parse().expect("a number of packets"))).collect()
}

#[test]
fn every_broken_capture_is_accounted_for() {
    let Some(folder) = oracle("malformed") else { return };
    let index = table(&folder.join("index.tsv"));
    let counted = counted(&index);
    let (mut files, mut packets, mut cut, mut refused) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for capture in captures(&folder) {
        let name = file_name(&capture);
        files += 1;
        let collected = match collect(&capture) {
            Ok(collected) => collected,
            Err(error) => {
                refused += 1;
                assert!(error.contains(&name), "the message names the file: {error}");
                continue;
            }
        };
        let counters = &collected.report.counters;
        assert!(counters.balanced(), "{name}: {counters:?}");
        packets += counters.packets;
        cut += u64::from(!collected.report.problems.is_empty());
        let read = counters.packets;
        if counted.get(name.as_str()).is_some_and(|&expected| expected != read) {
            let (expected, problems) = (counted[name.as_str()], &collected.report.problems);
            wrong.push(format!("{name}: {expected} packets, read {read}: {problems:?}"));
        }
    }
    assert_eq!(files, index.len(), "captures, and lines of the index");
    println!(
        "malformed: {files} captures, {packets} packets all accounted for; {cut} cut short, {refused} refused"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
