//! A real Kafka broker, started for the tests and gone with them; see tests/support/kafka.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How often a starting broker is asked whether it listens, and how many times: three minutes, as on a machine that
/// builds meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASK_TIMES: u32 = 3_600;

/// A broker of its own: it can be stopped, killed and started again with the same address and data.
#[derive(Debug)]
pub struct Kafka {
    cache: PathBuf,
    directory: TempDir,
    port: u16,
    control: u16,
    /// Where those are heard who say who they are, if anywhere.
    secured: Option<u16>,
    running: Option<Running>,
}

/// Who may use a broker's secured listener.
pub const USER: &str = "agent";

/// The password of that user.
pub const PASSWORD: &str = "a secret of the tests";

/// The broker's process. The kernel kills it when the thread that started it ends, even by a signal; so that
/// thread lasts as long as this does.
#[derive(Debug)]
struct Running {
    child: Child,
    _keeper: Sender<()>,
}

/// The brokers for tests that share one, as `host:port,...`: those of `KAFKA_BROKERS`, or one that is started
/// for this test program. Topics tell the tests apart.
///
/// # Errors
///
/// Says what is missing, or what the broker logged.
pub fn brokers() -> Result<&'static str, String> {
    static SHARED: OnceLock<Result<(String, Option<Kafka>), String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        #[allow(clippy::disallowed_methods, reason = "which brokers the tests use is theirs to read")]
        if let Ok(given) = std::env::var("KAFKA_BROKERS") {
            return Ok((given, None));
        }
        let kafka = Kafka::start()?;
        Ok((kafka.brokers(), Some(kafka)))
    });
    shared.as_ref().map(|(brokers, _)| brokers.as_str()).map_err(Clone::clone)
}

impl Kafka {
    /// Starts a broker without any data, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Says what is missing, or what the broker logged.
    pub fn start() -> Result<Self, String> {
        Self::start_with(false)
    }

    /// Starts one that also listens with TLS and SASL, with certificates of its own. Its plain listener is there,
    /// too, for tests to look.
    ///
    /// # Errors
    ///
    /// Says what is missing, or what the broker logged.
    pub fn start_secured() -> Result<Self, String> {
        Self::start_with(true)
    }

    fn start_with(secured: bool) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("cannot make a directory: {error}"))?;
        let [port, control, third] = free_ports()?;
        let secured = secured.then_some(third);
        let mut kafka = Self { cache: fetched()?, directory, port, control, secured, running: None };
        kafka.restart()?;
        Ok(kafka)
    }

    /// The address of its secured listener.
    #[must_use]
    pub fn secured_brokers(&self) -> Option<String> {
        self.secured.map(|port| format!("localhost:{port}"))
    }

    /// The certificate of the authority that signed the broker's, and of one that did not.
    #[must_use]
    pub fn authorities(&self) -> [PathBuf; 2] {
        ["ca.pem", "other.pem"].map(|name| self.directory.path().join(name))
    }

    /// Stops it in the middle of whatever it does: it is there and answers nobody.
    ///
    /// # Errors
    ///
    /// There is no `kill`.
    pub fn pause(&mut self) -> Result<(), String> {
        self.signal("STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// There is no `kill`.
    pub fn resume(&mut self) -> Result<(), String> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<(), String> {
        let Some(running) = &self.running else { return Ok(()) };
        let id = running.child.id().to_string();
        let told = Command::new("kill").args(["-s", name, &id]).status();
        told.map(drop).map_err(|error| format!("cannot run kill: {error}"))
    }

    /// Its address.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops it as an administrator does, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// There is no `kill`.
    pub fn stop(&mut self) -> Result<(), String> {
        self.signal("TERM")?;
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.child.wait().map(drop).map_err(|error| format!("cannot wait for the broker: {error}"))
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may have ended already.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// Starts it again where it was stopped or killed, with the same address and data.
    ///
    /// # Errors
    ///
    /// Says what is missing, or what the broker logged.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(script()).arg("run").arg(&self.cache);
        command.arg(self.directory.path()).args([self.port.to_string(), self.control.to_string()]);
        if let Some(secured) = self.secured {
            command.args([&secured.to_string(), USER, PASSWORD]);
        }
        command.stdin(Stdio::null()).process_group(0);
        let mut running = spawn(command)?;
        for _ in 0..ASK_TIMES {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                self.running = Some(running);
                return Ok(());
            }
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("the broker ended with {status}:\n{}", self.log()));
            }
            thread::sleep(ASK_EVERY);
        }
        self.running = Some(running);
        self.kill();
        Err(format!("the broker does not listen on port {}:\n{}", self.port, self.log()))
    }

    fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        read("format.log") + &read("broker.log")
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(mut command: Command) -> Result<Running, String> {
    let (started, child) = channel();
    let (keeper, end) = channel();
    thread::spawn(move || {
        // Nobody waits for an answer that comes too late, and nothing is ever sent to this thread: it ends
        // when the other end is gone.
        let _ = started.send(command.spawn());
        let _ = end.recv();
    });
    let child = child.recv().map_err(|error| error.to_string())?;
    let child = child.map_err(|error| format!("cannot run setpriv (of util-linux): {error}"))?;
    Ok(Running { child, _keeper: keeper })
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/kafka/kafka")
}

/// The folder that the jars are in; fetches them first, once per checkout.
fn fetched() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| format!("cannot find the running test: {error}"))?;
    // TARGET/PROFILE/deps/TEST
    let target = test.ancestors().nth(3).ok_or("the test is not in a target directory")?;
    let cache = target.join("kafka");
    let done = Command::new(script()).arg("fetch").arg(&cache).output();
    let done = done.map_err(|error| format!("cannot run {}: {error}", script().display()))?;
    if done.status.success() {
        return Ok(cache);
    }
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Err(format!("cannot fetch Kafka; Maven and Java 17 or later are needed:\n{out}{err}"))
}

/// Three ports that nothing listens on now.
fn free_ports() -> Result<[u16; 3], String> {
    let failed = |error| format!("cannot find free ports: {error}");
    let listen = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // All of them at a time, so that they differ.
    let listeners = (0..3).map(listen).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().map_err(failed)?.port();
    }
    Ok(ports)
}
