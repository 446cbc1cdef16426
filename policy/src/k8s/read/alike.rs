//! Selectors of peers, each kept once: the rules of a cluster name the same peers again and again.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::super::selector::{Operator, Selector};
use super::super::yaml::{Key, Node, Value};
use super::selector;
use super::sheet::Sheet;

/// Selectors that were read without a problem, of those that have `matchLabels` alone.
#[derive(Default)]
pub(crate) struct Alike {
    hashes: DefaultHashBuilder,
    known: HashTable<Arc<Selector>>,
}

/// A label that is asked for; `None` where it is no text.
type Pair<'a> = Option<(&'a str, &'a str)>;

/// Reads a selector, or takes one that was read from the same labels.
pub(super) fn read(sheet: &mut Sheet, node: &Node<'_>, what: &str) -> Arc<Selector> {
    let Some(labels) = labels(node) else { return Arc::new(selector::read(sheet, node, what)) };
    let hash = hash(&sheet.alike.hashes, asked(labels));
    let alike = |known: &Arc<Selector>| required(known).eq(asked(labels));
    if let Some(known) = sheet.alike.known.find(hash, alike) {
        return Arc::clone(known);
    }
    let problems = sheet.problems.len();
    let read = Arc::new(selector::read(sheet, node, what));
    if sheet.problems.len() == problems {
        let Alike { hashes, known } = &mut sheet.alike;
        known.insert_unique(hash, Arc::clone(&read), |one| self::hash(hashes, required(one)));
    }
    read
}

/// The labels of a selector that has nothing else.
fn labels<'a>(node: &'a Node<'_>) -> Option<&'a [(Key<'a>, Node<'a>)]> {
    let Value::Map(fields) = &node.value else { return None };
    match fields.as_slice() {
        [] => Some(&[]),
        [(key, Node { value: Value::Map(labels), .. })] if key.name == "matchLabels" => {
            asked(labels).all(|pair| pair.is_some()).then_some(labels)
        }
        _ => None,
    }
}

fn asked<'a>(labels: &'a [(Key<'a>, Node<'a>)]) -> impl Iterator<Item = Pair<'a>> {
    labels.iter().map(|(key, value)| match &value.value {
        Value::Text(text) => Some((&*key.name, &**text)),
        _ => None,
    })
}

/// The same of a selector that was read.
fn required(selector: &Selector) -> impl Iterator<Item = Pair<'_>> {
    selector.requirements.iter().map(|one| match &one.operator {
        Operator::In(values) => values.first().map(|value| (one.key.as_str(), value.as_str())),
        _ => None,
    })
}

fn hash<'a>(hashes: &DefaultHashBuilder, pairs: impl Iterator<Item = Pair<'a>>) -> u64 {
    let mut hasher = hashes.build_hasher();
    pairs.for_each(|pair| pair.hash(&mut hasher));
    hasher.finish()
}
