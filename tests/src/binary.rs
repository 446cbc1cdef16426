//! The `watershed` binary of the same build as the running test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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

    // The whole workspace's features, as `cargo test` has just built them: next to nothing is left to do.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--bin", "watershed", "--target-dir"]).arg(target);
    for (wanted, feature) in [(cfg!(feature = "live"), "live"), (cfg!(feature = "kafka"), "kafka")] {
        if wanted {
            cargo.args(["--features", &format!("watershed/{feature}")]);
        }
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
