//! What `discover` tells a person: dense, in order of what matters, at most [`WIDTH`] columns wide.

mod findings;
mod head;
mod rules;

use std::collections::BTreeSet;
use std::io::{self, Write};

use watershed_collector::SourceError;
use watershed_graph::{Graph, Service};
use watershed_model::{Edge, Protocol};
use watershed_policy::RuleSet;
use watershed_policy::proof::Certificate;

use super::text::plain;
use crate::directory::Directory;
use crate::terminal::Style;

/// The widest line: what a terminal, a mail and a README show without wrapping.
const WIDTH: usize = 100;

/// Everything that the summary is made of.
pub(crate) struct Summary<'a> {
    /// What was read, for a person.
    pub(crate) source: &'a str,
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) rules: &'a RuleSet,
    pub(crate) certificate: &'a Certificate,
    /// What could not be read.
    pub(crate) problems: &'a [SourceError],
    /// Lines in each table.
    pub(crate) rows: usize,
    /// Whether everything is in files too.
    pub(crate) files: bool,
}

impl Summary<'_> {
    /// Writes what concerns the rules.
    pub(crate) fn write_rules(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let mut page = Page { out, style, rows: self.rows, files: self.files };
        head::write(&mut page, self)?;
        rules::services(&mut page, self.rules)?;
        findings::needs_person(&mut page, self.graph)?;
        rules::proof(&mut page, self)
    }

    /// Writes the summary.
    pub(crate) fn write(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let mut page = Page { out, style, rows: self.rows, files: self.files };
        head::write(&mut page, self)?;
        findings::dependencies(&mut page, self.graph)?;
        rules::services(&mut page, self.rules)?;
        findings::shared(&mut page, self.graph)?;
        findings::exposed(&mut page, self.graph)?;
        findings::scans(&mut page, self.graph)?;
        findings::needs_person(&mut page, self.graph)?;
        rules::proof(&mut page, self)
    }
}

/// Which files were written, and where.
pub(crate) fn written(directory: &Directory, style: Style) -> String {
    let files = directory.written().join(" ");
    let path = plain(&directory.path().display().to_string()).into_owned();
    let mut text = style.bold(&format!("Written to {path}"));
    let mut width = WIDTH;
    for name in files.split(' ') {
        if width + name.len() + 2 > WIDTH {
            text.push_str("\n ");
            width = 1;
        }
        text.push(' ');
        text.push_str(name);
        width += 1 + name.len();
    }
    text
}

/// Where sections are written to.
struct Page<'a, W: Write> {
    out: &'a mut W,
    style: Style,
    rows: usize,
    files: bool,
}

impl<W: Write> Page<'_, W> {
    /// A section's heading: what it is, and its measure.
    fn heading(&mut self, title: &str, note: &str) -> io::Result<()> {
        let gap = if note.is_empty() { "" } else { "  " };
        writeln!(self.out, "\n{}{gap}{}", self.style.bold(title), self.style.dim(note))
    }

    /// A table's rows, and how many more there are.
    fn table(&mut self, table: &super::table::Table, all: usize, file: &str) -> io::Result<()> {
        let style = self.style;
        table.write(self.out, "  ", WIDTH, |header| style.dim(header))?;
        if all > self.rows {
            let place = if self.files { format!(" in {file}") } else { String::new() };
            let more = format!("… {} more{place}", all - self.rows);
            writeln!(self.out, "  {}", style.dim(&more))?;
        }
        Ok(())
    }
}

/// `tcp/5432 postgresql`.
fn service(protocol: Protocol, port: u16) -> String {
    let service = Service { protocol, port };
    match service.name() {
        Some(name) => format!("{service} {name}"),
        None => service.to_string(),
    }
}

fn service_of(edge: &Edge) -> String {
    service(edge.key.protocol, edge.key.port)
}

/// `shop.example +2`: the first name and how many more there are.
fn first_and_more(names: &BTreeSet<Box<str>>) -> String {
    let first = names.first().map(ToString::to_string).unwrap_or_default();
    match names.len() {
        0 | 1 => first,
        all => format!("{first} +{}", all - 1),
    }
}

/// `1 rule`, `2 rules`.
fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", super::text::count(number), if number == 1 { one } else { many })
}

fn length(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
