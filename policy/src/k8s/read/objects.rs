//! The objects of files one after the other, for readers of other dialects.

use super::super::yaml::{self, Node};
use super::super::{Problem, Problems};
use super::sheet::Sheet;

/// Takes one object: its sheet, API version, kind and content.
pub(crate) type Take<'a> = dyn FnMut(&mut Sheet, &str, &str, &Node) + 'a;

/// Hands every object of `files`, those in lists too, to `take`. What is no YAML is a problem where it speaks
/// of the API group `group`, and else not this reader's. Returns the notes.
pub(crate) fn each<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
    namespace: &str,
    group: &str,
    take: &mut Take<'_>,
) -> Result<Vec<Problem>, Problems> {
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut sheet = Sheet::new(name, namespace);
        for piece in yaml::pieces(text) {
            match piece.documents() {
                Ok(documents) => documents.iter().for_each(|one| object(&mut sheet, one, None, take)),
                Err((spot, message)) if piece.text.contains(group) => sheet.problem(spot, message),
                Err(_) => {}
            }
        }
        problems.append(&mut sheet.problems);
        notes.append(&mut sheet.notes);
    }
    if problems.is_empty() { Ok(notes) } else { Err(Problems::new(problems)) }
}

/// Items of a typed list have no kind of their own and take it from the list.
fn object(sheet: &mut Sheet, node: &Node, listed: Option<(&str, &str)>, take: &mut Take<'_>) {
    let of = |key: &str| node.get(key).and_then(Node::scalar);
    let (version, kind) = match (of("apiVersion"), of("kind"), listed) {
        (version, Some(kind), _) => (version.unwrap_or_default(), kind),
        (None, None, Some(listed)) => listed,
        _ => return,
    };
    match kind.strip_suffix("List").filter(|_| node.get("items").is_some()) {
        Some(of_items) => {
            let listed = (!of_items.is_empty()).then_some((version, of_items));
            let items = node.get("items").map_or(&[][..], Node::items);
            items.iter().for_each(|item| object(sheet, item, listed, take));
        }
        None => take(sheet, version, kind, node),
    }
}
