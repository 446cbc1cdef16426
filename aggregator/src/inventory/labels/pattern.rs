//! Patterns of names: `{role}-{#}.{env:prod|test}.{loc}`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use watershed_model::Workload;

use super::SEGMENTS;

/// Longer names match nothing: DNS knows none, and trying all ways to take one apart would take long.
const MAX_NAME: usize = 253;

/// How a name is put together. A pattern matches whole names only. `{role}`, `{app}`, `{env}` and `{loc}` stand for
/// letters and digits, at least one and none of `.`, `-` and `/`; `{env:prod|test}` for one of these words; `{#}` for
/// digits; `{*}` for anything, also nothing. With a `/` in it, it is about `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// This text.
    Text(String),
    /// A label's value, one of these where there are any.
    Label(&'static str, Vec<String>),
    Digits,
    Anything,
}

/// A text is no pattern of names.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no pattern of names: {reason}")]
pub struct NoPattern {
    /// The text.
    pub text: String,
    /// What is wrong with it, and what to write.
    pub reason: String,
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for NamePattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let wrong = |reason: String| NoPattern { text: text.to_owned(), reason };
        let (mut parts, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (before, after) = rest.split_once('{').unwrap_or((rest, ""));
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            if before.len() == rest.len() {
                break;
            }
            let (inner, after) =
                after.split_once('}').ok_or_else(|| wrong("a `{` is never closed; add a `}`".to_owned()))?;
            parts.push(part(inner).map_err(wrong)?);
            rest = after;
        }
        let labels: Vec<&str> = parts
            .iter()
            .filter_map(|part| if let Part::Label(label, _) = part { Some(*label) } else { None })
            .collect();
        if labels.is_empty() {
            return Err(wrong("it tells no label; name one, such as {role}".to_owned()));
        }
        if let Some(twice) = labels.iter().enumerate().find(|(index, label)| labels[..*index].contains(label))
        {
            return Err(wrong(format!("{{{}}} is there twice; take one out", twice.1)));
        }
        let open = |part: &Part| !matches!(part, Part::Text(_));
        if parts.windows(2).any(|pair| pair.iter().all(open)) {
            return Err(wrong(
                "two parts in braces follow each other; put what separates them in between".to_owned(),
            ));
        }
        if parts.iter().filter(|part| matches!(part, Part::Anything)).count() > 1 {
            return Err(wrong("{*} is there twice; take one out".to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

/// What stands between braces.
fn part(inner: &str) -> Result<Part, String> {
    let (name, words) = inner.split_once(':').unwrap_or((inner, ""));
    let words: Vec<String> = words.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    match (name, SEGMENTS.into_iter().find(|label| *label == name)) {
        (_, Some(label)) => Ok(Part::Label(label, words)),
        ("#", None) => Ok(Part::Digits),
        ("*", None) => Ok(Part::Anything),
        _ => Err(format!(
            "{{{inner}}} stands for nothing; write {{role}}, {{app}}, {{env}}, {{loc}}, {{#}} or {{*}}"
        )),
    }
}

impl NamePattern {
    /// The value of `label` in the workload's name, if it matches.
    pub(super) fn value<'a>(&self, workload: &'a Workload, label: &str) -> Option<&'a str> {
        let name = workload.name.as_str();
        if name.len() > MAX_NAME {
            return None;
        }
        let mut found = None;
        // A pattern with a namespace is matched in two halves, so that what is found lies in the workload.
        let slash = self.parts.iter().position(|part| matches!(part, Part::Text(text) if text.contains('/')));
        match (slash, &workload.namespace) {
            (None, _) => matches(&self.parts, name, label, &mut found).then_some(found)?,
            (Some(_), None) => None,
            (Some(at), Some(namespace)) => {
                let Part::Text(text) = &self.parts[at] else { return None };
                let (before, after) = text.split_once('/')?;
                let half = |text: &str| (!text.is_empty()).then(|| Part::Text(text.to_owned()));
                let first: Vec<Part> = self.parts[..at].iter().cloned().chain(half(before)).collect();
                let second: Vec<Part> =
                    half(after).into_iter().chain(self.parts[at + 1..].iter().cloned()).collect();
                let whole = matches(&first, namespace, label, &mut found)
                    && matches(&second, name, label, &mut found);
                whole.then_some(found)?
            }
        }
    }
}

/// Whether the parts make up all of `text`; what stands for `label` is put into `found`.
fn matches<'a>(parts: &[Part], text: &'a str, label: &str, found: &mut Option<&'a str>) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    // Where a part may end: the longest first.
    let longest = |holds: fn(char) -> bool| text.find(|c| !holds(c)).unwrap_or(text.len());
    let (least, most) = match part {
        Part::Text(this) => {
            return text.strip_prefix(this.as_str()).is_some_and(|text| matches(rest, text, label, found));
        }
        Part::Label(..) => (1, longest(|c| !matches!(c, '.' | '-' | '/'))),
        Part::Digits => (1, longest(|c| c.is_ascii_digit())),
        Part::Anything => (0, text.len()),
    };
    for end in (least..=most).rev().filter(|&end| text.is_char_boundary(end)) {
        let (value, after) = text.split_at(end);
        let fits = !matches!(part, Part::Label(_, words) if !words.is_empty() && !words.iter().any(|word| word == value));
        if fits && matches(rest, after, label, found) {
            if matches!(part, Part::Label(this, _) if *this == label) {
                *found = Some(value);
            }
            return true;
        }
    }
    false
}
