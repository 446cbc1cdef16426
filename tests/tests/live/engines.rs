//! Real container engines, each in a network namespace and a folder of its own: Docker's, and Podman's, which speaks the
//! same API. Needs root and the packages in `tests/lab/packages`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use watershed_aggregator::inventory::Source;
use watershed_aggregator::inventory::docker::{DockerStatus, DockerWatch};
use watershed_aggregator::inventory::fronts::Backend;
use watershed_aggregator::{Inventory as _, OpenInventory};
use watershed_model::{Endpoint, Protocol, Timestamp};

/// How often to look whether something has come about, and how many times: a minute.
const LOOK: (Duration, u32) = (Duration::from_millis(20), 3_000);

/// What the containers are made of: one program that waits, and two ports that the image exposes.
const IMAGE: [&str; 3] = ["EXPOSE 50051/tcp", "EXPOSE 53/udp", "CMD [\"/bin/sleep\",\"1000\"]"];

#[allow(clippy::disallowed_methods, reason = "a watcher is given a clock, and this is the test's")]
fn now() -> Timestamp {
    Timestamp::default().plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// An engine that runs, or does not at present.
struct Engine {
    program: &'static str,
    namespace: String,
    folder: TempDir,
    daemon: Option<Child>,
}

impl Engine {
    /// The engine with an image to run.
    fn start(program: &'static str, daemon: &str) -> Self {
        let there = Command::new(daemon).arg("--version").output();
        assert!(there.is_ok(), "{daemon} is not installed; these tests need the packages of `make deps`");
        let namespace = format!("wslive-{}-{program}", std::process::id());
        for command in [&["netns", "add", &namespace][..], &["-n", &namespace, "link", "set", "lo", "up"]] {
            assert!(Command::new("ip").args(command).status().unwrap().success());
        }
        let mut engine = Self { program, namespace, folder: tempfile::tempdir().unwrap(), daemon: None };
        engine.begin();
        let root = engine.folder.path().join("image/bin");
        fs::create_dir_all(&root).unwrap();
        fs::copy("/bin/busybox", root.join("sleep")).unwrap();
        let archive = engine.folder.path().join("image.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(root.parent().unwrap()).arg("-cf").arg(&archive).arg("bin");
        assert!(tar.status().unwrap().success());
        let changes: Vec<&str> = IMAGE.iter().flat_map(|change| ["--change", change]).collect();
        engine.tell(&[&["import"], &changes[..], &[archive.to_str().unwrap(), "web:1"]].concat());
        engine
    }

    fn socket(&self) -> String {
        self.folder.path().join("sock").display().to_string()
    }

    /// A program in the engine's network namespace. `ip netns exec` would hide the control groups.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace)).arg(program);
        command
    }

    /// The engine's program for the command line, which for Podman is also the engine.
    fn client(&self) -> Command {
        let mut client = self.inside(self.program);
        let at = |part: &str| self.folder.path().join(part).display().to_string();
        match self.program {
            "docker" => client.args(["-H", &format!("unix://{}", self.socket())]),
            _ => client
                .args(["--root", &at("root"), "--runroot", &at("run"), "--tmpdir", &at("run/tmp")])
                .args([
                    "--network-config-dir",
                    &at("net"),
                    "--storage-driver=vfs",
                    "--cgroup-manager=cgroupfs",
                    "--runtime=runc",
                ]),
        };
        client
    }

    /// Starts the engine, and waits until it answers.
    fn begin(&mut self) {
        let at = |part: &str| self.folder.path().join(part).display().to_string();
        let address = format!("unix://{}", self.socket());
        let mut daemon = if self.program == "docker" {
            let mut daemon = self.inside("dockerd");
            daemon.args(["--data-root", &at("root"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
            daemon.args(["--host", &address, "--storage-driver=vfs", "--shutdown-timeout=0"]);
            daemon
        } else {
            let mut daemon = self.client();
            daemon.args(["system", "service", "--time=0", &address]);
            daemon
        };
        let log = fs::File::create(at("log")).unwrap();
        self.daemon = Some(daemon.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        for _ in 0..LOOK.1 {
            let ping = ["-sf", "--unix-socket", &self.socket(), "http://engine/_ping"];
            if Command::new("curl").args(ping).output().unwrap().status.success() {
                return;
            }
            thread::sleep(LOOK.0);
        }
        panic!("{} does not answer: {}", self.program, fs::read_to_string(at("log")).unwrap_or_default());
    }

    /// Ends the engine as its administrator does.
    fn end(&mut self) -> io::Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            Command::new("kill").arg(daemon.id().to_string()).status()?;
            daemon.wait()?;
        }
        Ok(())
    }

    /// Has the engine do something, and returns what it says.
    #[track_caller]
    fn tell(&self, arguments: &[&str]) -> String {
        let output = self.client().args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {errors}", self.program);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs a container with these options besides those that every one needs here.
    #[track_caller]
    fn run(&self, name: &str, options: &[&str]) {
        // Not more open files than the tests may have themselves.
        let common = ["run", "-d", "--name", name, "--ulimit=nofile=64:64", "--ulimit=nproc=64:64"];
        self.tell(&[&common, options, &["web:1"]].concat());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A test that fails has another message already.
        let all = self.client().args(["ps", "-aq"]).output().map(|output| output.stdout).unwrap_or_default();
        let all = String::from_utf8_lossy(&all).into_owned();
        let _ = self.client().args(["rm", "-f"]).args(all.split_whitespace()).output();
        let _ = self.end();
        let root = self.folder.path().join("root");
        for mount in [root.as_path(), &root.join("overlay"), &self.folder.path().join("exec/netns")] {
            let _ = Command::new("umount").args(["-l", "-q"]).arg(mount).stderr(Stdio::null()).status();
        }
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).output();
    }
}

/// Somebody who watches an engine.
struct Watcher {
    inventory: OpenInventory,
    watch: DockerWatch,
}

impl Watcher {
    fn start(engine: &Engine) -> Self {
        let mut inventory = OpenInventory::default();
        let watch = DockerWatch::start(Path::new(&engine.socket()), &mut inventory, now).unwrap();
        Self { inventory, watch }
    }

    #[track_caller]
    fn until(&mut self, what: &str, holds: impl Fn(&Self, &DockerStatus) -> bool) {
        for _ in 0..LOOK.1 {
            self.inventory.catch_up();
            if holds(self, &self.watch.status()) {
                return;
            }
            thread::sleep(LOOK.0);
        }
        panic!("waited in vain until {what}: {:?}", self.watch.status());
    }

    /// Waits until an address is somebody's; returns when that was so.
    #[track_caller]
    fn until_who(&mut self, address: &str, who: Option<&str>) -> Timestamp {
        let what = format!("{address} is {who:?}");
        self.until(&what, |watcher, _| watcher.who(address, now()).as_deref() == who);
        now()
    }

    fn who(&self, address: &str, at: Timestamp) -> Option<String> {
        self.inventory.identify_at(address.parse().unwrap(), at).map(ToString::to_string)
    }

    fn declared(&self, address: &str, protocol: Protocol, port: u16) -> Option<Source> {
        let to = Endpoint { address: address.parse().unwrap(), port };
        self.inventory.reach(to, protocol, None, now()).and_then(Backend::declared_by)
    }
}

const WEB: &str = "172.30.7.9";
const OTHER: &str = "172.30.8.9";

/// What both engines are asked for; `exposed` are the ports of the container that the engine tells.
fn follows(engine: &mut Engine, exposed: &[(Protocol, u16)], survives: bool) {
    let mut watcher = Watcher::start(engine);
    for (name, subnet) in [("shop", "172.30.7.0/24"), ("other", "172.30.8.0/24")] {
        engine.tell(&["network", "create", "--subnet", subnet, name]);
    }
    let compose = ["com.docker.compose.project=shop", "com.docker.compose.service=web"];
    let labels = ["--label", compose[0], "--label", compose[1]];
    let web = [&labels[..], &["--network=shop", "--ip", WEB, "-p", "127.0.0.1:8080:80"]].concat();
    engine.run("shop-web-1", &web);
    let was_web = watcher.until_who(WEB, Some("shop/web"));
    let found = watcher.inventory.identify_at(WEB.parse().unwrap(), was_web).unwrap();
    assert_eq!(found.labels.get("app").map(String::as_str), Some("shop"), "{:?}", found.labels);
    for &(protocol, port) in exposed {
        assert_eq!(watcher.declared(WEB, protocol, port), Some(Source::Docker), "{protocol}/{port}");
    }
    assert_eq!(watcher.declared(WEB, Protocol::TCP, 8080), None, "that is a port of its host");

    // Another network beside the first.
    engine.tell(&["network", "connect", "--ip", OTHER, "other", "shop-web-1"]);
    watcher.until_who(OTHER, Some("shop/web"));
    engine.tell(&["network", "disconnect", "other", "shop-web-1"]);
    watcher.until_who(OTHER, None);

    // Another takes the address over at once; whose it was stays known.
    engine.tell(&["rm", "-f", "shop-web-1"]);
    engine.run("tool", &["--network=shop", "--ip", WEB]);
    watcher.until_who(WEB, Some("tool"));
    assert_eq!(watcher.who(WEB, was_web).as_deref(), Some("shop/web"));

    // An engine that is away says nothing; back again, it says what there is.
    let failures = watcher.watch.status().failures;
    engine.end().unwrap();
    watcher.until("it is away", |_, status| status.failures > failures && status.failing.is_some());
    engine.begin();
    watcher.until("it is back", |_, status| status.failing.is_none());
    watcher.until_who(WEB, survives.then_some("tool"));
}

#[test]
fn docker_tells_who_has_which_address_and_which_ports_images_expose() {
    let mut engine = Engine::start("docker", "dockerd");
    let exposed = [(Protocol::TCP, 50_051), (Protocol::UDP, 53), (Protocol::TCP, 80)];
    follows(&mut engine, &exposed, false);
}

/// Podman has no daemon that containers end with, and tells published ports only.
#[test]
fn podman_speaks_dockers_api() {
    let mut engine = Engine::start("podman", "podman");
    follows(&mut engine, &[(Protocol::TCP, 80)], true);
}
