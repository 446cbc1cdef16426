//! Documents of a YAML 1.2 stream (JSON is YAML too) as trees whose every value knows its place.

mod plain;

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

/// Levels of nesting that are followed: Kubernetes objects, their schemas included, stay below it, and the
/// reader's stack is bounded.
const MAX_DEPTH: usize = 100;

/// Line and column, both from 1.
pub(crate) type Spot = (u32, u32);

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub(crate) spot: Spot,
    pub(crate) value: Value<'a>,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// A word that YAML takes for text, or text in quotes.
    Text(Cow<'a, str>),
    /// A plain word that YAML takes for a number, true or false, as it is written.
    Word(Cow<'a, str>),
    /// A sequence.
    List(Vec<Node<'a>>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key<'a>, Node<'a>)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    pub(crate) spot: Spot,
    pub(crate) name: Cow<'a, str>,
}

impl<'a> Node<'a> {
    /// What it is, for a message.
    pub(crate) fn kind(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Text(text) => format!("the text `{text}`"),
            Value::Word(word) => format!("`{word}`"),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
        }
    }

    /// The value of `key` in a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(fields) => fields.iter().find(|(name, _)| name.name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value under a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text or word of a single value.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Word(text) => Some(text),
            _ => None,
        }
    }

    /// The values of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The fields of a mapping; none of anything else.
    pub(crate) fn fields(&self) -> &[(Key<'a>, Self)] {
        match &self.value {
            Value::Map(fields) => fields,
            _ => &[],
        }
    }
}

/// A piece of a stream, from one `---` to the next.
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// Lines before it.
    above: u32,
}

/// Cuts a stream into pieces, so that what is wrong in one does not hide the others. No value holds a line
/// that starts with `---` (YAML 1.2.2, section 9.1.2), so no value is cut.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut start, mut above, mut offset) = (Vec::new(), 0, 0, 0);
    for (number, line) in (0..).zip(text.split_inclusive('\n')) {
        if line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            pieces.push(Piece { text: &text[start..offset], above });
            (start, above) = (offset, number);
        }
        offset += line.len();
    }
    pieces.push(Piece { text: &text[start..], above });
    let says_nothing = |line: &str| line.trim().is_empty() || line.starts_with(['#', '%']);
    pieces.retain(|piece| !piece.text.lines().all(says_nothing));
    pieces
}

impl<'a> Piece<'a> {
    /// Its documents that are not empty, or where it stops being YAML and why.
    pub(crate) fn documents(&self) -> Result<Vec<Node<'a>>, (Spot, String)> {
        match plain::document(self.text, self.above) {
            Some(document) => Ok(vec![document]),
            None => self.parsed(),
        }
    }

    fn parsed(&self) -> Result<Vec<Node<'a>>, (Spot, String)> {
        let text = self.text.trim_start_matches('\u{feff}');
        let mut reader = Reader { parser: Parser::new_from_str(text), above: self.above };
        let mut documents = Vec::new();
        while let Some((event, spot)) = reader.event()? {
            match event {
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                event => documents.push(reader.node(event, spot, 0)?),
            }
        }
        documents.retain(|node| node.value != Value::Null);
        Ok(documents)
    }
}

/// Builds nodes from the parser's events.
struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Lines before the text.
    above: u32,
}

impl<'a> Reader<'a> {
    fn event(&mut self) -> Result<Option<(Event<'a>, Spot)>, (Spot, String)> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, self.spot(span.start)))),
            Some(Err(error)) => {
                let why =
                    format!("this is no YAML: {}; check indentation and quotes here and above", error.info());
                Err((self.spot(*error.marker()), why))
            }
        }
    }

    /// The parser counts lines from 1 and columns from 0.
    fn spot(&self, marker: Marker) -> Spot {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(marker.line()).saturating_add(self.above), number(marker.col().saturating_add(1)))
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'a>, spot: Spot, depth: usize) -> Result<Node<'a>, (Spot, String)> {
        if depth > MAX_DEPTH {
            return Err((spot, format!("nested more than {MAX_DEPTH} levels deep; take levels out")));
        }
        let plain = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => *anchor == 0 && tag.is_none(),
            _ => false,
        };
        if !plain {
            let message = "anchors (`&`), aliases (`*`) and tags (`!`) are not supported; write the value out, or put it in quotes";
            return Err((spot, message.into()));
        }
        let value = match event {
            Event::Scalar(value, ScalarStyle::Plain, ..) => resolve(value),
            Event::Scalar(value, ..) => Value::Text(value),
            Event::SequenceStart(..) => {
                let mut nodes = Vec::new();
                while let Some((event, spot)) =
                    self.event()?.filter(|(event, _)| *event != Event::SequenceEnd)
                {
                    nodes.push(self.node(event, spot, depth + 1)?);
                }
                Value::List(nodes)
            }
            _ => Value::Map(self.mapping(depth)?),
        };
        Ok(Node { spot, value })
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key<'a>, Node<'a>)>, (Spot, String)> {
        let mut fields = Vec::new();
        while let Some((event, at)) = self.event()?.filter(|(event, _)| *event != Event::MappingEnd) {
            let key = self.node(event, at, depth + 1)?;
            let (Value::Text(name) | Value::Word(name)) = key.value else {
                return Err((at, format!("a key must be a single value, found {}", key.kind())));
            };
            let Some((event, at)) = self.event()? else { break };
            fields.push((Key { spot: key.spot, name }, self.node(event, at, depth + 1)?));
        }
        Ok(fields)
    }
}

/// What a plain scalar is by the core schema, and by the older one that Kubernetes' reader still follows:
/// `yes`, `no`, `on`, `off`, `y` and `n` are booleans there.
fn resolve<'a>(text: impl Into<Cow<'a, str>>) -> Value<'a> {
    const BOOLEANS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];
    let text = text.into();
    if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && (text.parse::<f64>().is_ok() || is_radix(&text));
    // In small letters, in capitals, or with a capital first.
    let boolean = BOOLEANS.iter().any(|word| {
        let rest = &text.as_bytes()[text.len().min(1)..];
        text.eq_ignore_ascii_case(word)
            && (&*text == *word
                || text.starts_with(|first: char| first.is_ascii_uppercase())
                    && (rest.iter().all(u8::is_ascii_lowercase) || rest.iter().all(u8::is_ascii_uppercase)))
    });
    if number || boolean { Value::Word(text) } else { Value::Text(text) }
}

/// Whether it is a number such as `0x1F`, `0o17` or `0b101`.
fn is_radix(text: &str) -> bool {
    [("0x", 16), ("0o", 8), ("0b", 2)].iter().any(|&(prefix, radix)| {
        text.strip_prefix(prefix).is_some_and(|d| u64::from_str_radix(d, radix).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Result<Vec<Node<'_>>, (Spot, String)> {
        pieces(text).iter().try_fold(Vec::new(), |mut all, piece| {
            all.extend(piece.documents()?);
            Ok(all)
        })
    }

    #[test]
    fn every_value_knows_its_place() {
        let documents = documents("# a\na: 1\nb:\n  - {c: \"d\"}\n---\n---\ne: yes\n").unwrap();
        assert_eq!(documents.len(), 2);
        let item = &documents[0].get("b").unwrap().items()[0];
        assert_eq!((item.spot, item.get("c").unwrap().spot), ((4, 5), (4, 9)));
        assert_eq!(documents[0].get("a").unwrap().value, Value::Word("1".into()));
        assert_eq!(item.get("c").unwrap().value, Value::Text("d".into()));
        let last = documents[1].get("e").unwrap();
        assert_eq!((last.spot, &last.value), ((7, 4), &Value::Word("yes".into())));
    }

    #[test]
    fn words_are_numbers_only_when_yaml_says_so() {
        let word = |text: &str| matches!(resolve(text), Value::Word(_));
        assert!(["1", "-1.5", "1e3", "0x1f", "True", "off", "y", "N"].into_iter().all(word));
        assert!(!["v1", "1.2.3", "nan", "infinity", "TrUe", "10.0.0.0/8", "-"].into_iter().any(word));
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let (spot, message) = documents("a: [1\nb: 2\n").unwrap_err();
        assert!(spot.0 >= 1 && message.starts_with("this is no YAML: "), "{message}");
        assert!(documents(&"- ".repeat(5000)).is_err());
        assert_eq!(documents("a: &x 1\n").unwrap_err().0, (1, 4));
    }
}
