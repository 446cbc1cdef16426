//! `config print`: the settings as a TOML file with comments, which is also how the example file is made.

use std::fmt::Write as _;

use super::{Effective, Key, Settings, keys};

const HEADER: &str = "\
# Settings of Watershed. Looked for, when --config FILE names none: $WATERSHED_CONFIG, ./watershed.toml,
# /etc/watershed/watershed.toml. The variable named with each setting goes over the file, a flag over both.
";

/// The settings in force, each with where it comes from.
pub(crate) fn print(effective: &Effective) -> String {
    let origin =
        |key: &Key| effective.origins.get(key.name).map_or("default".to_owned(), ToString::to_string);
    render(&effective.settings, |key| Some(format!("# from: {}", origin(key))))
}

/// An annotated settings file that holds the defaults: `config/watershed.toml`.
pub(crate) fn example() -> String {
    render(&Settings::default(), |_| None)
}

/// The settings as a file; `note` adds a comment line to each.
fn render(settings: &Settings, note: impl Fn(&Key) -> Option<String>) -> String {
    let mut text = HEADER.to_owned();
    let mut section = "";
    for key in keys() {
        let (table, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if table != section {
            section = table;
            let _ = write!(text, "\n[{section}]\n");
        } else {
            text.push('\n');
        }
        for line in key.help.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {}", key.variable());
        if let Some(note) = note(key) {
            let _ = writeln!(text, "{note}");
        }
        let _ = writeln!(text, "{name} = {}", (key.read)(settings));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../config/watershed.toml");

    #[test]
    fn the_example_file_has_every_setting_with_its_default() {
        assert_eq!(EXAMPLE, example(), "run: watershed config print --defaults > config/watershed.toml");
    }

    #[test]
    fn every_setting_reads_back_as_it_prints() {
        let read = super::super::file::read("config/watershed.toml".as_ref(), EXAMPLE).unwrap();
        let mut settings = Settings::default();
        assert_eq!(read.len(), keys().count());
        for (name, text, _) in read {
            let key = keys().find(|key| key.name == name).unwrap();
            let before = (key.read)(&settings);
            (key.write)(&mut settings, &text, "".as_ref()).unwrap();
            assert_eq!((key.read)(&settings), before, "{name}");
        }
    }
}
