//! Inventory entries from YAML 1.2: a list of mappings.
//!
//! Each entry has `name`, `address` or `addresses`, and may have `namespace`, `labels`,
//! `ports`, `valid_from` and `valid_to`. Values are text,
//! whatever they look like; anchors, aliases and tags are refused, so a file says what it seems to say.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::entry::{Place, Problem, RawEntry, RawFile, Text};

/// Levels of nesting that are followed; an entry needs four.
const MAX_DEPTH: usize = 8;

/// A value with its place.
enum Node {
    Scalar(Text),
    List(Place, Vec<Node>),
    Map(Place, Vec<(Text, Node)>),
}

impl Node {
    const fn place(&self) -> Place {
        match self {
            Self::Scalar(Text { place, .. }) | Self::List(place, _) | Self::Map(place, _) => *place,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a single value",
            Self::List(..) => "a list",
            Self::Map(..) => "a mapping",
        }
    }
}

/// Reads `text`, collecting what is wrong.
pub(super) fn read(text: &str) -> RawFile {
    let mut file = RawFile::default();
    match Reader::new(text).document() {
        Ok(None) => {}
        Ok(Some(Node::List(_, nodes))) => nodes.into_iter().for_each(|node| entry(&mut file, node)),
        Ok(Some(other)) => {
            let found = other.kind();
            file.problem(
                other.place(),
                format!("expected a list of entries, found {found}; start each entry with `- `"),
            );
        }
        Err(problem) => file.problems.push(problem),
    }
    file
}

/// Reads one entry.
fn entry(file: &mut RawFile, node: Node) {
    let Node::Map(place, fields) = node else {
        let found = node.kind();
        return file.problem(
            node.place(),
            format!("expected an entry, found {found}; write `- name: ...` with `address: ...` below"),
        );
    };
    let mut entry = RawEntry { place, ..RawEntry::default() };
    for (key, value) in unique(file, fields) {
        match key.value.as_str() {
            "name" => entry.name = scalar(file, &key, value),
            "namespace" => entry.namespace = scalar(file, &key, value),
            "valid_from" => entry.valid_from = scalar(file, &key, value),
            "valid_to" => entry.valid_to = scalar(file, &key, value),
            "address" => entry.addresses.extend(scalar(file, &key, value)),
            "addresses" => {
                entry.addresses.extend(list(file, &key, value, "addresses: [192.0.2.1, 192.0.2.2]"));
            }
            "ports" => entry.ports.extend(list(file, &key, value, "ports: [443, udp/53]")),
            "labels" => match value {
                Node::Map(_, labels) => {
                    for (label, value) in unique(file, labels) {
                        if let Some(text) = scalar(file, &label, value) {
                            entry.labels.insert(label.value, text.value);
                        }
                    }
                }
                other => file.problem(other.place(), format!("`labels` must be a mapping, found {}; write `labels: {{role: web}}`", other.kind())),
            },
            unknown => file.problem(key.place, format!("unknown key `{unknown}`; known are name, namespace, address, addresses, ports, valid_from, valid_to and labels; a label goes under `labels`")),
        }
    }
    file.entries.push(entry);
}

/// The fields of a mapping without those that come again.
fn unique(file: &mut RawFile, fields: Vec<(Text, Node)>) -> Vec<(Text, Node)> {
    let mut kept: Vec<(Text, Node)> = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        match kept.iter().find(|(earlier, _)| earlier.value == key.value) {
            Some((earlier, _)) => {
                let message = format!(
                    "`{}` is there twice, first in line {}; take one out",
                    key.value, earlier.place.line
                );
                file.problem(key.place, message);
            }
            None => kept.push((key, value)),
        }
    }
    kept
}

/// The values of a list; none when it is no list, and a problem was noted.
fn list(file: &mut RawFile, key: &Text, value: Node, example: &str) -> Vec<Text> {
    match value {
        Node::List(_, values) => values.into_iter().filter_map(|value| scalar(file, key, value)).collect(),
        other => {
            let message =
                format!("`{}` must be a list, found {}; write `{example}`", key.value, other.kind());
            file.problem(other.place(), message);
            Vec::new()
        }
    }
}

/// A single value; `None` when it is empty, or is none and a problem was noted.
fn scalar(file: &mut RawFile, key: &Text, value: Node) -> Option<Text> {
    match value {
        Node::Scalar(text) => Some(text).filter(|text| !text.value.is_empty()),
        other => {
            file.problem(
                other.place(),
                format!("`{}` must be a single value, found {}", key.value, other.kind()),
            );
            None
        }
    }
}

/// Builds nodes from the parser's events.
struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, parser: Parser::new_from_str(text) }
    }

    /// The file's only document.
    fn document(&mut self) -> Result<Option<Node>, Problem> {
        let mut document = None;
        while let Some((event, place)) = self.event()? {
            match event {
                Event::DocumentStart(_) if document.is_some() => {
                    return Err(problem(
                        place,
                        "a second document starts here; keep one, without `---` in between",
                    ));
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                event => document = Some(self.node(event, place, 0)?),
            }
        }
        // A file of comments alone may come as one empty value.
        Ok(document.filter(|node| !matches!(node, Node::Scalar(text) if text.value.is_empty())))
    }

    fn event(&mut self) -> Result<Option<(Event<'a>, Place)>, Problem> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, start(span)))),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(problem(place, "nested too deeply for an inventory"));
        }
        let plain = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => *anchor == 0 && tag.is_none(),
            _ => false,
        };
        if !plain {
            return Err(problem(
                place,
                "anchors (`&`), aliases (`*`) and tags (`!`) are not supported; write the value out, or put it in quotes",
            ));
        }
        match event {
            Event::Scalar(value, style, ..) => {
                let empty = style == ScalarStyle::Plain && matches!(&*value, "~" | "null" | "Null" | "NULL");
                let value = if empty { String::new() } else { value.trim().to_owned() };
                Ok(Node::Scalar(Text { value, place }))
            }
            Event::SequenceStart(..) => {
                let mut nodes = Vec::new();
                while let Some((event, place)) =
                    self.event()?.filter(|(event, _)| *event != Event::SequenceEnd)
                {
                    nodes.push(self.node(event, place, depth + 1)?);
                }
                Ok(Node::List(place, nodes))
            }
            _ => {
                let mut fields = Vec::new();
                while let Some((event, at)) = self.event()?.filter(|(event, _)| *event != Event::MappingEnd) {
                    let Node::Scalar(key) = self.node(event, at, depth + 1)? else {
                        return Err(problem(at, "a key must be a single value"));
                    };
                    let Some((event, at)) = self.event()? else { break };
                    fields.push((key, self.node(event, at, depth + 1)?));
                }
                Ok(Node::Map(place, fields))
            }
        }
    }

    /// Says what the parser stumbled over; tabs, the commonest cause, in plain words.
    fn syntax(&self, error: &ScanError) -> Problem {
        let place = place(error.marker().line(), error.marker().col());
        let indentation = |line: &'a str| &line[..line.len() - line.trim_start().len()];
        // The parser may stop a line before the tab, or after it.
        let lines = self.text.lines().enumerate().take(place.line + 1).skip(place.line.saturating_sub(2));
        let tab =
            lines.filter_map(|(index, line)| Some((index + 1, indentation(line).find('\t')? + 1))).next();
        match tab {
            Some((line, column)) => problem(
                Place { line, column },
                "a tab indents this line, which YAML does not allow; use spaces",
            ),
            None => problem(place, format!("this is no YAML: {}", error.info())),
        }
    }
}

fn start(span: Span) -> Place {
    place(span.start.line(), span.start.col())
}

/// The parser counts lines from 1 and columns from 0.
const fn place(line: usize, column: usize) -> Place {
    Place { line, column: column + 1 }
}

fn problem(place: Place, message: impl Into<String>) -> Problem {
    Problem { place, message: message.into() }
}
