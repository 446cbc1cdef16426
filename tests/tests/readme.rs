//! The README shows what the product prints.

use std::path::Path;
use std::process::Command;

use watershed_tests::binary::watershed;

/// The lines between the README's demo command and the end of its block.
fn shown(readme: &str) -> Option<&str> {
    let (_, behind) = readme.split_once("$ watershed discover shop.pcapng")?;
    let (_, output) = behind.split_once('\n')?;
    output.split_once("\n```").map(|(output, _)| output)
}

#[test]
fn the_readme_shows_the_real_output() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("a README");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in ["shop.pcapng", "inventory.yaml"] {
        let from = root.join("tests/lab/recording").join(file);
        std::fs::copy(&from, folder.path().join(file)).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }
    let output = Command::new(watershed().expect("the binary"))
        .args(["discover", "shop.pcapng", "--inventory", "inventory.yaml", "--out", "out/demo"])
        .current_dir(folder.path())
        .output()
        .expect("watershed runs");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown(&readme), Some(printed.trim_end()), "the README shows something else; now it is:\n{printed}");
}
