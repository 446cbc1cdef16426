//! JSON lines: one object a line, safe to print on a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::text::find_unsafe;

/// Writes `value` as one line of JSON.
pub(crate) fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Safe);
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// Compact JSON in which every character is escaped that a terminal could obey; JSON itself only asks
/// for those below U+0020.
struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = find_unsafe(rest) {
            let (before, after) = rest.split_at(place);
            out.write_all(before.as_bytes())?;
            let mut characters = after.chars();
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::output::text::is_unsafe;

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn any_string_reads_back_and_shows_no_control(text in any::<String>()) {
            let mut bytes = Vec::new();
            line(&mut bytes, &text).unwrap();
            let json = String::from_utf8(bytes).unwrap();
            prop_assert!(!json.trim_end_matches('\n').contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
