//! The metrics and alert rules in the hands of Prometheus itself: `promtool` checks and tests the rules, and a real
//! server scrapes a real `watershed run`. Needs Debian's package prometheus (`make deps`).

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

#[test]
fn prometheus_scrapes_a_run_and_evaluates_the_alert_rules() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Command::new(binary::watershed().unwrap_or_else(|error| panic!("{error}")));
    run.current_dir(&folder).args(["run", "-", "--store", "sqlite:edges.db"]);
    let mut run = Program::start(run.args(["--set", "metrics.listen=127.0.0.1:0"]));
    // The capture has no end while standard input is open, so the run goes on.
    let mut capture = run.child.stdin.take().unwrap();
    let recording = fs::read(root().join("tests/lab/recording/shop.pcapng")).unwrap();
    let writing = thread::spawn(move || {
        capture.write_all(&recording).unwrap();
        capture
    });
    let target = run.address("serving /metrics");

    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n  \
         - {{job_name: watershed, static_configs: [{{targets: ['{target}']}}]}}\n",
        root().join("dashboards/alerts.yaml").display()
    );
    fs::write(folder.path().join("prometheus.yaml"), config).unwrap();
    let mut prometheus = Command::new("prometheus");
    prometheus.current_dir(&folder).args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data"]);
    let mut prometheus = Program::start(prometheus.arg("--web.listen-address=127.0.0.1:0"));
    let server = prometheus.address("Listening on");

    let packets = || {
        let answer = ask(&server, "/api/v1/query?query=watershed_packets_total");
        answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<u64>().ok())
    };
    // The lab's recording has a few more; the last ones may wait for more of standard input.
    let (looks, pause) = LOOKS;
    let scraped = (0..looks).any(|_| {
        thread::sleep(pause);
        packets().is_some_and(|packets| packets > 5_000)
    });
    assert!(scraped, "Prometheus never had the packets");
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
