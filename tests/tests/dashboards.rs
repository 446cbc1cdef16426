//! Grafana's dashboards on ClickHouse: every query runs on the engine, on the lab's recording as our store keeps it,
//! for every value of the page's variables, and gives what its panel needs. Queries of Prometheus are in
//! `prometheus.rs`; Grafana's own schema is held against them by `make dashboards-check`.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the dashboards may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use watershed_tests::binary;

#[path = "../support/clickhouse/mod.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
mod server;

/// The data source of these queries.
const CLICKHOUSE: &str = "grafana-clickhouse-datasource";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each dashboard by its name.
fn dashboards() -> BTreeMap<String, Value> {
    let files = fs::read_dir(root().join("dashboards/grafana")).unwrap();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// From the dashboard `name`, the query of the panel with this title.
fn query(name: &str, title: &str) -> String {
    let dashboard = &dashboards()[name];
    let panel = list(dashboard, "panels").iter().find(|panel| panel["title"] == title).expect(title);
    text(&panel["targets"][0], "rawSql").to_owned()
}

/// A query as the data source sends it: for this range of time, in seconds, and these values of variables. What it does
/// not know is an error, as it would be in Grafana.
fn expand(query: &str, (from, to): (u64, u64), values: &BTreeMap<String, String>) -> String {
    let mut sql = query
        .replace("$__fromTime", &format!("toDateTime({from})"))
        .replace("$__toTime", &format!("toDateTime({to})"));
    while let Some(start) = sql.find("$__timeInterval(") {
        let inner = start + "$__timeInterval(".len();
        let mut depth = 1;
        let length = sql[inner..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let end = inner + length.expect("a closing parenthesis");
        let step = format!("toStartOfInterval(toDateTime({}), INTERVAL 3600 second)", &sql[inner..end]);
        sql.replace_range(start..=end, &step);
    }
    for (name, value) in values {
        let quoted = format!("'{}'", value.replace('\'', "''"));
        sql = sql.replace(&format!("${{{name}:sqlstring}}"), &quoted).replace(&format!("${{{name}}}"), value);
    }
    assert!(!sql.contains('$'), "there is no such macro or variable:\n{sql}");
    sql
}

/// The variables of a dashboard as they come, and again with each other value of each.
fn settings(dashboard: &Value) -> Vec<BTreeMap<String, String>> {
    let variables: Vec<(String, Vec<String>)> = list(&dashboard["templating"], "list")
        .iter()
        .filter_map(|variable| {
            let values = match text(variable, "type") {
                "custom" => text(variable, "query").split(',').map(str::to_owned).collect(),
                // What people type, also with a quotation mark in it.
                "textbox" => vec![String::new(), "it's".to_owned()],
                _ => return None,
            };
            Some((text(variable, "name").to_owned(), values))
        })
        .collect();
    let first: BTreeMap<_, _> =
        variables.iter().map(|(name, values)| (name.clone(), values[0].clone())).collect();
    let mut all = vec![first.clone()];
    for (name, values) in &variables {
        for value in &values[1..] {
            all.push(first.clone().into_iter().chain([(name.clone(), value.clone())]).collect());
        }
    }
    all
}

/// What a query gave.
struct Frame {
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Value>>,
}

impl Frame {
    fn ask(server: &server::Server, database: &str, sql: &str) -> Self {
        let answer = server.ask(database, &format!("{sql}\nFORMAT JSONCompact"));
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let column = |column: &Value| (text(column, "name").to_owned(), text(column, "type").to_owned());
        Self {
            columns: list(&answer, "meta").iter().map(column).collect(),
            rows: list(&answer, "data").iter().map(|row| row.as_array().unwrap().clone()).collect(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column == name)
    }

    fn kind(&self, name: &str) -> &str {
        &self.columns.iter().find(|(column, _)| column == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn column(&self, name: &str) -> Vec<&Value> {
        let place = self.columns.iter().position(|(column, _)| column == name).unwrap();
        self.rows.iter().map(|row| &row[place]).collect()
    }

    fn numbers(&self) -> Vec<&str> {
        let numeric = |kind: &str| {
            let kind = kind.trim_start_matches("Nullable(");
            ["UInt", "Int", "Float"].iter().any(|start| kind.starts_with(start))
        };
        self.columns.iter().filter(|(_, kind)| numeric(kind)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Is this what a panel of its kind can show? `frames` are by the letters of its queries.
fn suits(panel: &Value, frames: &BTreeMap<&str, Frame>) {
    let frame = frames.values().next().unwrap();
    match text(panel, "type") {
        "nodeGraph" => is_a_graph(&frames["nodes"], &frames["edges"]),
        "stat" => {
            assert_eq!(frame.rows.len(), 1);
            assert_eq!(frame.numbers().len(), frame.columns.len());
        }
        "timeseries" => {
            assert!(frame.kind("time").starts_with("DateTime"));
            assert!(!frame.numbers().is_empty());
            let times: Vec<&str> = frame.column("time").iter().map(|time| time.as_str().unwrap()).collect();
            assert!(times.is_sorted());
        }
        "barchart" => {
            assert_eq!(frame.kind(text(&panel["options"], "xField")), "String");
            assert_eq!(frame.numbers().len(), 1);
        }
        "table" => {
            let sorted = list(&panel["options"], "sortBy").iter().map(|sort| text(sort, "displayName"));
            sorted.for_each(|name| assert!(frame.has(name), "{name}"));
        }
        other => panic!("nobody knows what a panel {other} needs"),
    }
    for matcher in list(&panel["fieldConfig"], "overrides").iter().map(|rule| &rule["matcher"]) {
        assert!(frames.values().any(|frame| frame.has(text(matcher, "options"))), "{matcher}");
    }
}

/// Source: Grafana's page on the data of its node graph. Names of fields are compared without regard to case.
fn is_a_graph(nodes: &Frame, edges: &Frame) {
    let ids: BTreeSet<&str> = nodes.column("id").iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.rows.len(), "nodes have ids of their own");
    let known = ["id", "title", "subTitle", "mainStat", "secondaryStat", "source", "target", "thickness"];
    for (name, _) in nodes.columns.iter().chain(&edges.columns) {
        let known = known.contains(&name.as_str());
        assert!(known || name.starts_with("arc__") || name.starts_with("detail__"), "{name}");
    }
    assert!(nodes.has("title") && !nodes.has("source"));
    for end in edges.column("source").iter().chain(&edges.column("target")) {
        assert!(ids.contains(end.as_str().unwrap()), "{end} is no node");
    }
    let distinct: BTreeSet<String> = edges.column("id").iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), edges.rows.len(), "edges have ids of their own");
    for (serves, uses) in nodes.column("arc__serves").iter().zip(nodes.column("arc__uses")) {
        let round = serves.as_f64().unwrap() + uses.as_f64().unwrap();
        assert!((round - 1.0).abs() < 1e-9, "arcs are a whole circle, not {round}");
    }
}

/// The recording in a store, and what Watershed itself finds in it.
fn recorded(server: &server::Server) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let recording = root().join("tests/lab/recording");
    let mut discover = Command::new(binary::watershed().unwrap_or_else(|error| panic!("{error}")));
    discover.current_dir(&folder).arg("discover").arg(recording.join("shop.pcapng"));
    discover.arg("--inventory").arg(recording.join("inventory.yaml"));
    let done = discover.args(["--out", "out", "--store", &server.location("lab")]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&fs::read(folder.path().join("out/graph.json")).unwrap()).unwrap()
}

/// The hours of the recording, and the end of the range that is looked at.
fn range(server: &server::Server) -> (u64, u64) {
    let ends = "SELECT toUnixTimestamp(min(hour)), toUnixTimestamp(max(hour)) + 3599 FROM edges_hourly";
    let ends = server.ask("lab", ends);
    let (from, to) = ends.split_once('\t').unwrap();
    (from.parse().unwrap(), to.parse().unwrap())
}

#[test]
fn every_query_gives_what_its_panel_needs() {
    let server = server::Server::start();
    let graph = recorded(&server);
    let range = range(&server);
    // What the recording does not have: loss, and a server that answers only most of the time.
    server
        .ask("lab", "INSERT INTO losses SELECT hour, 'local', 'kernel_dropped', 3 FROM edges_hourly LIMIT 1");
    server.ask(
        "lab",
        "INSERT INTO edges_hourly SELECT * REPLACE (toUInt64(0) AS answered, toUInt64(1) AS connections)
         FROM edges_hourly WHERE port = 5432 AND edges_hourly.answered > 0 LIMIT 1",
    );
    let mut asked = 0;
    for (name, dashboard) in dashboards() {
        for values in settings(&dashboard) {
            let found_nothing = values.values().any(|value| value == "it's");
            for panel in list(&dashboard, "panels") {
                let targets = list(panel, "targets").iter();
                let targets: Vec<_> =
                    targets.filter(|target| target["datasource"]["type"] == CLICKHOUSE).collect();
                let frames: BTreeMap<&str, Frame> = targets
                    .iter()
                    .map(|target| {
                        let sql = expand(text(target, "rawSql"), range, &values);
                        (text(target, "refId"), Frame::ask(&server, "lab", &sql))
                    })
                    .collect();
                if frames.is_empty() {
                    continue;
                }
                asked += frames.len();
                println!("{name}: {} {values:?}", panel["title"]);
                suits(panel, &frames);
                assert!(found_nothing || frames.values().all(|frame| !frame.rows.is_empty()), "nothing");
            }
        }
    }
    assert!(asked > 50, "{asked}");
    agrees(&server, range, &graph);
}

/// What the pages count is what Watershed counts, where both count the same.
fn agrees(server: &server::Server, range: (u64, u64), graph: &Value) {
    let ask = |name: &str, title: &str| {
        let values = settings(&dashboards()[name]).remove(0);
        Frame::ask(server, "lab", &expand(&query(name, title), range, &values))
    };
    let accepted = list(graph, "edges").iter().filter(|edge| edge["verdict"] == "accepted").count();
    let counted = ask("watershed-readiness", "Dependencies, hours watched, seen once");
    assert_eq!(counted.rows[0][0].as_f64(), Some(accepted as f64), "dependencies without scanners");

    let sources = ask("watershed-scans", "Sources");
    let found = sources.column("what").into_iter().filter(|what| **what != "few tries").count();
    let scans = list(graph, "scans").iter().filter(|scan| scan["kind"] != "probe");
    let scanners: BTreeSet<&str> = scans.map(|scan| text(scan, "source")).collect();
    assert_eq!(found, scanners.len(), "{scanners:?}");
}

#[test]
fn the_estimates_are_those_of_the_error_bar() {
    let server = server::Server::start();
    recorded(&server);
    server.ask("lab", "TRUNCATE TABLE edges_hourly");
    // Six dependencies by the hours in which they were seen: Q1 = 3, Q2 = 2, U = 17, m = 10.
    for (port, hours) in [(1, "[0]"), (2, "[1]"), (3, "[2]"), (4, "[0, 1]"), (5, "[3, 4]"), (6, "range(10)")]
    {
        server.ask(
            "lab",
            &format!(
                "INSERT INTO edges_hourly (hour, server_address, port, protocol, client_address, agent, first_seen,
                 last_seen, connections, answered)
                 SELECT fromUnixTimestamp64Second(toInt64(arrayJoin({hours})) * 3600, 'UTC') AS at, '::1', {port}, 6,
                 '::2', 'a', at, at, 1, 1"
            ),
        );
    }
    let values = BTreeMap::new();
    let value = |title: &str| {
        let sql = expand(&query("watershed-readiness", title), (0, 36_000), &values);
        Frame::ask(&server, "lab", &sql).rows[0][0].as_f64().unwrap()
    };
    for (title, expected) in [
        ("Coverage", 1.0 - 3.0 / 17.0 * (27.0 / 31.0)),
        ("New dependencies in the next hour", 0.3),
        ("Never seen, at least", 0.9 * 9.0 / 4.0),
    ] {
        let value = value(title);
        assert!((value - expected).abs() < 1e-9, "{title}: {value}, not {expected}");
    }
}

#[test]
fn each_dashboard_has_a_name_of_its_own_and_its_own_data_sources() {
    let provisioned = fs::read_to_string(root().join("deploy/grafana/datasources/watershed.yaml")).unwrap();
    for (name, dashboard) in dashboards() {
        assert_eq!(text(&dashboard, "uid"), name);
        let variables = list(&dashboard["templating"], "list").iter();
        for source in variables.filter(|variable| variable["type"] == "datasource") {
            let kind = text(source, "query");
            assert!(provisioned.contains(&format!("type: {kind}\n")), "{kind} is provisioned");
        }
    }
}
