//! The YAML that programs write, read without the full parser: block mappings and lists, a word or a text in
//! double quotes to a line, comments.
//!
//! It answers only where it is sure. Whatever has another shape is left to the full parser, and so is every
//! mistake, which that one tells; a test compares the two.

use std::borrow::Cow;

use super::{Key, Node, Spot, Value, resolve};

/// Levels of nesting that are followed here.
const MAX_DEPTH: usize = 32;

/// Longest key that is read here: the standard allows 1024 characters (YAML 1.2.2, section 7.4.2).
const MAX_KEY: usize = 1000;

/// The document that `text` is, after `above` lines; `None` where the full parser must be asked.
pub(super) fn document(text: &str, above: u32) -> Option<Node<'_>> {
    // Columns are counted in characters: all of them are single bytes.
    if !text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let mut reader = Reader { rest: text.split('\n'), number: above, line: None };
    reader.advance();
    if reader.line.is_some_and(|line| line.column == 0 && line.text.trim_end() == "---") {
        reader.advance();
    }
    let node = reader.block(0)?;
    reader.line.is_none().then_some(node)
}

/// A line that says something, from a column on.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// From 1.
    number: u32,
    /// From 0.
    column: usize,
    /// It begins with no blank.
    text: &'a str,
}

impl<'a> Line<'a> {
    /// What stands `skipped` bytes to the right.
    fn after(self, skipped: usize) -> Self {
        let text = self.text[skipped..].trim_start_matches(' ');
        Self { column: self.column + (self.text.len() - text.len()), text, ..self }
    }

    fn spot(self) -> Spot {
        (self.number, u32::try_from(self.column).unwrap_or(u32::MAX).saturating_add(1))
    }

    fn is_item(self) -> bool {
        self.text.starts_with("- ")
    }

    fn is_over(self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }

    /// The key that it begins with, and the bytes of it with its colon.
    fn key(self) -> Option<(Key<'a>, usize)> {
        let (name, length) = match quoted(self.text) {
            Some(name) => (name, name.len() + 2),
            None => {
                let name = &self.text[..word(self.text)];
                (name, name.len())
            }
        };
        let ends = self.text[length..]
            .strip_prefix(':')
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        // A word that means nothing is no key.
        let is_text = length > name.len() || !matches!(resolve(name), Value::Null);
        (ends && is_text && length <= MAX_KEY)
            .then(|| (Key { spot: self.spot(), name: Cow::Borrowed(name) }, length + 1))
    }

    /// The single value that it is, with nothing but a comment after it.
    fn value(self) -> Option<Node<'a>> {
        let (value, length) = if let Some(text) = quoted(self.text) {
            (Value::Text(Cow::Borrowed(text)), text.len() + 2)
        } else if self.text.starts_with("{}") {
            (Value::Map(Vec::new()), 2)
        } else if self.text.starts_with("[]") {
            (Value::List(Vec::new()), 2)
        } else {
            let length = word(self.text);
            (resolve(&self.text[..length]), length)
        };
        let rest = self.after(length);
        let apart = rest.text.len() < self.text.len() - length;
        let ends = rest.text.is_empty() || apart && rest.is_over();
        (length > 0 && ends).then(|| Node { spot: self.spot(), value })
    }
}

/// A text in double quotes without escapes, at the start.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?;
    let end = inner.find(['"', '\\'])?;
    inner[end..].starts_with('"').then(|| &inner[..end])
}

/// How long the word at the start is: letters, digits and signs that mean nothing to YAML inside of one. A colon
/// is part of it where more follows.
fn word(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let follows = |at: usize| bytes.get(at + 1).is_some_and(|&next| is_plain(next));
    let ends = |&at: &usize| !(is_plain(bytes[at]) || bytes[at] == b':' && follows(at));
    (0..bytes.len()).find(ends).unwrap_or(bytes.len())
}

/// Builds nodes from lines. Every function gives `None` where it is not sure.
struct Reader<'a> {
    rest: std::str::Split<'a, char>,
    /// That of the line before `rest`.
    number: u32,
    line: Option<Line<'a>>,
}

impl<'a> Reader<'a> {
    /// Goes to the next line that says something.
    fn advance(&mut self) {
        self.line = self.rest.by_ref().find_map(|text| {
            self.number = self.number.saturating_add(1);
            let line = Line { number: self.number, column: 0, text }.after(0);
            (!line.is_over()).then_some(line)
        });
    }

    /// The list or mapping that begins in this line.
    fn block(&mut self, depth: usize) -> Option<Node<'a>> {
        match self.line? {
            _ if depth > MAX_DEPTH => None,
            line if line.is_item() => self.list(line, depth),
            line => self.mapping(line, depth),
        }
    }

    fn list(&mut self, first: Line<'a>, depth: usize) -> Option<Node<'a>> {
        let mut items = Vec::new();
        while let Some(line) = self.line.filter(|line| line.column == first.column && line.is_item()) {
            let item = line.after(1);
            let node = if item.key().is_some() {
                self.line = Some(item);
                self.mapping(item, depth + 1)?
            } else {
                self.advance();
                item.value()?
            };
            items.push(node);
            self.is_left(first.column)?;
        }
        Some(Node { spot: first.spot(), value: Value::List(items) })
    }

    fn mapping(&mut self, first: Line<'a>, depth: usize) -> Option<Node<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut fields = Vec::new();
        while let Some(line) = self.line.filter(|line| line.column == first.column) {
            let (key, length) = line.key()?;
            let value = line.after(length);
            self.advance();
            let node = match self.line {
                _ if !value.is_over() => value.value()?,
                Some(below) if below.column > first.column => self.block(depth + 1)?,
                // The items of a list may stand as far left as its key; the full parser has it begin after the hyphen.
                Some(below) if below.column == first.column && below.is_item() => {
                    Node { spot: below.after(1).spot(), ..self.list(below, depth + 1)? }
                }
                _ => return None,
            };
            fields.push((key, node));
            self.is_left(first.column)?;
        }
        Some(Node { spot: first.spot(), value: Value::Map(fields) })
    }

    /// Whether the next line stands at most as far right as `column`, or there is none: what was read is over.
    fn is_left(&self, column: usize) -> Option<()> {
        self.line.is_none_or(|line| line.column <= column).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::k8s::yaml::pieces;

    #[test]
    fn a_policy_as_it_is_exported_needs_no_other_parser() {
        let text = "# Of app, at level service: 1\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: \"a\"\nspec:\n  podSelector:\n    matchLabels:\n      \"app\": \"web\"\n  policyTypes:\n  - Ingress\n  ingress:\n  # why\n  - from:\n    - namespaceSelector: {}\n      podSelector:\n        matchLabels:\n          \"app\": \"db\"\n    - ipBlock:\n        cidr: \"10.0.0.0/8\"\n    ports:\n    - protocol: TCP\n      port: 80\n";
        let node = document(text, 0).unwrap();
        let rule = &node.at(&["spec", "ingress"]).unwrap().items()[0];
        assert_eq!(rule.get("from").unwrap().items().len(), 2);
        assert_eq!(
            rule.get("ports").unwrap().items()[0].get("port").unwrap().value,
            Value::Word("80".into())
        );
        assert_eq!(pieces(text)[0].parsed().unwrap(), [node]);
    }

    #[test]
    fn what_it_is_not_sure_of_is_left_to_the_full_parser() {
        for text in [
            "",
            "a",
            "a:",
            "a: b c",
            "a: 'b'",
            "a: \"b\\n\"",
            "a: {b: c}",
            "a: b\n  c",
            "a: |\n  b",
            "a: &b c",
            "a: b\n c: d",
            "a : b",
            "- - a",
            "-\n  a: b",
            "a: \u{fc}",
            "a:\tb",
            "~: b",
            "null: b",
            "a: b#c",
            "a: b: c",
            "a: b\n---\nc: d",
            "a: b\n...\nc: d",
            "a: \"b\"c",
            "a: \"b\"#c",
            "a: {}b",
            "%YAML 1.2\n---\na: b",
            "a: b\r",
            "\"a\": \"b\nc\"",
            "a: - b",
            "- a: b\n   c: d",
            "- a: b\n - c",
            "? a",
            "<<: b",
            "a: *b",
            "a: !b c",
            "a: @b",
        ] {
            assert_eq!(document(text, 0), None, "{text}");
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let shapes = [
            "a:",
            "b: 1",
            "c: x",
            "d: yes",
            "\"e\": \"f g\"",
            "- h: i",
            "- j:",
            "- k",
            "- \"l: m\"",
            "-",
            "- - n",
            "# o",
            "",
            "p: {}",
            "- []",
            "q: # r",
            "s: t # u",
            "v: w#",
            "x: y z",
            "---",
            "null: a",
            "a: ~",
            "b: \"c",
            "d\": e",
            "f: g:h",
            "i: j:",
            "k: 'l'",
            "- {}",
            "m:  n ",
            "o: p/q",
            "-  r: s",
            "t : u",
            "1: 0x1F",
            "- -",
            "v: - w",
            "...",
            "x: [y]",
            "z: {a: b}",
            "- c: \"d\" # e",
            "f: |",
            "- g h",
            "i: \"\"",
            "\"\": j",
            "k: l::1",
            "m: \\",
            "  n",
        ];
        (0_usize..5, prop::sample::select(shapes.to_vec()))
            .prop_map(|(indent, shape)| format!("{}{shape}\n", " ".repeat(indent)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_reads_what_the_full_parser_reads(lines in prop::collection::vec(line(), 1..7)) {
            let text = lines.concat();
            for piece in pieces(&text) {
                if let Some(node) = document(piece.text, piece.above) {
                    prop_assert_eq!(piece.parsed(), Ok(vec![node]));
                }
            }
        }
    }
}
