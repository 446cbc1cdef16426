//! One agent by itself on an interface whose far end is a host of its own, and what that host sends.
//!
//! The agent runs beside the broker, so that both need no way to each other; the interface has no address here, so
//! that nothing but what is sent passes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use watershed_tests::binary;
use watershed_tests::process::Process;

/// Packets of the tests' own, not what hosts say by themselves.
const OURS: &str = "udp and dst port 9000";

/// Sends datagrams, each of a flow of its own: the number of the first, and how many.
const SEND: &str = "
import socket, struct, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('eth0', 0))
ethernet = bytes.fromhex('0200000000010200000000020800')
first, count = int(sys.argv[1]), int(sys.argv[2])
for n in range(first, first + count):
    ip = struct.pack('!BBHHHBBHII', 0x45, 0, 128, 0, 0, 64, 17, 0, 0x0a000000 + n // 50000, 0x0a630001)
    udp = struct.pack('!HHHH', 10000 + n % 50000, 9000, 108, 0)
    out.send(ethernet + ip + udp + bytes(100))
";

/// The interface and the host behind it; they go with it.
pub(crate) struct Lone {
    tag: &'static str,
    folder: TempDir,
    sent: u32,
}

impl Lone {
    /// Makes them. `tag`, of four letters at most, keeps the tests of one run apart.
    pub(crate) fn new(tag: &'static str) -> Self {
        let lone = Self { tag, folder: tempfile::tempdir().unwrap(), sent: 0 };
        let host = lone.host();
        run(&["ip", "netns", "add", &host]);
        lone.link();
        lone
    }

    /// Makes the interface.
    pub(crate) fn link(&self) {
        let (interface, host) = (self.interface(), self.host());
        let far = ["type", "veth", "peer", "name", "eth0", "netns", &host];
        run(&[&["ip", "link", "add", &interface][..], &far].concat());
        let quiet = "echo 1 > /proc/sys/net/ipv6/conf/$1/disable_ipv6";
        run(&["sh", "-ec", quiet, "sh", &interface]);
        run(&["ip", "netns", "exec", &host, "sh", "-ec", quiet, "sh", "eth0"]);
        run(&["ip", "-n", &host, "link", "set", "eth0", "up"]);
        run(&["ip", "link", "set", &interface, "up"]);
    }

    /// Removes it.
    pub(crate) fn unlink(&self) {
        run(&["ip", "link", "delete", &self.interface()]);
    }

    /// Sends so many datagrams, no two of one flow.
    pub(crate) fn send(&mut self, count: u32) {
        let (first, number) = (self.sent.to_string(), count.to_string());
        run(&["ip", "netns", "exec", &self.host(), "python3", "-c", SEND, &first, &number]);
        self.sent += count;
    }

    /// How many were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.into()
    }

    /// A place for files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An agent that has begun to capture.
    pub(crate) fn agent(&self, brokers: &str, topic: &str) -> Agent {
        let mut command = Command::new(binary::watershed().unwrap());
        command.args(["collect", "--interface", &self.interface(), "--filter", OURS, "--agent", "lone"]);
        // So much room in the kernel's buffer that nothing is dropped there, however busy the machine is.
        command.args(["--buffer", "256", "--kafka", brokers, "--spool"]).arg(self.file("spool"));
        for setting in [
            format!("kafka.topic={topic}").as_str(),
            "metrics.listen=127.0.0.1:0",
            // Flows without a packet end soon, so that what was sent is soon on its way.
            "flow.idle=500ms",
            "spool.max_bytes=8388608",
        ] {
            command.args(["--set", setting]);
        }
        let mut process = Process::start(command);
        process.until_said("watershed: shipping to");
        let line = process.until_said("serving /metrics");
        let address = line.rsplit_once("address=").expect(&line).1.to_owned();
        Agent { process, address }
    }

    fn host(&self) -> String {
        format!("wslone-{}-{}", std::process::id(), self.tag)
    }

    /// The interface's name here.
    pub(crate) fn interface(&self) -> String {
        format!("wl{}{}", std::process::id(), self.tag)
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        // A test that fails has another message already. The interface goes with its far end.
        let _ = Command::new("ip").args(["netns", "delete", &self.host()]).output();
    }
}

/// A running agent, and what it tells about itself.
pub(crate) struct Agent {
    process: Process,
    address: String,
}

impl Agent {
    /// What it answers: `HTTP/1.1 200 OK ...`.
    pub(crate) fn fetch(&self, path: &str) -> String {
        fetch(&self.address, path)
    }

    /// A metric, by its name and labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        metric(&self.address, name)
    }

    /// Waits until a metric is as it should be.
    pub(crate) fn until(&mut self, name: &str, holds: impl Fn(u64) -> bool) {
        let Self { process, address } = self;
        process.until(|| holds(metric(address, name)), &format!("{name} was as it should be"));
    }

    /// Waits until its readiness says this.
    pub(crate) fn until_readiness_says(&mut self, text: &str) {
        let Self { process, address } = self;
        process.until(|| fetch(address, "/readyz").contains(text), &format!("its readiness said `{text}`"));
    }

    /// Kills it without a warning.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Asks it to end; what it said.
    pub(crate) fn end(self) -> String {
        self.process.end()
    }
}

pub(crate) fn fetch(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn metric(address: &str, name: &str) -> u64 {
    let text = fetch(address, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

fn run(command: &[&str]) {
    let done = Command::new(command[0]).args(&command[1..]).output();
    let done = done.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {errors}\nthese tests need root and network namespaces");
}
