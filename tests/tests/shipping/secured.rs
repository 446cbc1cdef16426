//! Brokers that want TLS and to know who it is: shipped and aggregated through, and what a mistake looks like.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use watershed_aggregator::{FlowStore as _, SqliteStore, StoreConfig};
use watershed_tests::binary;
use watershed_tests::kafka::{Kafka, PASSWORD, USER};
use watershed_tests::process::Process;
use watershed_tests::traffic::Truth;

use crate::agent::{connections, spooled, write_capture};

/// A broker, and what is needed to speak to it.
struct Secured {
    kafka: Kafka,
    folder: tempfile::TempDir,
    truth: Truth,
}

impl Secured {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let truth = write_capture(&folder.path().join("a.pcap"));
        for (name, password) in [("right", PASSWORD), ("wrong", "a wrong one")] {
            fs::write(folder.path().join(name), format!("{password}\n")).unwrap();
        }
        Self { kafka: Kafka::start_secured().unwrap(), folder, truth }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that speaks to it so.
    fn command(&self, topic: &str, mechanism: &str, password: &str, authority: &Path) -> Command {
        let mut command = Command::new(binary::watershed().unwrap());
        let topic = format!("secured.{topic}.{}", std::process::id());
        for setting in [
            format!("kafka.brokers={}", self.kafka.secured_brokers().unwrap()),
            format!("kafka.topic={topic}"),
            "kafka.security=sasl_tls".to_owned(),
            format!("kafka.mechanism={mechanism}"),
            format!("kafka.user={USER}"),
            format!("kafka.password_file={}", self.path(password).display()),
            format!("kafka.ca_file={}", authority.display()),
            format!("aggregate.group={topic}"),
            format!("aggregate.dead_letters={topic}.dead"),
            format!("spool.directory={}", self.path("spool").display()),
            "metrics.listen=none".to_owned(),
        ] {
            command.args(["--set", &setting]);
        }
        command
    }

    /// What an agent says that ships the capture, or that gives up.
    fn collected(&self, topic: &str, mechanism: &str, password: &str, authority: &Path) -> String {
        let mut command = self.command(topic, mechanism, password, authority);
        let done = command.args(["collect", "--agent", "node1"]).arg(self.path("a.pcap")).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        // Passwords are told to nobody.
        assert!(!said.contains(PASSWORD) && !said.contains("a wrong one"), "{said}");
        said
    }
}

/// Batches that it shipped, with nothing left behind.
fn shipped(said: &str) -> u64 {
    let line =
        said.lines().find_map(|line| line.strip_suffix(" batches shipped, 0 octets wait in the spool"));
    line.expect(said).trim_start_matches("watershed: ").parse().unwrap()
}

#[test]
fn what_is_shipped_with_tls_and_a_password_is_aggregated_so() {
    let secured = Secured::new();
    let [ours, _] = secured.kafka.authorities();
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let batches = shipped(&secured.collected(mechanism, mechanism, "right", &ours));
        let path = secured.path(&format!("{mechanism}.db"));
        let mut command = secured.command(mechanism, mechanism, "right", &ours);
        command.args(["aggregate", "--store", &format!("sqlite:{}", path.display())]);
        let mut aggregator = Process::start(command);
        let store = || SqliteStore::open_existing(&path, &StoreConfig::default()).ok();
        let kept = || {
            store().and_then(|store| store.status().ok()).map(|s| s.agents.iter().map(|a| a.batches).sum())
        };
        aggregator.until(|| kept() == Some(batches), &format!("{batches} batches were kept"));
        aggregator.end();
        let snapshot = store().unwrap().snapshot(None).unwrap();
        let seen = snapshot.edges.iter().map(|edge| edge.connections).sum::<u64>();
        assert_eq!((seen, snapshot.loss), (secured.truth.connections, vec![]), "{mechanism}");
    }
}

/// Nothing is lost by it: what was captured meanwhile is shipped once the mistake is mended.
#[test]
fn a_wrong_password_and_a_wrong_authority_are_told_and_everything_waits_in_the_spool() {
    let secured = Secured::new();
    let [ours, other] = secured.kafka.authorities();
    let mut waiting = 0;
    for (mechanism, password, authority, expected) in [
        ("SCRAM-SHA-512", "wrong", &ours, "invalid credentials"),
        ("PLAIN", "wrong", &ours, "Invalid username or password"),
        ("SCRAM-SHA-512", "right", &other, "certificate"),
    ] {
        let said = secured.collected("mistakes", mechanism, password, authority);
        assert!(said.contains("watershed: 0 batches shipped"), "{said}");
        let mut told =
            said.lines().filter(|line| line.contains("kafka takes nothing; batches wait in the spool"));
        assert!(told.any(|line| line.contains(expected)), "{expected}: {said}");
        waiting += secured.truth.connections;
        assert_eq!(connections(&spooled(&secured.path("spool"))), waiting);

        let mut command = secured.command("mistakes", mechanism, password, authority);
        command.args(["aggregate", "--store", &format!("sqlite:{}", secured.path("none.db").display())]);
        let mut aggregator = Process::start(command);
        let line = aggregator.until_said(expected);
        aggregator.end();
        assert!(line.contains("Kafka is not there"), "{line}");
    }
    let said = secured.collected("mistakes", "SCRAM-SHA-512", "right", &ours);
    assert!(shipped(&said) > 3, "{said}");
    assert_eq!(connections(&spooled(&secured.path("spool"))), 0);
}
