//! Two network namespaces, `a` and `b`, each with an `eth0` that is the other one's far end.

use std::process::Command;

use watershed_tests::binary;

use crate::program::Program;

/// Sends datagrams: address, how many, octets in each.
pub(crate) const SENDER: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(int(sys.argv[2])):
    s.sendto(b'x' * int(sys.argv[3]), (sys.argv[1], 9000 + n % 10))
";

/// Sends a datagram that nobody answers.
pub(crate) const LAST: &str = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.sendto(b'the last packet', ('10.77.0.255', 9000))
";

/// Answers three connections with what they sent.
pub(crate) const SERVER: &str = "
import socket
s = socket.create_server(('0.0.0.0', 8000))
print('serving')
for n in range(3):
    c, _ = s.accept()
    while data := c.recv(65536):
        c.sendall(data)
    c.close()
";

/// Makes three connections, one after the other.
pub(crate) const CLIENT: &str = "
import socket, sys
for n in range(3):
    s = socket.create_connection((sys.argv[1], 8000))
    s.sendall(b'hello' * 1000)
    s.shutdown(socket.SHUT_WR)
    while s.recv(65536):
        pass
    s.close()
";

/// The namespaces; they go with it.
pub(crate) struct Namespaces {
    a: String,
    b: String,
}

impl Namespaces {
    /// Makes them. `test` keeps the tests of one run apart, which run at the same time.
    pub(crate) fn new(test: &str) -> Self {
        let name = |end| format!("wslive-{}-{test}-{end}", std::process::id());
        let hosts = Self { a: name("a"), b: name("b") };
        for namespace in [&hosts.a, &hosts.b] {
            ip(&["netns", "add", namespace]);
            // Hosts then say nothing by themselves but ARP.
            let quiet = "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done";
            run(Command::new("ip").args(["netns", "exec", namespace, "sh", "-ec", quiet]));
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
        }
        hosts.link();
        hosts
    }

    /// Makes the pair of interfaces.
    pub(crate) fn link(&self) {
        let (a, b) = (self.a.as_str(), self.b.as_str());
        ip(&["-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b]);
        for (namespace, address) in [(a, "10.77.0.1/24"), (b, "10.77.0.2/24")] {
            // Without offloads a capture holds the packets that a wire would.
            let offloads = ["-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "off"];
            run(Command::new("ip").args(["netns", "exec", namespace, "ethtool"]).args(offloads));
            ip(&["-n", namespace, "addr", "add", address, "dev", "eth0"]);
            ip(&["-n", namespace, "link", "set", "eth0", "up"]);
        }
    }

    /// Removes the pair of interfaces.
    pub(crate) fn unlink(&self) {
        ip(&["-n", &self.a, "link", "delete", "eth0"]);
    }

    pub(crate) fn in_a(&self, command: &[&str]) -> Command {
        inside(&self.a, command)
    }

    pub(crate) fn in_b(&self, command: &[&str]) -> Command {
        inside(&self.b, command)
    }

    /// Sends `count` datagrams of `octets` each from `a` to `b`.
    pub(crate) fn send(&self, count: u32, octets: u32) {
        let (count, octets) = (count.to_string(), octets.to_string());
        run(&mut self.in_a(&["python3", "-c", SENDER, "10.77.0.2", &count, &octets]));
    }

    /// The command that runs `watershed` in `b`.
    pub(crate) fn watershed_command(&self, arguments: &[&str]) -> Command {
        let binary = binary::watershed().unwrap_or_else(|error| panic!("{error}"));
        let mut command = self.in_b(&[binary.to_str().unwrap()]);
        command.args(arguments);
        command
    }

    /// A `watershed` in `b` that has begun to capture.
    pub(crate) fn watershed(&self, arguments: &[&str]) -> Program {
        Program::start(self.watershed_command(arguments), "watershed: capturing on")
    }

    /// What `watershed` prints.
    pub(crate) fn watershed_run(&self, arguments: &[&str]) -> String {
        run(&mut self.watershed_command(arguments))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in [&self.a, &self.b] {
            // A test that fails has another message already.
            let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

fn inside(namespace: &str, command: &[&str]) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", namespace]).args(command);
    inside
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

/// Runs a command that must succeed and returns what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{command:?}: {errors}\nthese tests need root, network namespaces, and the packages of `make deps`"
    );
    String::from_utf8(done.stdout).unwrap()
}
