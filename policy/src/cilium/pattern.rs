//! Names of the DNS as Cilium matches them: `matchName` and `matchPattern`.

/// A name, or a pattern of names; in lower case, without the final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// Longest name and pattern, characters (RFC 1035, section 2.3.4).
const LONGEST: usize = 255;

impl Pattern {
    /// `None` where it is no name. In a `pattern` `*` stands for letters within one label, `**.` at its start
    /// for whole labels, and `*` alone for everything.
    pub(crate) fn new(text: &str, pattern: bool) -> Option<Self> {
        let known =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || pattern && c == '*';
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let valid =
            !text.is_empty() && text.len() <= LONGEST && text.chars().all(known) && !text.starts_with('.');
        (valid && !text.contains("..")).then_some(Self(text))
    }

    /// Whether it means one name alone.
    pub(crate) fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether it means `name`, in lower case and without the final dot.
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        match self.0.strip_prefix("**.") {
            // At least one whole label before the rest.
            Some(rest) => {
                let labels = name.match_indices('.').filter(|&(at, _)| at > 0);
                labels.into_iter().any(|(at, _)| glob(rest.as_bytes(), &name.as_bytes()[at + 1..]))
            }
            None => glob(self.0.as_bytes(), name.as_bytes()),
        }
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for any letters but dots. Takes time in proportion to
/// the product of both lengths, at most.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    // Whether each beginning of the name matches what of the pattern was looked at.
    let mut matches = vec![false; name.len() + 1];
    matches[0] = true;
    for &letter in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match letter {
                b'*' => matches[at] || at > 0 && next[at - 1] && name[at - 1] != b'.',
                letter => at > 0 && matches[at - 1] && name[at - 1] == letter,
            };
        }
        matches = next;
    }
    matches[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_labels_and_two_of_them_do_not() {
        let matches =
            |pattern: &str, name: &str| Pattern::new(pattern, true).expect("a pattern").matches(name);
        assert!(matches("*.cilium.io", "www.cilium.io") && !matches("*.cilium.io", "a.b.cilium.io"));
        assert!(!matches("*.cilium.io", "cilium.io") && matches("*cilium.io", "subcilium.io"));
        assert!(
            matches("sub*.cilium.io.", "sub.cilium.io") && matches("sub*.cilium.io", "subdomain.cilium.io")
        );
        assert!(matches("**.cilium.io", "test.app.cilium.io") && !matches("**.cilium.io", "cilium.io"));
        assert!(matches("*", "anything.at.all") && matches("API.example", "api.example"));
        assert!(!matches("api.example", "apix.example"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".", "a b", "a..b", ".a", "a:80", "*"] {
            assert_eq!(Pattern::new(text, false), None, "{text:?}");
        }
        assert!(Pattern::new(&"a".repeat(256), false).is_none());
    }
}
