//! ClickHouse for tests: the real engine behind a small HTTP front, started by the test that needs it. Shared
//! by the crates' tests as a file, since none of them may depend on the tests' crate.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A server of the test's own, which may be made to fail; its data end with it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`.
    address: String,
    data: tempfile::TempDir,
}

impl Server {
    /// Starts one on an empty directory.
    pub fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (child, address) = launch(data.path(), &["--port", "0"]);
        Self { child, address, data }
    }

    /// The location of a store in `database`.
    pub fn location(&self, database: &str) -> String {
        format!("clickhouse://default@{}/{database}", self.address)
    }

    /// Prepares what goes wrong next, as the front's own page says: `kind=refuse&code=252`.
    pub fn fault(&self, options: &str) {
        post(&self.address, &format!("/fault?{options}"), "");
    }

    /// What the engine answers, values of a row with tabs between them.
    pub fn ask(&self, database: &str, query: &str) -> String {
        post(&self.address, &format!("/?database={database}"), query).trim_end().to_owned()
    }

    /// Starts it again where it was, on the data that it had, if it was killed or killed itself.
    pub fn start_again_if_dead(&mut self) -> bool {
        if self.child.try_wait().unwrap().is_none() {
            return false;
        }
        let port = self.address.rsplit(':').next().unwrap().to_owned();
        let (child, address) = launch(self.data.path(), &["--port", &port]);
        assert_eq!(address, self.address);
        self.child = child;
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The location of a store that is not there yet: on the server that `CLICKHOUSE_URL` names
/// (`clickhouse://USER@HOST:PORT`), else on one that all tests of this program share.
pub fn fresh_location() -> String {
    static SERVER: OnceLock<String> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "tests have no settings")]
        let named = std::env::var("CLICKHOUSE_URL").ok().filter(|url| !url.is_empty());
        named.map_or_else(start_shared, |url| url.trim_end_matches('/').to_owned())
    });
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    format!("{server}/watershed_test_{}_{number}", std::process::id())
}

/// What the engine answers that has the store at `location`, values of a row with tabs between them.
pub fn ask(location: &str, query: &str) -> String {
    let place = location.strip_prefix("clickhouse://").and_then(|place| place.split_once('/'));
    let (server, database) =
        place.unwrap_or_else(|| panic!("{location}: not clickhouse://HOST:PORT/DATABASE"));
    let address = server.rsplit('@').next().unwrap_or(server);
    post(address, &format!("/?database={database}"), query).trim_end().to_owned()
}

fn start_shared() -> String {
    let data = tempfile::tempdir().unwrap().keep();
    let (mut child, address) = launch(&data, &["--temporary"]);
    // It ends when this program does, since then its standard input ends.
    std::mem::forget(child.stdin.take());
    format!("clickhouse://default@{address}")
}

fn launch(data: &Path, options: &[&str]) -> (Child, String) {
    let support = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/clickhouse"));
    let python = Command::new(support.join("python")).stderr(Stdio::inherit()).output().unwrap();
    assert!(
        python.status.success(),
        "no ClickHouse engine for the tests; see tests/support/clickhouse/python"
    );
    let python = String::from_utf8(python.stdout).unwrap();
    let mut command = Command::new(python.trim());
    command.arg(support.join("server.py")).arg("--data").arg(data).args(options);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    assert!(!address.is_empty(), "the ClickHouse engine did not start");
    (child, address.trim_end().to_owned())
}

/// The body of the answer to a request.
fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}\n{body}");
    body.to_owned()
}
