//! `watershed flows` and `watershed edges`.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::{capture, folder, stdout, watershed};

#[test]
fn edges_are_one_object_a_line() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let run = watershed(&folder).args(["edges", "shop.pcap", "--format", "json"]).assert().success();
    let edges: Vec<Value> = stdout(&run).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let web = edges.iter().find(|edge| edge["port"] == 80 && edge["client"] == "10.0.0.1").unwrap();
    assert_eq!(
        *web,
        json!({
            "client": "10.0.0.1", "server": "10.0.0.2", "protocol": "tcp", "port": 80,
            "direction": 0.999999, "connections": 2, "packets_to_server": 10, "packets_to_client": 6,
            "bytes_to_server": 10 * 40 + 2 * 38, "bytes_to_client": 6 * 40 + 2 * 27,
            "first_seen": "2023-11-14T22:13:20.002Z", "last_seen": "2023-11-14T22:13:20.017Z",
            "states": {"SF": 2}, "names": ["shop.example"],
        })
    );
    assert_eq!(edges.len(), 2 + 12);
}

#[test]
fn two_threads_print_the_same_bytes_as_one() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    for line in [["edges", "--format", "csv"], ["flows", "--format", "zeek"], ["flows", "--format", "json"]] {
        let run = |threads| {
            let assert =
                watershed(&folder).args(line).args(["shop.pcap", "--threads", threads]).assert().success();
            stdout(&assert)
        };
        assert_eq!(run("1"), run("2"));
    }
}

#[test]
fn an_inventory_names_hosts() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    std::fs::write(
        folder.path().join("hosts.csv"),
        "address,name,role\n10.0.0.0/24,lan,\n10.0.0.2,web1,web\n",
    )
    .unwrap();
    let run =
        watershed(&folder).args(["edges", "shop.pcap", "-i", "hosts.csv", "-f", "csv"]).assert().success();
    assert!(stdout(&run).contains("\nlan,web1,tcp,80,0.999999,2,"), "{}", stdout(&run));
    run.stderr(
        "watershed: note: hosts.csv, line 3: 10.0.0.2/32 (web1) lies in 10.0.0.0/24 (lan) of line 2; \
         the longer prefix wins\n",
    );
}

#[test]
fn a_capture_may_come_through_a_pipe() {
    let folder = folder();
    let run = watershed(&folder).args(["edges", "-"]).write_stdin(capture::bytes()).assert().success();
    assert!(stdout(&run).contains("tcp/80"), "{}", stdout(&run));
}

#[test]
fn zeeks_log_has_a_field_for_each_column() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let run = watershed(&folder).args(["flows", "shop.pcap", "--format", "zeek"]).assert().success();
    let text = stdout(&run);
    let fields: Vec<_> =
        text.lines().find_map(|line| line.strip_prefix("#fields\t")).unwrap().split('\t').collect();
    let rows: Vec<Vec<&str>> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 15);
    assert!(rows.iter().all(|row| row.len() == fields.len()));
    let cell =
        |row: &Vec<&str>, name| row[fields.iter().position(|field| *field == name).unwrap()].to_owned();
    let web = rows.iter().find(|row| cell(row, "id.orig_p") == "40001").unwrap();
    assert_eq!(cell(web, "service"), "http");
    assert_eq!(cell(web, "conn_state"), "SF");
    assert_eq!(cell(web, "ts"), "1700000000.002000");
    assert!(text.ends_with("#close\t2023-11-14-22-13-20\n"), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_watershed"));
    command.env_clear().current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.args(["edges", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    // Nobody reads before anything is written: the capture comes only after that.
    drop(child.stdout.take());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &capture::bytes()).unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(complaint, "");
    assert!(child.wait().unwrap().success());
}
