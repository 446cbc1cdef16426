//! A node in network namespaces: its pods, a Service's address that it translates, the world outside.
//!
//! ```text
//! shop 10.60.0.10 ─┐                      ┌─ web 10.60.0.20, later cache 10.60.0.20
//! batch 10.60.0.11 ┼─ node 10.60.0.1:9100 ┼─ web's next pod 10.60.0.21
//! dns 10.60.0.30 ──┘                      └─ outside 198.51.100.1, .2, .3
//! ```

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use watershed_tests::binary;
use watershed_tests::namespaces::{self, OFFLOADS, QUIET, delete, done, inside, run, started};
use watershed_tests::process::Process;

pub(super) const NODE: &str = "10.60.0.1";

/// Says what came, until whoever connected has said all.
const SERVER: &str = "
import socket, sys, threading
def serve(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()
server = socket.create_server(('0.0.0.0', int(sys.argv[1])))
print('serving', file=sys.stderr, flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
";

/// Connects so many times, one after the other.
const CONNECT: &str = "
import socket, sys
for n in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
    s.sendall(b'x' * 1000)
    s.shutdown(socket.SHUT_WR)
    while s.recv(65536):
        pass
    s.close()
";

/// Asks a name server for each name, and connects to the address that it gets.
const VISIT: &str = "
import socket, struct, sys
server, port, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
for n, name in enumerate(names):
    query = struct.pack('>6H', n, 0x100, 1, 0, 0, 0)
    query += b''.join(bytes([len(part)]) + part.encode() for part in name.split('.')) + struct.pack('>B2H', 0, 1, 1)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(60)
    s.bind(('0.0.0.0', 40000 + n))
    s.connect((server, 53))
    s.send(query)
    address = socket.inet_ntoa(s.recv(512)[-4:])
    s.close()
    c = socket.create_connection((address, port), 60)
    c.sendall(b'x' * 1000)
    c.shutdown(socket.SHUT_WR)
    while c.recv(65536):
        pass
    c.close()
";

/// The namespaces and what runs in them; all goes with it.
pub(super) struct Node {
    prefix: String,
    folder: TempDir,
    /// By the namespace it runs in.
    running: Vec<(String, Process)>,
    pods: Vec<String>,
}

impl Node {
    pub(super) fn new() -> Self {
        let prefix = format!("wspods-{}", std::process::id());
        let node =
            Self { prefix, folder: tempfile::tempdir().unwrap(), running: Vec::new(), pods: Vec::new() };
        node.namespace("node");
        node.shell("node", &format!("echo 1 > /proc/sys/net/ipv4/ip_forward; ip addr add {NODE}/32 dev lo"));
        node
    }

    /// A pod with these addresses, or whoever else has a link to the node.
    pub(super) fn pod(&mut self, name: &str, addresses: &[&str]) {
        self.namespace(name);
        self.pods.push(name.to_owned());
        let (inside, node) = (self.name(name), self.name("node"));
        let link = ["ip", "-n", &node, "link", "add", &format!("p-{name}"), "type", "veth"];
        run(&[&link[..], &["peer", "name", "eth0", "netns", &inside]].concat());
        self.shell("node", &format!("{QUIET} p-{name} {OFFLOADS}; ip link set p-{name} up"));
        self.shell(
            name,
            &format!(
                "{QUIET} eth0 {OFFLOADS}; ip link set eth0 up; \
                 for a in {}; do ip addr add $a/32 dev eth0; done; \
                 ip route add {NODE} dev eth0; ip route add default via {NODE}",
                addresses.join(" ")
            ),
        );
        for address in addresses {
            self.shell("node", &format!("ip route replace {address}/32 dev p-{name}"));
        }
    }

    /// Ends a pod with all that runs in it.
    pub(super) fn end(&mut self, name: &str) {
        self.running.retain(|(pod, _)| pod != name);
        self.pods.retain(|pod| pod != name);
        run(&["ip", "netns", "delete", &self.name(name)]);
    }

    /// Translates a Service's address and port to a pod's, and to no other's any more.
    pub(super) fn lead(&self, address: &str, port: u16, to: &str) {
        self.shell(
            "node",
            &format!(
                "nft 'table ip service; delete table ip service; table ip service {{ chain in {{ \
                 type nat hook prerouting priority dstnat; ip daddr {address} tcp dport {port} dnat to {to}; }}; }}'"
            ),
        );
    }

    /// A server in a pod, or on the node.
    pub(super) fn serve(&mut self, name: &str, port: u16) {
        let server = self.inside(name, &["python3", "-u", "-c", SERVER, &port.to_string()]);
        self.start(name, server, "serving");
    }

    /// A name server in a pod that knows these names.
    pub(super) fn serve_names(&mut self, (name, address): (&str, &str), names: &[(String, &str)]) {
        let mut server = self.inside(name, &["dnsmasq", "--keep-in-foreground", "--log-facility=-"]);
        server.args([
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
            "--bind-interfaces",
        ]);
        server.arg(format!("--listen-address={address}"));
        server.arg(format!("--pid-file={}", self.folder.path().join("dnsmasq.pid").display()));
        server.args(names.iter().map(|(name, address)| format!("--host-record={name},{address},300")));
        self.start(name, server, "started");
    }

    /// Brings the node to a port of this host's loopback.
    pub(super) fn carry(&mut self, port: u16) {
        let path = self.folder.path().join("carry");
        let carrying = namespaces::carry(&port.to_string(), &path, &[self.name("node")]);
        self.running.extend(carrying.into_iter().map(|process| ("node".to_owned(), process)));
    }

    /// A `watershed run` on the node, once it captures what these pods send and get.
    pub(super) fn watershed(&self, pods: &[&str], arguments: &[&str]) -> Process {
        let binary = binary::watershed().unwrap();
        let mut command = self.inside("node", &[binary.to_str().unwrap(), "run"]);
        for pod in pods {
            command.args(["--interface", &format!("p-{pod}")]);
        }
        command.args(arguments);
        started(command, "capturing")
    }

    /// Makes connections from a pod, one after the other.
    pub(super) fn connect(&self, pod: &str, to: (&str, u16), times: u32) {
        let (port, times) = (to.1.to_string(), times.to_string());
        done(&mut self.inside(pod, &["python3", "-c", CONNECT, to.0, &port, &times]));
    }

    /// Asks for names from a pod, and connects to each.
    pub(super) fn visit(&self, pod: &str, name_server: &str, port: u16, names: &[&str]) {
        let mut visit = self.inside(pod, &["python3", "-c", VISIT, name_server, &port.to_string()]);
        done(visit.args(names));
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn start(&mut self, name: &str, command: Command, ready: &str) {
        self.running.push((name.to_owned(), started(command, ready)));
    }

    fn namespace(&self, name: &str) {
        run(&["ip", "netns", "add", &self.name(name)]);
        self.shell(
            name,
            "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done; ip link set lo up",
        );
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn inside(&self, name: &str, command: &[&str]) -> Command {
        inside(&self.name(name), command)
    }

    fn shell(&self, name: &str, script: &str) {
        done(&mut self.inside(name, &["sh", "-ec", script]));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.clear();
        for name in self.pods.iter().map(String::as_str).chain(["node"]) {
            delete(&self.name(name));
        }
    }
}
