//! Who owns the listening sockets of a host, as far as its agent may see: real programs of several users.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::namespaces::Namespaces;
use crate::program::Program;
use crate::run::{Running, eventually, store_in};

/// Listens on an address and port, and waits for a connection that does not come.
const LISTEN: &str = "
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print('listening', flush=True)
server.accept()
";

/// The agent's user and group, and those of two others.
const AGENT: u32 = 964;
const SHOP: u32 = 1_234;
const OTHER: u32 = 4_321;

const ADDRESS: &str = "10.77.0.2";

/// A host with programs of names of their own, and a store that the agent may write.
struct Host {
    hosts: Namespaces,
    folder: TempDir,
    store: String,
}

impl Host {
    fn new(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let kept = folder.path().join("kept");
        fs::create_dir(&kept).unwrap();
        chown(&kept, Some(AGENT), Some(AGENT)).unwrap();
        Self { hosts: Namespaces::new(test), store: store_in(&kept), folder }
    }

    /// A program called `name` of a user that listens by now.
    fn listen(&self, name: &str, user: u32, address: &str, port: u16) -> Program {
        let program = self.folder.path().join(name);
        if !program.exists() {
            symlink(Path::new("/usr/bin/python3"), &program).unwrap();
        }
        let (user, port) = (user.to_string(), port.to_string());
        let become_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
        let run = [program.to_str().unwrap(), "-u", "-c", LISTEN, address, &port];
        Program::start_heeding_stdout(self.hosts.in_b(&[&become_user[..], &run].concat()), "listening")
    }

    fn agent(&self, more: &[&str]) -> Running<'_> {
        let user = format!("{AGENT}:{AGENT}");
        Running::start(&self.hosts, &self.store, &[&["--user", &user], more].concat())
    }

    fn who(&self, more: &[&str]) -> String {
        self.hosts.watershed_run(&[&["who", ADDRESS, "--store", &self.store], more].concat())
    }

    /// Service, process and user of what listened, `-` where the process is not known.
    fn listening(&self, more: &[&str]) -> Vec<String> {
        let line = |it: &Value| {
            let process = it["process"].as_str().unwrap_or("-");
            format!("{} {process} {}", it["service"].as_str().unwrap(), it["user"])
        };
        self.told(more).iter().map(line).collect()
    }

    fn told(&self, more: &[&str]) -> Vec<Value> {
        let answer: Value = serde_json::from_str(&self.who(&[&["--format", "json"], more].concat())).unwrap();
        answer["listening"].as_array().unwrap().clone()
    }
}

#[test]
fn who_may_see_names_every_process_and_the_one_that_takes_its_place() {
    let host = Host::new("owners");
    let first = host.listen("shop-web", SHOP, ADDRESS, 8080);
    // A name that would colour a terminal.
    let _other = host.listen("odd\u{1b}[31m", OTHER, "0.0.0.0", 8081);
    let _hidden = host.listen("inside", OTHER, "127.0.0.1", 8082);
    let agent = host.agent(&["--set", "capture.owners=all"]);
    let both = ["tcp/8080 shop-web 1234", "tcp/8081 odd\u{fffd}[31m 4321"];
    eventually("both are named", || host.listening(&[]) == both);
    // The agent's own metrics are the fourth.
    assert_eq!(agent.metric("watershed_listening_sockets"), 4);
    assert_eq!(agent.metric("watershed_listening_sockets_unknown"), 0);
    let status = fs::read_to_string(format!("/proc/{}/status", agent.program.id())).unwrap();
    // CAP_DAC_READ_SEARCH, CAP_NET_RAW and CAP_SYS_PTRACE are numbers 2, 13 and 19 in capabilities(7).
    let kept = format!("CapEff:\t{:016x}\n", 1 << 2 | 1 << 13 | 1 << 19);
    assert!(status.contains(&kept) && status.contains("Uid:\t964\t964\t964\t964\n"), "{status}");

    drop(first);
    let _second = host.listen("shop-new", SHOP, ADDRESS, 8080);
    let all = ["tcp/8080 shop-web 1234", "tcp/8080 shop-new 1234", "tcp/8081 odd\u{fffd}[31m 4321"];
    eventually("the new one is named, too", || host.listening(&[]) == all);
    let told = host.told(&[]);
    let time = |place: usize, what: &str| told[place][what].as_str().unwrap().to_owned();
    assert!(time(0, "last_seen") < time(1, "first_seen"), "{told:?}");
    assert_eq!(host.listening(&["--at", &time(0, "last_seen")])[..1], all[..1]);
    let then = host.listening(&["--at", &time(1, "first_seen")]);
    assert_eq!(then, all[1..], "from its time on it is the newer one's");
    agent.program.end("TERM");
    let text = host.who(&[]);
    assert!(text.contains("Listens, as its agent sees") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn who_may_not_see_names_its_own_and_counts_the_others() {
    let host = Host::new("unseen");
    let _shop = host.listen("shop-web", SHOP, ADDRESS, 8080);
    let _own = host.listen("own", AGENT, ADDRESS, 8081);
    let _other = host.listen("other", OTHER, ADDRESS, 8082);
    let agent = host.agent(&[]);
    let seen = ["tcp/8080 - 1234", "tcp/8081 own 964", "tcp/8082 - 4321"];
    eventually("all are told of", || host.listening(&[]) == seen);
    assert_eq!(agent.metric("watershed_listening_sockets"), 4);
    assert_eq!(agent.metric("watershed_listening_sockets_unknown"), 2);
    let (_, errors) = agent.program.end("TERM");
    assert!(errors.contains("owners of 2 of 4 listening sockets unknown: not permitted"), "{errors}");
    let text = host.who(&[]);
    assert!(text.contains("2 of 3 by a process that the agent may not see (capture.owners)"), "{text}");
}

#[test]
fn a_discovery_keeps_who_listens_too() {
    let host = Host::new("ownmap");
    let _shop = host.listen("shop-web", SHOP, ADDRESS, 8080);
    let arguments = ["discover", "--interface", "eth0", "--for", "1s", "--store", &host.store];
    for (owners, expected, said) in [
        ("own", "tcp/8080 - 1234", "watershed: owners of 1 of 1 listening sockets unknown: not permitted"),
        ("all", "tcp/8080 shop-web 1234", "capturing on eth0"),
    ] {
        let owners = format!("capture.owners={owners}");
        let done =
            host.hosts.watershed_command(&[&arguments[..], &["--set", &owners]].concat()).output().unwrap();
        let errors = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() && errors.contains(said), "{errors}");
        assert_eq!(host.listening(&[]).last().map(String::as_str), Some(expected));
    }
}
