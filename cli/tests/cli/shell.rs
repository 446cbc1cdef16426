//! Help, completions and manual pages.

use crate::{folder, stderr, stdout, watershed};

#[test]
fn help_teaches_by_example() {
    for line in [&["--help"][..], &["discover", "--help"], &["flows", "--help"], &["edges", "--help"]] {
        let text = stdout(&watershed(&folder()).args(line).assert().success().stderr(""));
        assert!(text.contains("Examples:\n  watershed"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    for line in [&["completions", "bash"][..], &["completions", "zsh"], &["completions", "fish"], &["man"]] {
        let text = stdout(&watershed(&folder()).args(line).assert().success());
        for command in ["discover", "flows", "edges", "config"] {
            assert!(text.contains(command), "{line:?} lacks {command}");
        }
    }
    let page = stdout(&watershed(&folder()).args(["man", "edges"]).assert().success());
    assert!(page.contains(".TH watershed-edges 1") || page.contains(".TH edges 1"), "{page}");
    let run = watershed(&folder()).args(["man", "edge"]).assert().code(2);
    assert!(
        stderr(&run).starts_with("watershed: there is no command `edge`: choose one of "),
        "{}",
        stderr(&run)
    );
}
