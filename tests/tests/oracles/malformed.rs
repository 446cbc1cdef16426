//! Broken, truncated and fuzzed captures: no panic, and every packet accounted for.

use std::collections::BTreeMap;

use crate::support::{captures, collect, file_name, oracle, table};

#[test]
fn every_broken_capture_is_accounted_for() {
    let Some(folder) = oracle("malformed") else { return };
    let index: BTreeMap<String, u64> = table(&folder.join("index.tsv"))
        .iter()
        .filter_map(|row| Some((row["file"].clone(), row["packets"].parse().ok()?)))
        .collect();
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
        cut += collected.report.problems.len();
        if let Some(&expected) = index.get(&name)
            && expected != counters.packets
        {
            wrong.push(format!("{name}: {expected} packets, read {}: {:?}", counters.packets, collected.report.problems));
        }
    }
    println!("malformed: {files} captures, {packets} packets all accounted for; {cut} cut or corrupt, {refused} refused");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
