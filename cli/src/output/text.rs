//! Text that is safe to show: names come from the network, and a terminal obeys some characters.

use std::borrow::Cow;
use std::fmt::Write as _;

use watershed_model::Timestamp;

/// `text` with every character escaped that a terminal could obey or that hides what it says: controls,
/// line separators, and the characters that change writing direction or have no width.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if find_unsafe(text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            // Writing to a String does not fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// The place of the first character that [`plain`] escapes.
pub(crate) fn find_unsafe(text: &str) -> Option<usize> {
    // Nearly all text is printable ASCII, which takes no decoding to see.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) { None } else { text.find(is_unsafe) }
}

/// Whether a terminal could obey this character, or a person could not see it.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A count for a person: `950`, `12.3 k`, `4.56 M`.
pub(crate) fn count(number: u64) -> String {
    scaled(number, &["", " k", " M", " G", " T", " P", " E"])
}

/// A count of things that take an s: `1 hour`, `12.3 k hours`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Octets for a person: `950 B`, `12.3 kB`, `4.56 MB`.
pub(crate) fn bytes(number: u64) -> String {
    scaled(number, &[" B", " kB", " MB", " GB", " TB", " PB", " EB"])
}

/// A time for a person, in UTC: `2026-01-02 03:04:05`.
pub(crate) fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")
}

/// Three significant digits and a decimal unit; whole numbers below 10,000 when the unit is empty.
fn scaled(number: u64, units: &[&str]) -> String {
    if number < 1000 || (number < 10_000 && units[0].is_empty()) {
        return format!("{number}{}", units[0]);
    }
    let mut value = number as f64;
    let mut unit = 0;
    // 999.5 would be printed as 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sees_no_escape() {
        assert_eq!(plain("shop.example"), "shop.example");
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}c\n\u{202e}d"), "a\\u{1b}[2Jb\\u{9b}c\\u{a}\\u{202e}d");
        assert_eq!(plain("bücher.example"), "bücher.example");
    }

    #[test]
    fn numbers_have_three_digits() {
        let counts: Vec<_> = [0, 999, 9_999, 10_000, 99_949, 999_499, 999_500, u64::MAX].map(count).into();
        assert_eq!(counts, ["0", "999", "9999", "10.0 k", "99.9 k", "999 k", "1.00 M", "18.4 E"]);
        assert_eq!([12, 1_000, 1_234_567].map(bytes), ["12 B", "1.00 kB", "1.23 MB"]);
    }
}
