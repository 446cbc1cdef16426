//! Two nodes in network namespaces, with pods, an overlay between them and a service address, and what was sent.
//!
//! ```text
//! node1: shop 10.50.1.10, web 10.50.1.20 ─ bridge ─ vxlan ─┐
//!                                                    uplink│ 172.16.0.0/30
//! node2: app 10.50.2.20, db 10.50.2.30 ── bridge ─ vxlan ──┘
//! ```
//!
//! Each node translates the service address 10.96.0.10:80 to the app's 8080, as Kubernetes' nodes do.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use watershed_tests::binary;
use watershed_tests::namespaces::{self, OFFLOADS, QUIET, delete, done, inside, run, started};
use watershed_tests::process::Process;

/// Pods by name: their node, and the last octet of their address.
const PODS: [(&str, u8, u8); 4] = [("shop", 1, 10), ("web", 1, 20), ("app", 2, 20), ("db", 2, 30)];

/// Translates the service address, whichever node a packet enters at.
const SERVICE: &str = "table ip service { chain in { type nat hook prerouting priority dstnat; \
                       ip daddr 10.96.0.10 tcp dport 80 dnat to 10.50.2.20:8080; }; }";

/// Counts what arrives, each packet as it was on the wire: by sender, protocol and both ports.
const ARRIVALS: &str = "table inet arrivals { \
    set seen { type ipv4_addr . inet_proto . inet_service . inet_service; flags dynamic; counter; }; \
    chain in { type filter hook input priority 0; \
    meta l4proto { tcp, udp } add @seen { ip saddr . meta l4proto . th sport . th dport }; }; }";

/// Answers connections and datagrams on a port with what came.
const SERVER: &str = "
import socket, sys, threading
port = int(sys.argv[1])
tcp, udp = socket.create_server(('0.0.0.0', port)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('0.0.0.0', port))
def datagrams():
    while True:
        data, peer = udp.recvfrom(65536)
        udp.sendto(data, peer)
threading.Thread(target=datagrams, daemon=True).start()
print('serving', file=sys.stderr, flush=True)
while True:
    connection, _ = tcp.accept()
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()
";

/// Connects so many times, one after the other, and says 20,000 octets each time.
const CONNECT: &str = "
import socket, sys
for n in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    s.sendall(b'x' * 20000)
    s.shutdown(socket.SHUT_WR)
    while s.recv(65536):
        pass
    s.close()
";

/// Asks so many times from one socket, each time waiting for the answer.
const ASK: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((sys.argv[1], int(sys.argv[2])))
for n in range(int(sys.argv[3])):
    s.send(b'x' * 100)
    s.recv(65536)
";

/// The namespaces and what runs in them; all goes with it.
pub(crate) struct Nodes {
    prefix: String,
    folder: TempDir,
    running: Vec<Process>,
}

impl Nodes {
    /// Makes them, with Kafka's broker on the same port of each node's loopback.
    pub(crate) fn new(broker: &str) -> Self {
        let prefix = format!("wspath-{}", std::process::id());
        let mut nodes = Self { prefix, folder: tempfile::tempdir().unwrap(), running: Vec::new() };
        for name in ["node1", "node2"].into_iter().chain(PODS.map(|(name, ..)| name)) {
            let namespace = nodes.name(name);
            run(&["ip", "netns", "add", &namespace]);
            nodes.shell(
                name,
                "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; \
                 echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; done; \
                 echo 1 > /proc/sys/net/ipv4/ip_forward; ip link set lo up",
            );
        }
        nodes.connect();
        let on = ["node1", "node2"].map(|node| nodes.name(node));
        nodes.running = carry(broker, nodes.folder.path(), &on);
        for (pod, port) in [("app", 8080), ("db", 5432), ("db", 9000), ("web", 8000), ("web", 8001)] {
            let server = nodes.inside(pod, &["python3", "-u", "-c", SERVER, &port.to_string()]);
            nodes.running.push(started(server, "serving"));
        }
        nodes
    }

    /// The bridges, the overlay and the pods on them.
    fn connect(&self) {
        let (one, two) = (self.name("node1"), self.name("node2"));
        run(&[
            "ip", "-n", &one, "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns",
            &two,
        ]);
        for (node, other) in [(1, 2), (2, 1)] {
            let name = format!("node{node}");
            self.shell(
                &name,
                &format!(
                    "{QUIET} uplink {OFFLOADS}; \
                     ip addr add 172.16.0.{node}/30 dev uplink; ip link set uplink up; \
                     ip link add vxlan42 type vxlan id 42 local 172.16.0.{node} remote 172.16.0.{other} \
                     dstport 4789 dev uplink; \
                     ip addr add 10.50.{node}.0/32 dev vxlan42; ip link set vxlan42 up; \
                     {QUIET} vxlan42 {OFFLOADS}; \
                     ip route add 10.50.{other}.0/24 via 10.50.{other}.0 dev vxlan42 onlink; \
                     ip link add cni0 type bridge mcast_snooping 0; ip addr add 10.50.{node}.1/24 dev cni0; \
                     ip link set cni0 up; nft '{SERVICE}'"
                ),
            );
        }
        for (pod, node, last) in PODS {
            let (inside, outside) = (self.name(pod), self.name(&format!("node{node}")));
            let (far, peer) = (format!("p-{pod}"), ["type", "veth", "peer", "name"]);
            let link = ["ip", "-n", &inside, "link", "add", "eth0"];
            run(&[&link[..], &peer, &[&far, "netns", &outside]].concat());
            self.shell(
                &format!("node{node}"),
                &format!("{QUIET} {far} {OFFLOADS}; ip link set {far} master cni0 up"),
            );
            self.shell(
                pod,
                &format!(
                    "{QUIET} eth0 {OFFLOADS}; \
                     ip addr add 10.50.{node}.{last}/24 dev eth0; ip link set eth0 mtu 1450 up; \
                     ip route add default via 10.50.{node}.1; nft '{ARRIVALS}'"
                ),
            );
        }
    }

    /// An agent on all interfaces of a node, once it captures.
    pub(crate) fn agent(&self, node: &str, name: &str, broker: &str, topic: &str, more: &[&str]) -> Process {
        agent(&self.name(node), name, (broker, topic), &self.folder.path().join(name), more)
    }

    /// Makes connections from a pod, one after the other.
    pub(crate) fn connect_from(&self, pod: &str, address: &str, port: u16, times: u32) {
        self.drive(pod, CONNECT, address, port, times);
    }

    /// Sends datagrams from a pod, each answered before the next.
    pub(crate) fn ask_from(&self, pod: &str, address: &str, port: u16, times: u32) {
        self.drive(pod, ASK, address, port, times);
    }

    fn drive(&self, pod: &str, program: &str, address: &str, port: u16, times: u32) {
        let (port, times) = (port.to_string(), times.to_string());
        done(&mut self.inside(pod, &["python3", "-c", program, address, &port, &times]));
    }

    /// Tries to connect where nobody listens.
    pub(crate) fn is_refused(&self, pod: &str, address: &str, port: u16) {
        let mut command = self.inside(pod, &["python3", "-c", CONNECT, address, &port.to_string(), "1"]);
        let output = command.output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("ConnectionRefusedError"));
    }

    /// Packets and octets that arrived at a pod from an address: with its `sport`, or to `dport`.
    pub(crate) fn arrived(&self, pod: &str, from: &str, port: Port) -> (u64, u64) {
        let listed = done(&mut self.inside(pod, &["nft", "-j", "list", "set", "inet", "arrivals", "seen"]));
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let sets =
            listed["nftables"].as_array().unwrap().iter().filter_map(|item| item["set"]["elem"].as_array());
        let mut sum = (0, 0);
        for element in sets.flatten().map(|element| &element["elem"]) {
            let key = element["val"]["concat"].as_array().unwrap();
            let matches = match port {
                Port::Source(port) => key[2] == port,
                Port::Destination(port) => key[3] == port,
            };
            if key[0] == from && matches {
                sum.0 += element["counter"]["packets"].as_u64().unwrap();
                sum.1 += element["counter"]["bytes"].as_u64().unwrap();
            }
        }
        sum
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

/// Which end's port tells a flow.
#[derive(Clone, Copy)]
pub(crate) enum Port {
    Source(u16),
    Destination(u16),
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.running.clear();
        for name in ["node1", "node2"].into_iter().chain(PODS.map(|(name, ..)| name)) {
            delete(&self.name(name));
        }
    }
}

/// A way to the broker from each of these namespaces, on the same port of its loopback.
pub(crate) fn carry(broker: &str, folder: &Path, namespaces: &[String]) -> Vec<Process> {
    let port = broker.rsplit(':').next().unwrap();
    namespaces::carry(port, &folder.join("broker"), namespaces)
}

/// An agent on all interfaces of a namespace that ships to a topic of a broker, once it captures.
pub(crate) fn agent(
    namespace: &str,
    name: &str,
    (broker, topic): (&str, &str),
    spool: &Path,
    more: &[&str],
) -> Process {
    let binary = binary::watershed().unwrap();
    let mut agent = inside(namespace, &[binary.to_str().unwrap()]);
    // What the node says to the broker is no traffic of the pods.
    agent.args(["collect", "--interface", "any", "--filter", "not net 127.0.0.0/8", "--agent", name]);
    agent.args(["--kafka", broker, "--set", &format!("kafka.topic={topic}")]);
    agent.args(["--set", "metrics.listen=none", "--spool"]).arg(spool).args(more);
    started(agent, "watershed: shipping to")
}
