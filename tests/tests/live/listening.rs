//! A connection that was met in the middle, between two ports that tell nothing: the host of its server knows.

use crate::namespaces::{self, Namespaces};
use crate::program::Program;
use crate::run::{edges, store_in};

/// Accepts one connection; once a datagram comes on the loopback it speaks first, hears the answer, and is done.
const SERVER: &str = "
import socket
server = socket.create_server(('10.77.0.2', 50051))
trigger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
trigger.bind(('127.0.0.1', 9001))
print('serving', flush=True)
connection, _ = server.accept()
trigger.recv(10)
connection.sendall(b'x' * 100)
connection.recv(10)
trigger.recv(10)
";

/// Connects from a port as high as the server's, hears what the server says, and answers.
const CLIENT: &str = "
import socket
s = socket.socket()
s.bind(('10.77.0.1', 60000))
s.connect(('10.77.0.2', 50051))
print('connected', flush=True)
heard = 0
while heard < 100:
    heard += len(s.recv(100))
s.sendall(b'done')
print('answered', flush=True)
s.recv(10)
";

const TRIGGER: &str =
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'go', ('127.0.0.1', 9001))";

#[test]
fn a_connection_met_in_the_middle_is_the_servers_that_listens() {
    let hosts = Namespaces::new("listening");
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let server = hosts.in_b(&["python3", "-u", "-c", SERVER]);
    let server = Program::start_heeding_stdout(server, "serving");
    let client = hosts.in_a(&["python3", "-u", "-c", CLIENT]);
    let mut client = Program::start_heeding_stdout(client, "connected");
    let arguments = ["run", "--interface", "eth0", "--filter", "tcp", "--store", &store];
    let settings = ["--set", "metrics.listen=none"];
    let live = Program::start(hosts.watershed_command(&[&arguments[..], &settings].concat()), "capturing");
    namespaces::run(&mut hosts.in_b(&["python3", "-c", TRIGGER]));
    client.read_until(b"answered");
    live.end("TERM");
    drop(server);

    let text = edges(&hosts, &store);
    let edge: serde_json::Value = serde_json::from_str(text.trim()).expect(&text);
    assert_eq!(
        (&edge["client"], &edge["server"], &edge["port"]),
        (&"10.77.0.1".into(), &"10.77.0.2".into(), &50_051.into())
    );
    assert!(edge["direction"].as_f64().unwrap() > 0.99, "{text}");
    assert_eq!(edge["states"]["OTH"], 1, "nothing of its start was seen: {text}");
}
