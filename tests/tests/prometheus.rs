//! The metrics, alert rules and dashboard in the hands of Prometheus itself: `promtool` checks and tests the rules, and a
//! real server scrapes real processes. Needs Debian's package prometheus (`make deps`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use watershed_tests::binary;

/// How often to look, and how long to wait in between: what takes longer than a minute will never come.
const LOOKS: (u32, Duration) = (600, Duration::from_millis(100));

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn promtool(arguments: &[&str]) {
    let done = Command::new("promtool").current_dir(root()).args(arguments).output();
    let done = done.unwrap_or_else(|error| panic!("cannot run promtool ({error}): run `make deps`"));
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}

#[test]
fn the_alert_rules_do_what_their_tests_say() {
    promtool(&["check", "rules", "dashboards/alerts.yaml"]);
    promtool(&["test", "rules", "dashboards/alerts.test.yaml"]);
    promtool(&["check", "config", "--syntax-only", "deploy/prometheus.yaml"]);
}

#[test]
fn every_alert_rule_has_a_test() {
    let read = |name| fs::read_to_string(root().join("dashboards").join(name)).unwrap();
    let (rules, tests) = (read("alerts.yaml"), read("alerts.test.yaml"));
    // What is no name of one alert is a pattern that matches several.
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let times = tests.matches(alert).count();
        assert!(
            times >= 2,
            "alerts.test.yaml has {alert} {times} times: it must be silent once and fire once"
        );
    }
}

/// A program and what it says on standard error; it ends with it.
struct Program {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{command:?} ({error}): run `make deps`"));
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, errors }
    }

    /// The address that the first line with `text` names.
    fn address(&mut self, text: &str) -> String {
        let (mut line, mut all) = (String::new(), String::new());
        while !line.contains(text) {
            line.clear();
            assert!(self.errors.read_line(&mut line).unwrap() > 0, "it ended:\n{all}");
            all.push_str(&line);
        }
        let rest = line.split("address=").nth(1).expect(&line);
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Prometheus answers.
fn ask(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    // HTTP/1.0 answers come in one piece.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").expect(&answer).1;
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// What reads a capture that has no end while the pipe is open.
fn reading(folder: &Path, line: &[&str]) -> (Program, String, thread::JoinHandle<std::process::ChildStdin>) {
    let mut command = Command::new(binary::watershed().unwrap_or_else(|error| panic!("{error}")));
    command.current_dir(folder).args(line).args(["--set", "metrics.listen=127.0.0.1:0"]);
    let mut program = Program::start(&mut command);
    let mut capture = program.child.stdin.take().unwrap();
    let recording = fs::read(root().join("tests/lab/recording/shop.pcapng")).unwrap();
    let writing = thread::spawn(move || {
        // It may have ended, which whoever waits for it finds out.
        let _ = capture.write_all(&recording);
        capture
    });
    let address = program.address("serving /metrics");
    (program, address, writing)
}

/// A server that scrapes these processes every second; its address.
fn prometheus(folder: &Path, targets: &[&str]) -> (Program, String) {
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n  \
         - {{job_name: watershed, static_configs: [{{targets: {targets:?}}}]}}\n",
        root().join("dashboards/alerts.yaml").display()
    );
    fs::write(folder.join("prometheus.yaml"), config).unwrap();
    let mut prometheus = Command::new("prometheus");
    prometheus.current_dir(folder).args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data"]);
    let mut prometheus = Program::start(prometheus.arg("--web.listen-address=127.0.0.1:0"));
    let server = prometheus.address("Listening on");
    (prometheus, server)
}

/// What a query gives now; an error of the query fails the test.
fn query(server: &str, expression: &str) -> Vec<Value> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = ask(server, &format!("/api/v1/query?query={encoded}"));
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    answer["data"]["result"].as_array().unwrap().clone()
}

/// Looks until something holds.
fn until(holds: impl Fn() -> bool, what: &str) {
    let (looks, pause) = LOOKS;
    let held = (0..looks).any(|_| {
        thread::sleep(pause);
        holds()
    });
    assert!(held, "{what}");
}

#[test]
fn prometheus_scrapes_a_run_and_evaluates_the_alert_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, target, writing) = reading(folder.path(), &["run", "-", "--store", "sqlite:edges.db"]);
    let (_prometheus, server) = prometheus(folder.path(), &[&target]);
    let packets = || {
        let found = query(&server, "watershed_packets_total");
        found.first().and_then(|found| found["value"][1].as_str()?.parse::<u64>().ok())
    };
    // The lab's recording has a few more; the last ones may wait for more of standard input.
    until(|| packets().is_some_and(|packets| packets > 5_000), "Prometheus never had the packets");
    let rules = ask(&server, "/api/v1/rules");
    let groups = rules["data"]["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 10);
    for rule in rules {
        assert!(rule["health"] != "err", "{rule}");
    }
    drop(writing.join().unwrap());
    assert!(run.child.wait().unwrap().success());
}

/// The expressions of the dashboard, with what Grafana fills in.
fn expressions() -> Vec<String> {
    let path = root().join("dashboards/grafana/watershed-health.json");
    let dashboard: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let fill = |target: Value| {
        let text = target["expr"].as_str().unwrap();
        let filled =
            text.replace("$__rate_interval", "1m").replace("$__range", "1m").replace("$instance", ".*");
        assert!(!filled.contains('$'), "{filled}");
        filled
    };
    targets.map(fill).collect()
}

#[test]
fn every_expression_of_the_dashboard_finds_what_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = vec![reading(folder.path(), &["run", "-", "--store", "sqlite:edges.db"])];
    if cfg!(feature = "kafka") {
        // They wait for a Kafka that never comes, and tell that they do.
        let kafka = ["--kafka", "127.0.0.1:1"];
        running.push(reading(folder.path(), &[&["collect", "-", "--spool", "spool"], &kafka[..]].concat()));
        running.push(reading(
            folder.path(),
            &[&["aggregate", "--store", "sqlite:kept.db"], &kafka[..]].concat(),
        ));
    } else {
        println!("SKIPPED what agents and aggregators tell: this build is without Kafka");
    }
    let targets: Vec<&str> = running.iter().map(|(_, address, _)| address.as_str()).collect();
    let (_prometheus, server) = prometheus(folder.path(), &targets);
    let expressions = expressions();
    assert!(expressions.len() > 25);
    for expression in expressions {
        // There is no interface, and what is compared with zero may have nothing to show.
        let may_be_empty = expression.contains("watershed_interface_") || expression.contains("> 0");
        let left_out = expression.contains("watershed_kafka_") && !cfg!(feature = "kafka");
        until(
            || !query(&server, &expression).is_empty() || may_be_empty || left_out,
            &format!("nothing for {expression}"),
        );
    }
}
