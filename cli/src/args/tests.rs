//! What flags mean, and how help looks.

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn flags_become_settings_in_order() {
    let line = ["watershed", "edges", "a.pcap", "--threads", "2", "--set", "threads=1", "-i", "hosts.csv"];
    let given = Arguments::parse_from(line).given();
    let pairs: Vec<_> = given.iter().map(|g| (g.key.as_str(), g.text.as_str(), g.flag.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("threads", "2", "--threads"),
            ("inventory", "hosts.csv", "--inventory"),
            ("threads", "1", "--set threads")
        ]
    );
}

#[test]
fn help_is_no_wider_than_a_terminal() {
    for command in
        std::iter::once(Arguments::command()).chain(Arguments::command().get_subcommands().cloned())
    {
        for text in [command.get_after_help(), command.get_about()].into_iter().flatten() {
            assert!(text.to_string().lines().all(|line| line.len() <= 100), "{text}");
        }
    }
}

#[test]
fn flags_of_one_command_become_settings() {
    let given = |line: &[&str]| {
        let given = Arguments::parse_from(line).given();
        given.into_iter().map(|g| (g.key, g.text, g.flag)).collect::<Vec<_>>()
    };
    let texts = |all: &[(&str, &str, &str)]| {
        all.iter().map(|&(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).collect::<Vec<_>>()
    };
    let capture = ["--interface", "eth0", "--user", "964:964"];
    for command in [&["run", "--store", "sqlite:a"][..], &["edges"], &["flows"], &["discover"], &["collect"]]
    {
        let line = [&["watershed"][..], command, &capture].concat();
        assert_eq!(given(&line), texts(&[("capture.user", "964:964", "--user")]), "{command:?}");
    }
    assert_eq!(
        given(&["watershed", "serve", "--store", "sqlite:a", "--tokens", "t", "--decisions", "d"]),
        texts(&[("serve.tokens", "t", "--tokens"), ("rules.decisions", "d", "--decisions")])
    );
}
