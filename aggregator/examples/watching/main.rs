//! What watching a large cluster costs, and what a join does: a stand-in for its API server runs in another process.
//!
//! ```text
//! cargo run --release -p watershed-aggregator --example watching [PODS [CHANGES-A-SECOND [SECONDS]]]
//! ```

#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::print_stdout, reason = "its output is what it measured")]

#[path = "../pipeline/measure.rs"]
mod measure;
mod server;

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use measure::measure;
use watershed_aggregator::inventory::kubernetes::{Access, KubernetesWatch};
use watershed_aggregator::{Inventory as _, OpenInventory};
use watershed_model::{Endpoint, Protocol, TimeRange, Timestamp};

/// Joins that are timed.
const JOINS: usize = 2_000_000;

fn now() -> Timestamp {
    Timestamp::default().plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let serves = arguments.next_if(|argument| argument == "serve").is_some();
    let numbers: Vec<usize> = arguments.filter_map(|argument| argument.parse().ok()).collect();
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (pods, changes, seconds) = (number(0, 50_000), number(1, 500), number(2, 60));
    if serves {
        return server::serve(pods, changes);
    }
    let program = std::env::current_exe().expect("it runs from a file");
    let mut child = Command::new(program)
        .args(["serve".to_owned(), pods.to_string(), changes.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started again");
    let mut port = String::new();
    let output = child.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut port).expect("it says where");
    watch(port.trim(), pods, seconds);
    child.kill().and_then(|()| child.wait()).expect("it runs until then");
}

fn watch(port: &str, pods: usize, seconds: usize) {
    let kubeconfig = std::env::temp_dir().join(format!("watching-{}", std::process::id()));
    let config = format!(
        "{{current-context: t, contexts: [{{name: t, context: {{cluster: t, user: t}}}}], users: [{{name: t, user: {{}}}}], \
         clusters: [{{name: t, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]}}"
    );
    std::fs::write(&kubeconfig, config).expect("there is room for a file");
    let mut inventory = OpenInventory::default();
    let started = (Instant::now(), processor_seconds());
    let watch = KubernetesWatch::start(&Access::Kubeconfig(kubeconfig.clone()), &mut inventory, now);
    let watch = watch.expect("the kubeconfig is right");
    std::fs::remove_file(&kubeconfig).expect("it was there");
    while !watch.status().synced || inventory.fronts().is_empty() {
        inventory.catch_up();
        std::thread::sleep(Duration::from_millis(20));
    }
    println!(
        "{pods} pods listed in {:.1} s, {:.1} s of a processor, {} MB at most",
        started.0.elapsed().as_secs_f64(),
        processor_seconds() - started.1,
        memory("VmHWM:")
    );
    let (began, used, before) = (Instant::now(), processor_seconds(), watch.status());
    while began.elapsed() < Duration::from_secs(seconds as u64) {
        inventory.catch_up();
        std::thread::sleep(Duration::from_millis(100));
    }
    let (passed, after) = (began.elapsed().as_secs_f64(), watch.status());
    println!(
        "{:.0} events and {:.0} changes a second, {:.1} % of a processor, {} MB now, {} MB at most",
        (after.events - before.events) as f64 / passed,
        (after.changes - before.changes) as f64 / passed,
        (processor_seconds() - used) / passed * 100.0,
        memory("VmRSS:"),
        memory("VmHWM:")
    );
    joins(&inventory, pods);
}

/// A pod asks a Service, again and again others.
fn joins(inventory: &OpenInventory, pods: usize) {
    let during = TimeRange { start: now(), end: now() };
    let ends: Vec<(IpAddr, Endpoint)> = (0..JOINS)
        .map(|index| {
            let random = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            let (client, service) = (random as usize % pods, random as usize % (pods / 50));
            let client = Ipv4Addr::from(0x0A00_0000 + client as u32);
            let service = Ipv4Addr::from(0x0A60_0000 + service as u32);
            (client.into(), Endpoint { address: service.into(), port: 80 })
        })
        .collect();
    let join = |(client, server): &&(IpAddr, Endpoint)| {
        let client = inventory.identify(*client, during).workload;
        let owner = inventory.identify(server.address, during).workload;
        let reached = inventory.reach(*server, Protocol::TCP, owner, during.start);
        client.is_some() && reached.is_some()
    };
    let (known, took) = measure(|| ends.iter().filter(join).count());
    let nanoseconds = took.cpu.as_nanos() as f64 / JOINS as f64;
    println!(
        "{nanoseconds:.0} ns of a processor a join (both ends, and where the Service leads); {known} of {JOINS} known"
    );
}

/// Processor time of this process so far (proc(5), `stat`: utime and stime, in hundredths of a second).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Megabytes by a line of proc(5), `status`.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) / 1024
}
