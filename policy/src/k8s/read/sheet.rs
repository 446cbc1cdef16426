//! One file while it is read: typed access to its values, and what was found wrong on the way.

use std::fmt::Display;
use std::sync::Arc;

use super::super::yaml::{Key, Node, Spot, Value};
use super::super::{Place, Problem};
use super::alike::Alike;

/// Collects what is wrong with a file, and what is worth knowing.
pub(crate) struct Sheet {
    file: Arc<str>,
    /// The namespace of objects that name none.
    pub(crate) namespace: Box<str>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notes: Vec<Problem>,
    /// The selectors of peers.
    pub(super) alike: Alike,
}

impl Sheet {
    pub(crate) fn new(file: &str, namespace: &str) -> Self {
        Self {
            file: file.into(),
            namespace: namespace.into(),
            problems: Vec::new(),
            notes: Vec::new(),
            alike: Alike::default(),
        }
    }

    /// With the selectors of files before it.
    pub(super) fn with(self, alike: Alike) -> Self {
        Self { alike, ..self }
    }

    pub(crate) fn place(&self, (line, column): Spot) -> Place {
        Place { file: Arc::clone(&self.file), line, column }
    }

    pub(crate) fn problem(&mut self, spot: Spot, message: impl Into<String>) {
        let place = self.place(spot);
        self.problems.push(Problem { place, message: message.into() });
    }

    pub(crate) fn note(&mut self, spot: Spot, message: impl Into<String>) {
        let place = self.place(spot);
        self.notes.push(Problem { place, message: message.into() });
    }

    fn expected(&mut self, node: &Node, what: impl Display, found: impl Display) {
        self.problem(node.spot, format!("`{what}` must be {found}, found {}", node.kind()));
    }

    /// The fields of a mapping whose keys are all `known`; an unknown or repeated key is a problem, and what
    /// is no mapping has no fields.
    pub(crate) fn fields<'a>(
        &mut self,
        node: &'a Node<'_>,
        what: impl Display,
        known: &[&str],
    ) -> Fields<'a> {
        let fields = match &node.value {
            Value::Map(fields) => fields.as_slice(),
            Value::Null => &[],
            _ => {
                self.expected(node, &what, format!("a mapping of {}", known.join(", ")));
                &[]
            }
        };
        for (index, (key, _)) in fields.iter().enumerate() {
            if !known.contains(&&*key.name) {
                let known = known.join(", ");
                self.problem(key.spot, format!("unknown field `{}` in {what}; known are {known}", key.name));
            }
            self.repeated(&fields[..index], key);
        }
        Fields(fields)
    }

    fn repeated(&mut self, earlier: &[(Key<'_>, Node<'_>)], key: &Key<'_>) {
        if let Some((first, _)) = earlier.iter().find(|(earlier, _)| earlier.name == key.name) {
            let message =
                format!("`{}` is there twice, first in line {}; take one out", key.name, first.spot.0);
            self.problem(key.spot, message);
        }
    }

    /// The entries of a mapping from text to anything.
    pub(crate) fn entries<'a>(&mut self, node: &'a Node<'_>, what: &str) -> &'a [(Key<'a>, Node<'a>)] {
        match &node.value {
            Value::Map(fields) => {
                for (index, (key, _)) in fields.iter().enumerate() {
                    self.repeated(&fields[..index], key);
                }
                fields
            }
            Value::Null => &[],
            _ => {
                self.expected(node, what, "a mapping such as `{app: web}`");
                &[]
            }
        }
    }

    /// The items of a list.
    pub(crate) fn list<'a>(&mut self, node: &'a Node<'_>, what: &str) -> &'a [Node<'a>] {
        if !matches!(node.value, Value::List(_) | Value::Null) {
            self.expected(node, what, "a list; start each item with `- `");
        }
        node.items()
    }

    /// Text; a number or boolean must be in quotes to be text.
    pub(crate) fn text<'a>(&mut self, node: &'a Node<'_>, what: &str) -> Option<&'a str> {
        match &node.value {
            Value::Text(text) => Some(text),
            Value::Word(word) => {
                let message = format!(
                    "`{what}` must be text, and YAML takes `{word}` for something else; write \"{word}\""
                );
                self.problem(node.spot, message);
                None
            }
            _ => {
                self.expected(node, what, "text");
                None
            }
        }
    }
}

/// Fields of a mapping.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [(Key<'a>, Node<'a>)]);

impl<'a> Fields<'a> {
    /// The value of a field that is there and not null.
    pub(crate) fn get(self, name: &str) -> Option<&'a Node<'a>> {
        let found = self.0.iter().find(|(key, _)| key.name == name).map(|(_, value)| value);
        found.filter(|value| value.value != Value::Null)
    }
}
