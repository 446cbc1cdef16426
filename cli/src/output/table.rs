//! Aligned columns for a person.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::text::plain;

/// What stands between two columns.
const GAP: &str = "  ";

/// A text column gives way down to this: less says nothing.
const NARROWEST: usize = 8;

/// Rows of cells under a header. Numbers go to the right, text to the left; a cell that is wider than its
/// column may be is cut and ends in `…`.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
    /// The widest it may get, in terminal cells.
    limit: usize,
}

/// A column of text that may take `limit` terminal cells.
pub(crate) const fn text(title: &'static str, limit: usize) -> Column {
    Column { title, right: false, limit }
}

/// A column of numbers.
pub(crate) const fn number(title: &'static str) -> Column {
    Column { title, right: true, limit: usize::MAX }
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each column; what a terminal could obey in it is escaped.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cut = |(cell, column): (String, &Column)| shorten(&plain(&cell), column.limit);
        self.rows.push(cells.into_iter().zip(&self.columns).map(cut).collect());
    }

    /// Writes the header and the rows, each line after `indent` and no wider than `limit`: the widest text
    /// columns give way. `header` decorates the header line.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        indent: &str,
        limit: usize,
        header: impl Fn(&str) -> String,
    ) -> io::Result<()> {
        let widths = self.widths(limit.saturating_sub(indent.len()));
        let titles: Vec<_> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        writeln!(out, "{indent}{}", header(&self.line(&titles, &widths)))?;
        for row in &self.rows {
            writeln!(out, "{indent}{}", self.line(row, &widths))?;
        }
        Ok(())
    }

    fn widths(&self, limit: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.title.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let columns = self.columns.iter().zip(&mut widths).filter(|(column, _)| !column.right);
            let widest = columns.map(|(_, width)| width).filter(|width| **width > NARROWEST).max();
            let Some(widest) = widest else { break };
            *widest -= 1;
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((column, cell), width) in self.columns.iter().zip(cells).zip(widths) {
            if !line.is_empty() {
                line.push_str(GAP);
            }
            let cell = shorten(cell, *width);
            let padding = width.saturating_sub(cell.width());
            let (before, after) = if column.right { (padding, 0) } else { (0, padding) };
            line.extend(std::iter::repeat_n(' ', before));
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', after));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// `text` cut to `limit` terminal cells.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.width() <= limit {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut width = 1;
    for character in text.chars() {
        width += character.width().unwrap_or(0);
        if width > limit {
            break;
        }
        short.push(character);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let mut table = Table::new(&[text("client", 8), number("packets"), text("names", 20)]);
        table.row(["web1".into(), "12".into(), "a\u{1b}b".into()]);
        table.row(["a-long-name".into(), "3456789012".into(), String::new()]);
        let mut out = Vec::new();
        table.write(&mut out, "  ", usize::MAX, str::to_owned).unwrap();
        let expected =
            "  client       packets  names\n  web1              12  a\\u{1b}b\n  a-long-…  3456789012\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_widest_text_gives_way() {
        let mut table = Table::new(&[text("client", usize::MAX), number("n"), text("names", usize::MAX)]);
        table.row(["x".repeat(30), "1".repeat(10), "y".repeat(12)]);
        let mut out = Vec::new();
        table.write(&mut out, "", 40, str::to_owned).unwrap();
        let expected = format!("{}…  {}  {}", "x".repeat(13), "1".repeat(10), "y".repeat(12));
        assert_eq!(String::from_utf8(out).unwrap().lines().nth(1), Some(expected.as_str()));
    }

    #[test]
    fn wide_characters_count_as_two() {
        assert_eq!(shorten("日本語", 5), "日本…");
        assert_eq!(shorten("日本語", 6), "日本語");
    }
}
