//! A real kube-apiserver with its etcd, started for the tests and gone with them; see tests/support/kubernetes.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How often a starting server is asked whether it is ready, and how many times: three minutes, on a busy machine.
const ASK_EVERY: Duration = Duration::from_millis(200);
const ASK_TIMES: u32 = 900;

/// Who has one: half a gigabyte and a processor are enough for one at a time, and two take longer than one after the other.
static ONE: Mutex<()> = Mutex::new(());

/// An API server of its own, empty but for what it makes itself: it can be stopped and started again.
#[derive(Debug)]
pub struct ControlPlane {
    cache: PathBuf,
    directory: TempDir,
    ports: [u16; 3],
    etcd: Option<Child>,
    apiserver: Option<Child>,
    /// Given back last.
    _turn: MutexGuard<'static, ()>,
}

impl ControlPlane {
    /// Starts etcd and an API server once no other of this program runs, and waits until it is ready. Builds both first,
    /// once per checkout.
    ///
    /// # Errors
    ///
    /// Says what is missing, or what the servers logged.
    pub fn start() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("cannot make a directory: {error}"))?;
        let cache = built()?;
        // A test that failed has told why, and its servers are gone.
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut this =
            Self { cache, directory, ports: free_ports()?, etcd: None, apiserver: None, _turn: turn };
        let [_, etcd, peer] = this.ports;
        this.etcd = Some(this.spawn("etcd", [etcd, peer])?);
        this.restart()?;
        let config = this.config()?;
        std::fs::write(this.kubeconfig(), config)
            .map_err(|error| format!("cannot write a kubeconfig: {error}"))?;
        Ok(this)
    }

    /// The API server's port on the loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.ports[0]
    }

    /// A kubeconfig of an administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// Kills the API server; etcd goes on, so nothing is lost.
    pub fn kill(&mut self) {
        end(&mut self.apiserver);
    }

    /// Starts the API server again at the same address, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Says what the server logged.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let [port, etcd, _] = self.ports;
        self.apiserver = Some(self.spawn("apiserver", [port, etcd])?);
        let url = format!("https://127.0.0.1:{port}/readyz");
        for _ in 0..ASK_TIMES {
            // Whether it is the right one shows when it is used: this only waits.
            let asked = Command::new("curl")
                .args(["--silent", "--fail", "--insecure", "--max-time", "2", &url])
                .output();
            if asked.map_err(|error| format!("cannot run curl: {error}"))?.status.success() {
                return Ok(());
            }
            let children = [&mut self.etcd, &mut self.apiserver].into_iter().flatten();
            let ended: Vec<_> = children.filter_map(|child| child.try_wait().ok().flatten()).collect();
            if let Some(status) = ended.first() {
                return Err(format!("a server ended with {status}:\n{}", self.log()));
            }
            thread::sleep(ASK_EVERY);
        }
        Err(format!("the API server does not become ready:\n{}", self.log()))
    }

    /// Has etcd go on by a revision, so that an API server that starts afterwards knows of nothing before: whoever asks
    /// it for changes since then is told that this is too old.
    ///
    /// # Errors
    ///
    /// Says what etcd answered.
    pub fn pass_a_revision(&self) -> Result<(), String> {
        let url = format!("http://127.0.0.1:{}/v3/kv/put", self.ports[1]);
        // The key `test`, in base64 as the API has it.
        let asked = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "30", "--data"])
            .args([r#"{"key": "dGVzdA==", "value": ""}"#, &url])
            .output()
            .map_err(|error| format!("cannot run curl: {error}"))?;
        if asked.status.success() {
            return Ok(());
        }
        let said = [asked.stdout, asked.stderr].concat();
        Err(format!("etcd takes nothing: {}", String::from_utf8_lossy(&said)))
    }

    fn config(&self) -> Result<Vec<u8>, String> {
        let mut command = Command::new(script());
        command.arg("kubeconfig").arg(self.directory.path()).arg(self.ports[0].to_string());
        let done = command.output().map_err(|error| format!("cannot run {}: {error}", script().display()))?;
        if done.status.success() {
            Ok(done.stdout)
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    fn spawn(&self, program: &str, ports: [u16; 2]) -> Result<Child, String> {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(script())
            .arg(program)
            .arg(&self.cache)
            .arg(self.directory.path());
        command
            .args(ports.map(|port| port.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0);
        command.spawn().map_err(|error| format!("cannot run setpriv (of util-linux): {error}"))
    }

    fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        let all = read("etcd.log") + &read("apiserver.log");
        let lines: Vec<&str> = all.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        end(&mut self.apiserver);
        end(&mut self.etcd);
    }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/kubernetes/kubernetes")
}

/// The folder that the program is in; builds it first, once per checkout.
fn built() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| format!("cannot find the running test: {error}"))?;
    // TARGET/PROFILE/deps/TEST
    let target = test.ancestors().nth(3).ok_or("the test is not in a target directory")?;
    let cache = target.join("kubernetes");
    let done = Command::new(script()).arg("build").arg(&cache).output();
    let done = done.map_err(|error| format!("cannot run {}: {error}", script().display()))?;
    if done.status.success() {
        return Ok(cache);
    }
    Err(format!("cannot build the API server; Go is needed:\n{}", String::from_utf8_lossy(&done.stderr)))
}

/// Ports that nothing listens on now.
fn free_ports() -> Result<[u16; 3], String> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let failed = |error| format!("cannot find free ports: {error}");
    let held = [listen().map_err(failed)?, listen().map_err(failed)?, listen().map_err(failed)?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().map_err(failed)?.port();
    }
    Ok(ports)
}
