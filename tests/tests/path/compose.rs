//! What the Compose file runs, run without an engine: its commands, variables, settings and rights as they stand there,
//! with the addresses and places of this test in place of the containers'.

use std::process::Command;

use serde_json::Value;
use watershed_tests::kafka::Kafka;
use watershed_tests::process::Process;
use watershed_tests::{binary, deploy};

use crate::lone::{Lone, fetch};

/// Connections that are sent.
const SENT: u32 = 500;

/// A service of the file, with what stands for what in this test.
struct Service<'a> {
    service: &'a Value,
    instead: &'a [(String, String)],
}

impl Service<'_> {
    fn here(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    fn rights(&self, what: &str) -> Vec<&str> {
        let list = self.service[what].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().map(|word| word.as_str().unwrap()).collect()
    }

    /// Root with the capabilities that are left, and none to gain; a container's own root would have more.
    fn start(&self, said: &str) -> (Process, String) {
        assert_eq!(self.rights("cap_drop").is_empty(), self.rights("security_opt").is_empty());
        let mut bounds = "-all".to_owned();
        for capability in self.rights("cap_add") {
            bounds += &format!(",+{}", capability.to_lowercase());
        }
        let mut command = Command::new("setpriv");
        command.args(["--no-new-privs", &format!("--bounding-set={bounds}"), "--inh-caps=-all"]);
        command.arg(binary::watershed().unwrap());
        command.args(self.rights("command").iter().map(|word| self.here(word)));
        for volume in self.service["volumes"].as_array().into_iter().flatten() {
            if volume["target"] == "/etc/watershed/watershed.toml" {
                command.arg("--config").arg(volume["source"].as_str().unwrap());
            }
        }
        for (name, value) in self.service["environment"].as_object().into_iter().flatten() {
            // The package's user need not be on this machine.
            let user = (name == "WATERSHED_CAPTURE_USER").then(|| "964:965".to_owned());
            command.env(name, user.unwrap_or_else(|| self.here(value.as_str().unwrap())));
        }
        let mut process = Process::start(command);
        let line = process.until_said(said);
        (process, line)
    }
}

#[test]
fn what_the_compose_file_runs_shows_what_the_agent_captured() {
    let kafka = Kafka::start().unwrap();
    let server = crate::clickhouse::Server::start();
    let mut lone = Lone::new("cmp");
    let clickhouse = server.location("compose");
    let inventory = deploy::root().join("deploy/inventory.yaml");
    let instead = [
        ("any", lone.interface()),
        ("127.0.0.1:9092", kafka.brokers()),
        ("kafka:29092", kafka.brokers()),
        ("clickhouse://watershed@clickhouse:8123/watershed", clickhouse.clone()),
        ("clickhouse://watershed@127.0.0.1:8123/watershed", clickhouse),
        ("/var/lib/watershed/spool", lone.file("spool").display().to_string()),
        ("/etc/watershed/inventory.yaml", inventory.display().to_string()),
        // Others have these.
        ("127.0.0.1:9464", "127.0.0.1:0".to_owned()),
        ("0.0.0.0:9464", "127.0.0.1:0".to_owned()),
        ("127.0.0.1:9466", "127.0.0.1:0".to_owned()),
    ];
    let instead = instead.map(|(there, here)| (there.to_owned(), here));
    let project = &deploy::judged(&["compose", "deploy/compose.yaml", "demo"])[0];
    let service = |name: &str| Service { service: &project["services"][name], instead: &instead };
    let (aggregator, _) = service("aggregator").start("reading from");
    let (agent, _) = service("agent").start("shipping to");
    lone.send(SENT);
    let said = agent.end();
    assert!(said.contains(", 0 octets wait in the spool"), "{said}");

    let (mut serve, line) = service("serve").start("127.0.0.1:");
    let port: String =
        line.rsplit_once("127.0.0.1:").unwrap().1.chars().take_while(char::is_ascii_digit).collect();
    let edges = || fetch(&format!("127.0.0.1:{port}"), "/api/v1/edges");
    let all = format!("\"connections\":{SENT}");
    serve.until(|| edges().contains(&all), "all that was captured is served");
    serve.end();
    aggregator.end();
}
