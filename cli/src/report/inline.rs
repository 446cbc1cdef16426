//! JSON that may stand inside a script element of HTML, whatever names the network made up.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::output::text::is_unsafe;

/// Writes `value` as JSON without any character that HTML, JavaScript or a terminal could take for more than text.
pub(super) fn write(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Inert);
    value.serialize(&mut serializer)?;
    Ok(())
}

/// `<` could open a tag or end the script element, `&` is escaped lest somebody puts the text elsewhere, and
/// U+2028 ends a line in old JavaScript; the latter and its like are unsafe on terminals too.
fn is_active(character: char) -> bool {
    matches!(character, '<' | '>' | '&') || is_unsafe(character)
}

/// Compact JSON in which active characters are escaped.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(is_active) {
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

    fn inline(text: &str) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, &text).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_hostile_name_stays_a_string() {
        let json = inline("</script><img src=x onerror=alert(1)><!--&\u{2028}");
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn any_string_reads_back_and_holds_nothing_active(text in any::<String>()) {
            let json = inline(&text);
            prop_assert!(!json.contains(is_active));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
