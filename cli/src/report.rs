//! `report.html`: the map that people look at, as one file to send.
//!
//! The page is `web/dist/index.html`, built from `web/` and embedded here. It fetches nothing: the [`Document`]
//! stands inside it, in a data block that no browser runs.

mod confidence;
mod document;
mod edges;
mod inline;
mod levels;
mod mined;
mod reach;
mod tables;

use std::io::{self, Write};

pub(crate) use document::{Document, Subject};

/// The page, with [`PLACE`] where its data goes.
const PAGE: &str = include_str!("../../web/dist/index.html");

/// What stands in the page where a report has its data; with `null` there it asks the server that it came from.
const PLACE: &str = "\"watershed:data\"";

/// Writes the page with the document in it.
pub(crate) fn write(out: &mut impl Write, document: &Document<'_>) -> io::Result<()> {
    let (before, after) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
    out.write_all(before.as_bytes())?;
    inline::write(out, document)?;
    out.write_all(after.as_bytes())
}

/// The page without data: it asks the server that it came from.
pub(crate) fn served() -> String {
    PAGE.replacen(PLACE, "null", 1)
}

/// The document as JSON, for the page that asks.
pub(crate) fn json(document: &Document<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    inline::write(&mut bytes, document)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_place_for_its_data_and_fetches_nothing() {
        assert_eq!(PAGE.matches(PLACE).count(), 1);
        let policy = PAGE.split_once("Content-Security-Policy").expect("a content security policy").1;
        assert!(
            policy.split('>').next().is_some_and(|tag| tag.contains("default-src 'none'")),
            "{policy:.200}"
        );
        for outside in ["src=\"http", "href=\"http", "src='http", "url(http", "@import"] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
    }
}
