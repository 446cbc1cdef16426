//! The `watershed` binary of the same build as the running test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Variables about the running package that build scripts of dependencies watch.
const PACKAGE_VARIABLES: [&str; 8] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Where the binary is; builds it first, once per test program, so that it is never an old one.
///
/// # Errors
///
/// Says why the build failed, or that the test does not run from a target directory.
pub fn watershed() -> Result<&'static Path, String> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY.get_or_init(build).as_deref().map_err(Clone::clone)
}

fn build() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| format!("cannot find the running test: {error}"))?;
    // TARGET/PROFILE/deps/TEST
    let profile = test.ancestors().nth(2).filter(|profile| profile.join("deps").is_dir());
    let (target, profile) = profile
        .and_then(|profile| Some((profile.parent()?, profile)))
        .ok_or_else(|| format!("{} is not in a target directory: run it with cargo test", test.display()))?;

    let name = test.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.rsplit_once('-'));
    let (name, _) = name.ok_or_else(|| format!("{} is not the name of a test", test.display()))?;
    // The running test is asked for beside the binary, so that cargo finds the features, those of development
    // dependencies among them, with which it has just built both: nothing is left to do.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--bin", "watershed", "--test", name, "--target-dir"]);
    cargo.arg(target);
    for (wanted, features) in [
        (cfg!(feature = "live"), "watershed/live,watershed-tests/live"),
        (cfg!(feature = "kafka"), "watershed/kafka,watershed-tests/kafka"),
        (cfg!(feature = "kubernetes"), "watershed-tests/kubernetes"),
    ] {
        if wanted {
            cargo.args(["--features", features]);
        }
    }
    // What cargo tells this test of its package, build scripts would take for a change.
    for variable in PACKAGE_VARIABLES {
        cargo.env_remove(variable);
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cannot build watershed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(profile.join(format!("watershed{}", std::env::consts::EXE_SUFFIX)))
}
