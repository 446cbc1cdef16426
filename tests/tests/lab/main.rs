//! The lab: what `watershed` makes of a recording of real programs, against the truth that was written
//! down while they were driven.
//!
//! The committed recording is checked everywhere. The lab itself needs root, network namespaces and the
//! packages of `lab/packages`; without them its tests fail and say what is missing.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files may panic")]

mod truth;

mod observed;

mod checks;

mod named;

mod dialects;

mod sent;

mod live;

use std::path::{Path, PathBuf};

use observed::Observed;
use truth::Truth;

/// Where the lab's scripts and the committed recording are.
fn lab(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab").join(path)
}

#[test]
fn the_recording_is_understood() {
    println!("lab: committed recording: {}", check(&lab("recording")));
}

#[test]
fn the_output_is_the_same_every_time() {
    let recording = lab("recording");
    for inventory in [false, true] {
        let first = Observed::of(&recording, inventory, 1);
        assert!(first == Observed::of(&recording, inventory, 1), "two runs differ");
        assert!(first == Observed::of(&recording, inventory, 2), "one thread and two differ");
    }
}

/// Holds a recording against its truth, by address and by name, and says how that went.
fn check(recording: &Path) -> String {
    let truth = Truth::read(&recording.join("truth.json"));
    let by_address = Observed::of(recording, false, 1);
    let by_name = Observed::of(recording, true, 1);
    let mut complaints = checks::complaints(&truth, &by_address);
    complaints.extend(named::complaints(&truth, &by_address, &by_name));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    let (packets, edges, scans) = (truth.recording.packets, truth.edges.len(), truth.scans.len());
    let vain = truth.attempts().count();
    format!("{packets} packets; {edges} edges, {vain} vain tries, {scans} scans: all found, none invented")
}
