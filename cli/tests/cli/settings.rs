//! `watershed config`, and where settings come from.

use std::fs;

use crate::{folder, stderr, stdout, watershed};

#[test]
fn a_wrong_key_is_named_with_its_line() {
    let folder = folder();
    fs::write(folder.path().join("watershed.toml"), "threads = 1\n\n[flow]\ntcp_idel = \"5m\"\n").unwrap();
    for line in [&["config", "check"][..], &["edges", "a.pcap"]] {
        let run = watershed(&folder).args(line).assert().code(2).stdout("");
        assert_eq!(
            stderr(&run),
            "watershed: watershed.toml:4: unknown key `flow.tcp_idel` (did you mean `flow.tcp_idle`?); \
             `watershed config print` lists them all\n"
        );
    }
}

#[test]
fn print_says_where_each_setting_comes_from() {
    let folder = folder();
    fs::write(folder.path().join("mine.toml"), "[flow]\nidle = \"30s\"\n").unwrap();
    let run = watershed(&folder)
        .args(["config", "print", "--set", "summary.rows=3"])
        .env("WATERSHED_CONFIG", "mine.toml")
        .env("WATERSHED_THREADS", "2")
        .assert()
        .success();
    let text = stdout(&run);
    for expected in [
        "# from: environment variable WATERSHED_THREADS\nthreads = 2\n",
        "# from: flag --set summary.rows\nrows = 3\n",
        "# from: mine.toml:2\nidle = \"30s\"\n",
        "# from: default\ntcp_idle = \"5m\"\n",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    // What is printed is a settings file again.
    fs::write(folder.path().join("again.toml"), &text).unwrap();
    watershed(&folder).args(["config", "check", "--config", "again.toml"]).assert().success();
}

#[test]
fn the_example_files_are_valid() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");
    for name in ["watershed", "collector", "aggregator"] {
        let example = format!("{config}/{name}.toml");
        let run = watershed(&folder()).args(["config", "check", "--config", &example]).assert().success();
        assert!(stdout(&run).starts_with(&format!("{example}: valid\n")), "{}", stdout(&run));
    }
    assert_eq!(fs::read_dir(config).unwrap().count(), 3, "every file in config/ is one of these");
}

#[test]
fn check_tells_of_variables_that_mean_nothing() {
    let run =
        watershed(&folder()).args(["config", "check"]).env("WATERSHED_SERVICE_HOST", "10.0.0.1").assert();
    assert!(stdout(&run.success()).contains("WATERSHED_SERVICE_HOST names no setting and is ignored"));
}

#[test]
fn check_reads_the_inventory() {
    let folder = folder();
    fs::write(folder.path().join("hosts.yaml"), "- address: 10.0.0.1\n  nam: web\n").unwrap();
    let run = watershed(&folder).args(["config", "check", "-i", "hosts.yaml"]).assert().code(2);
    assert!(stderr(&run).contains("hosts.yaml") && stderr(&run).contains("nam"), "{}", stderr(&run));
}
