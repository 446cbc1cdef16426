//! Bad input: one clear message, the right exit code, and whatever was readable is kept.

use std::fs;

use crate::{capture, folder, stderr, stdout, watershed};

#[test]
fn a_file_that_is_no_capture_is_refused_by_name() {
    let folder = folder();
    fs::write(folder.path().join("notes.txt"), "meeting at noon\n").unwrap();
    let run = watershed(&folder).args(["edges", "notes.txt"]).assert().code(1).stdout("");
    let message = stderr(&run);
    assert!(
        message.starts_with("watershed: cannot read notes.txt") && message.contains("not a capture"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn a_file_that_is_not_there_is_refused_by_name() {
    let run = watershed(&folder()).args(["discover", "none.pcap"]).assert().code(1).stdout("");
    let message = stderr(&run);
    assert!(message.starts_with("watershed: cannot open none.pcap: No such file"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn what_is_readable_of_a_cut_capture_is_kept() {
    let folder = folder();
    let bytes = capture::bytes();
    fs::write(folder.path().join("cut.pcap"), &bytes[..bytes.len() - 20]).unwrap();
    for command in [["edges", "--format=csv"], ["flows", "--format=zeek"], ["discover", "--out=map"]] {
        let run = watershed(&folder).args(command).arg("cut.pcap").assert().code(1);
        assert!(stdout(&run).contains("10.0.0.2"), "{}", stdout(&run));
        let message = stderr(&run);
        assert!(
            message.starts_with("watershed: cut.pcap, byte ") && message.contains("is cut in the middle"),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1);
    }
    let summary = fs::read_to_string(folder.path().join("map/summary.txt")).unwrap();
    assert!(summary.contains("Not read: cut.pcap, byte "), "{summary}");
}

#[test]
fn a_wrong_inventory_line_is_named_before_anything_is_read() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    fs::write(folder.path().join("hosts.csv"), "address,name\n10.0.0.1,web\n10.0.0.256,db\n").unwrap();
    let run = watershed(&folder)
        .args(["discover", "shop.pcap", "--inventory", "hosts.csv", "--out", "map"])
        .assert();
    let run = run.code(2).stdout("");
    let message = stderr(&run);
    assert!(message.contains("hosts.csv: line 3") && message.contains("10.0.0.256"), "{message}");
    assert!(!folder.path().join("map").exists());
}

#[test]
fn a_directory_that_cannot_be_written_fails() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    fs::write(folder.path().join("map"), "a file").unwrap();
    let run = watershed(&folder).args(["discover", "shop.pcap", "--out", "map"]).assert().code(1);
    assert!(stderr(&run).starts_with("watershed: cannot make the directory map: "), "{}", stderr(&run));
}

#[test]
fn wrong_usage_is_told_from_failed_work() {
    for line in [&["edges"][..], &["edges", "a.pcap", "--format", "xml"], &["edge", "a.pcap"], &[]] {
        let run = watershed(&folder()).args(line).assert().code(2).stdout("");
        assert!(!stderr(&run).is_empty());
    }
    let run = watershed(&folder()).args(["edges", "a.pcap", "--threads", "3"]).assert().code(2);
    assert_eq!(
        stderr(&run),
        "watershed: flag --threads: `threads` cannot be `3`: write a whole number from 1 to 2\n"
    );
}

#[test]
fn a_build_without_live_capture_says_how_to_get_one() {
    let run = watershed(&folder()).args(["discover", "--interface", "none0"]).assert().code(2).stdout("");
    let message = stderr(&run);
    let expected =
        if cfg!(feature = "live") { "there is no such interface" } else { "--features live --bin watershed" };
    assert!(message.starts_with("watershed: cannot capture on none0: "), "{message}");
    assert!(message.contains(expected), "{message}");
}
