//! What may be a namespace or a label (RFC 1123; "Labels and Selectors" of the Kubernetes documentation).
//!
//! An inventory may hold anything; a file that the API server refuses helps nobody, and a namespace is a
//! directory here.

use crate::{Error, Namespace, Rule, Whom};

/// Longest namespace, and longest name or value of a label.
const LONGEST: usize = 63;
/// Longest prefix of a label's key, a DNS name.
const LONGEST_PREFIX: usize = 253;

/// Whether both ends of a rule can be said.
pub(super) fn check(rule: &Rule) -> Result<(), Error> {
    for whom in [&rule.subject, &rule.peer] {
        let Whom::Workloads { namespace, labels } = whom else { continue };
        match namespace {
            // Hosts are told by their addresses, never by their labels.
            Namespace::Hosts => continue,
            Namespace::One(name) => check_namespace(name)?,
            Namespace::Every => {}
        }
        for (key, value) in labels.iter() {
            if !is_key(key) {
                return Err(Error::Name { what: "label key", value: key.clone() });
            }
            if !(value.is_empty() || is_name(value)) {
                return Err(Error::Name { what: "label value", value: value.clone() });
            }
        }
    }
    Ok(())
}

pub(super) fn check_namespace(name: &str) -> Result<(), Error> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let valid = name.bytes().all(inner)
        && !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with('-')
        && !name.ends_with('-');
    if valid { Ok(()) } else { Err(Error::Name { what: "namespace", value: name.to_owned() }) }
}

fn is_key(key: &str) -> bool {
    let Some((prefix, name)) = key.split_once('/') else { return is_name(key) };
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    is_name(name) && !prefix.is_empty() && prefix.len() <= LONGEST_PREFIX && prefix.bytes().all(inner)
}

fn is_name(text: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_api_server_takes() {
        assert!(["app", "app.kubernetes.io/name", "a/B_c.d"].into_iter().all(is_key));
        assert!(
            ["", "/a", "a/", "a/b/c", "A/b", "-a", "a b", &"a".repeat(64)]
                .into_iter()
                .all(|key| !is_key(key))
        );
        assert!(["shop", "kube-system", "7"].into_iter().all(|name| check_namespace(name).is_ok()));
        assert!(
            ["", "..", "a/b", "Shop", "-a", "a\n"].into_iter().all(|name| check_namespace(name).is_err())
        );
    }
}
