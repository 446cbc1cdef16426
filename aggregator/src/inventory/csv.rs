//! Inventory entries from CSV (RFC 4180).
//!
//! The header names the columns: `address` and `name` must be there, `namespace`, `ports` (with spaces between them),
//! `valid_from` and `valid_to` may be, and every other column is a label. A row gives one address or CIDR; rows of the
//! same name are one workload. Lines that start with `#` are comments.

use csv::{Position, ReaderBuilder, StringRecord, Trim};

use super::entry::{Place, RawEntry, RawFile, Text};

/// Reads `text`, collecting what is wrong.
pub(super) fn read(text: &str) -> RawFile {
    let mut file = RawFile::default();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut columns: Option<StringRecord> = None;
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, |position| line_of(text, position));
                file.problem(Place { line, column: 1 }, format!("this is no CSV: {error}"));
                return file;
            }
        };
        if row.iter().all(str::is_empty) {
            continue;
        }
        let line = row.position().map_or(1, |position| line_of(text, position));
        match &columns {
            Some(columns) => entry(&mut file, columns, &row, line),
            None if is_header(&mut file, &row, line) => columns = Some(row),
            None => return file,
        }
    }
    file
}

/// Whether the first row can serve as header.
fn is_header(file: &mut RawFile, row: &StringRecord, line: usize) -> bool {
    let before = file.problems.len();
    for needed in ["address", "name"] {
        if !row.iter().any(|column| column == needed) {
            let separated = row.iter().any(|column| column.contains(';'));
            let hint =
                if separated { "separate columns by commas, not by `;`" } else { "add it to the first line" };
            file.problem(Place { line, column: 1 }, format!("there is no column `{needed}`; {hint}"));
        }
    }
    for (index, column) in row.iter().enumerate() {
        let place = Place { line, column: index + 1 };
        match column {
            "" => file.problem(place, "this column has no name; name it or take it out"),
            "addresses" => file.problem(
                place,
                "unknown column `addresses`; give each address a row of its own in column `address`",
            ),
            "labels" => file.problem(
                place,
                "unknown column `labels`; give each label a column of its own, such as `role`",
            ),
            _ if row.iter().take(index).any(|earlier| earlier == column) => {
                file.problem(place, format!("column `{column}` is there twice; take one out"));
            }
            _ => {}
        }
    }
    file.problems.len() == before
}

fn entry(file: &mut RawFile, columns: &StringRecord, row: &StringRecord, line: usize) {
    let place = Place { line, column: 1 };
    if row.len() != columns.len() {
        let message = format!(
            "this row has {} fields and the header has {}; write one for each column, empty where there is none",
            row.len(),
            columns.len()
        );
        return file.problem(place, message);
    }
    let mut entry = RawEntry { place, ..RawEntry::default() };
    for (index, (column, value)) in
        columns.iter().zip(row).enumerate().filter(|(_, (_, value))| !value.is_empty())
    {
        let text = || Text { value: value.to_owned(), place: Place { line, column: index + 1 } };
        match column {
            "address" => entry.addresses.push(text()),
            "name" => entry.name = Some(text()),
            "namespace" => entry.namespace = Some(text()),
            "ports" => {
                let Text { value, place } = text();
                let ports = value.split_whitespace();
                entry.ports.extend(ports.map(|port| Text { value: port.to_owned(), place }));
            }
            "valid_from" => entry.valid_from = Some(text()),
            "valid_to" => entry.valid_to = Some(text()),
            label => {
                entry.labels.insert(label.to_owned(), value.to_owned());
            }
        }
    }
    file.entries.push(entry);
}

/// The line on which the row at `position` starts: a row's position is before the empty lines and comments
/// that precede it.
fn line_of(text: &str, position: &Position) -> usize {
    let rest = text.get(position.byte() as usize..).unwrap_or_default();
    let skipped = rest.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count();
    position.line() as usize + skipped
}
