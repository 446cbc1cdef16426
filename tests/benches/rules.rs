//! How long mining, exporting and proving take as estates grow, and how much memory: linear, or not.
//!
//! Run with `make bench-rules`. One line for each size; the peak of memory is the process's so far.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::Instant;

use watershed_policy::export::kubernetes;
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::proof::kubernetes::prove;
use watershed_tests::estate::{APPLICATION, Config, Estate};

/// Workloads, and applications that each application calls: about 10 k, 100 k and 1 M dependencies.
const SIZES: [(usize, usize); 3] = [(1_000, 7), (5_000, 20), (10_000, 110)];

fn main() {
    println!("workloads  dependencies   rules  census   mine  export  prove  total  peak");
    for (workloads, calls) in SIZES {
        run(&Config { applications: workloads / APPLICATION, calls, observed: 0.97, seed: 7 });
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn run(config: &Config) {
    let estate = Estate::new(config);
    let started = Instant::now();
    let census = Census::of(estate.edges(), &estate.workloads).expect("a census");
    let counted = Instant::now();
    let plan = mine(&census, Level::Service);
    let mined = Instant::now();
    let export = kubernetes::export(&census, &plan).expect("policies");
    let exported = Instant::now();
    let certificate = prove(&census, &plan, &export, "bench").expect("a proof");
    let proven = Instant::now();
    let seconds = |from: Instant, to: Instant| (to - from).as_secs_f64();
    println!(
        "{:>9} {:>13} {:>7} {:>6.2}s {:>5.2}s {:>6.2}s {:>5.2}s {:>5.2}s {}",
        estate.workloads.len(),
        certificate.dependencies_replayed,
        plan.rules.len(),
        seconds(started, counted),
        seconds(counted, mined),
        seconds(mined, exported),
        seconds(exported, proven),
        seconds(started, proven),
        peak(),
    );
}

/// The most memory that the process has held, as Linux tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
