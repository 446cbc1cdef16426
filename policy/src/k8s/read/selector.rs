//! Label selectors and labels from their nodes.

use std::collections::BTreeSet;

use watershed_model::Labels;

use super::super::selector::{Operator, Requirement, Selector};
use super::super::yaml::Node;
use super::sheet::Sheet;

/// Longest name part of a key and longest value, characters.
const MAX_LABEL: usize = 63;

/// Longest prefix of a key, characters: a DNS name.
const MAX_PREFIX: usize = 253;

/// Reads a selector; what nothing can ever satisfy is a problem.
pub(crate) fn read(sheet: &mut Sheet, node: &Node, what: &str) -> Selector {
    let fields = sheet.fields(node, what, &["matchLabels", "matchExpressions"]);
    let mut requirements = Vec::new();
    let labels = fields.get("matchLabels").map_or(&[][..], |node| sheet.entries(node, "matchLabels"));
    for (key, value) in labels {
        check_key(sheet, key.spot, &key.name);
        if let Some(value) = self::value(sheet, value, &key.name) {
            requirements
                .push(Requirement { key: key.name.to_string(), operator: Operator::In([value].into()) });
        }
    }
    let expressions =
        fields.get("matchExpressions").map_or(&[][..], |node| sheet.list(node, "matchExpressions"));
    requirements.extend(expressions.iter().filter_map(|node| expression(sheet, node)));
    let selector = Selector { requirements };
    if let Some(key) = selector.contradiction() {
        let message = format!(
            "`{what}` contradicts itself on label `{key}` ({selector}) and selects nothing, ever; keep one of the requirements"
        );
        sheet.problem(node.spot, message);
    }
    selector
}

fn expression(sheet: &mut Sheet, node: &Node) -> Option<Requirement> {
    let fields = sheet.fields(node, "a match expression", &["key", "operator", "values"]);
    let (Some(key), Some(operator)) = (fields.get("key"), fields.get("operator")) else {
        sheet.problem(node.spot, "a match expression needs `key` and `operator`; add what is missing");
        return None;
    };
    let name = sheet.text(key, "key")?;
    check_key(sheet, key.spot, name);
    let items = fields.get("values").map_or(&[][..], |node| sheet.list(node, "values"));
    let values: BTreeSet<String> = items.iter().filter_map(|item| value(sheet, item, name)).collect();
    let word = sheet.text(operator, "operator")?;
    let wants_values = match word {
        "In" | "NotIn" => true,
        "Exists" | "DoesNotExist" => false,
        other => {
            let message = format!("unknown operator `{other}`; write In, NotIn, Exists or DoesNotExist");
            sheet.problem(operator.spot, message);
            return None;
        }
    };
    if wants_values == items.is_empty() {
        let message = if wants_values {
            format!("`{word}` needs `values`; list at least one, or write Exists or DoesNotExist")
        } else {
            format!("`{word}` takes no `values`; take them out, or write In or NotIn")
        };
        sheet.problem(operator.spot, message);
        return None;
    }
    let operator = match word {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" => Operator::Exists,
        _ => Operator::DoesNotExist,
    };
    Some(Requirement { key: name.to_owned(), operator })
}

fn value(sheet: &mut Sheet, node: &Node, key: &str) -> Option<String> {
    let text = sheet.text(node, key)?;
    if !(text.is_empty() || is_name(text)) {
        let message = format!(
            "`{text}` is no value of a label: at most {MAX_LABEL} letters, digits, `-`, `_` and `.`, with a letter or digit at both ends"
        );
        sheet.problem(node.spot, message);
    }
    Some(text.to_owned())
}

fn check_key(sheet: &mut Sheet, spot: (u32, u32), key: &str) {
    let (prefix, name) = key.split_once('/').unwrap_or(("example.com", key));
    let domain = prefix.len() <= MAX_PREFIX
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && prefix.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-'));
    if !(domain && is_name(name)) {
        let message = format!(
            "`{key}` is no key of a label: write a name of at most {MAX_LABEL} letters, digits, `-`, `_` and `.`, or a domain, `/` and such a name"
        );
        sheet.problem(spot, message);
    }
}

fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

/// The labels of an object that is not a policy, leniently: whatever is a single value.
pub(crate) fn labels(node: Option<&Node>) -> Labels {
    let fields = node.map_or(&[][..], Node::fields);
    let text = |value: &Node| value.scalar().unwrap_or_default().to_owned();
    fields.iter().map(|(key, value)| (key.name.to_string(), text(value))).collect()
}
