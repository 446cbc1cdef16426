//! The HTTP API against its own OpenAPI document, as Schemathesis asks: everything that the document allows and much that
//! it forbids, of a real server. Needs Python 3.11 and, the first time, its package index.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use watershed_tests::binary;

/// Questions of each kind for each operation; the same ones every time.
const EXAMPLES: &str = "10";

/// What is checked. Not whether everything is taken that the document allows: it says that times are text, and most
/// text is no time. Nor what has to be refused: a name that no parameter has is left unread.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,\
    bounded,guarded,explained";

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn support(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/schemathesis").join(name)
}

/// `st` of the environment that has it, which is made first.
fn schemathesis() -> PathBuf {
    let made = Command::new(support("python")).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "Python's venv and pip are needed: {said}");
    Path::new(String::from_utf8(made.stdout).unwrap().trim()).with_file_name("st")
}

/// A server; killed when dropped.
struct Server {
    process: Child,
    /// `http://127.0.0.1:12345/`.
    url: String,
    folder: TempDir,
}

impl Server {
    /// On a store of the committed recording, with a token and a file of decisions.
    fn start(readers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/recording");
        let watershed = || {
            let mut command = Command::new(binary::watershed().unwrap_or_else(|error| panic!("{error}")));
            command.env_clear().current_dir(folder.path()).stdin(Stdio::null());
            command
        };
        let filled = watershed()
            .args(["discover", "--store", "sqlite:edges.db"])
            .arg(recording.join("shop.pcapng"))
            .arg("--inventory")
            .arg(recording.join("inventory.yaml"))
            .output()
            .unwrap();
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        let tokens = folder.path().join("tokens");
        fs::write(&tokens, format!("tester {TOKEN}\n")).unwrap();
        fs::set_permissions(&tokens, Permissions::from_mode(0o600)).unwrap();
        let mut process = watershed()
            .args(["serve", "--store", "sqlite:edges.db", "--listen", "127.0.0.1:0"])
            .args(["--tokens", "tokens", "--decisions", "decisions.yaml"])
            .args(["--set", &format!("serve.readers={readers}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, url: line.trim().to_owned(), folder }
    }

    /// What Schemathesis says, and whether all is well.
    fn asked(&self, more: &[&str]) -> (bool, String) {
        let asked = Command::new(schemathesis())
            .current_dir(self.folder.path())
            .env("SCHEMATHESIS_HOOKS", support("checks.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["run", &format!("{}api/v1/openapi.json", self.url), "--checks", CHECKS])
            .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"])
            .args(["--max-examples", EXAMPLES, "--generation-deterministic"])
            .args(["--suppress-health-check", "all", "--request-timeout", "120"])
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout) + String::from_utf8_lossy(&asked.stderr);
        (asked.status.success(), said.into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_answer_is_one_that_the_document_describes() {
    let server = Server::start("local");
    let (well, said) = server.asked(&["--header", &format!("Authorization: Bearer {TOKEN}")]);
    assert!(well, "{said}");
}

#[test]
fn without_a_token_nothing_is_read_or_written() {
    let server = Server::start("tokens");
    let document = Command::new("curl")
        .args(["--silent", "--fail", "--oauth2-bearer", TOKEN, &format!("{}api/v1/openapi.json", server.url)])
        .output()
        .unwrap();
    assert!(document.status.success());
    fs::write(server.folder.path().join("openapi.json"), document.stdout).unwrap();
    let asked = Command::new(schemathesis())
        .current_dir(server.folder.path())
        .env("SCHEMATHESIS_HOOKS", support("closed.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["run", "openapi.json", "--url", &server.url, "--checks", "closed", "--no-color"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES])
        .args(["--generation-deterministic", "--suppress-health-check", "all"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success(), "{said}{}", String::from_utf8_lossy(&asked.stderr));
    assert!(!server.folder.path().join("decisions.yaml").exists());
}
