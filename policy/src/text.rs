//! Text from outside (names, labels) made fit for comments and identifiers.

/// `text` without anything that could end a quoted string or a comment, or rearrange what a reader sees:
/// letters, digits, spaces and ASCII punctuation stay, except `"` and `\`; everything else becomes `?`.
/// At most `limit` bytes.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    if text.len() <= limit && text.bytes().all(|b| (b' '..=b'~').contains(&b) && !matches!(b, b'"' | b'\\')) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len().min(limit));
    for letter in text.chars() {
        let harmless = letter.is_alphanumeric()
            || letter == ' '
            || (letter.is_ascii_graphic() && !matches!(letter, '"' | '\\'));
        let letter = if harmless { letter } else { '?' };
        if clean.len() + letter.len_utf8() > limit {
            break;
        }
        clean.push(letter);
    }
    clean
}

/// `text` as a part of an identifier: lower-case ASCII letters and digits with single hyphens between them.
/// At most `limit` bytes; empty where nothing of it can be kept.
pub(crate) fn slug(text: &str, limit: usize) -> String {
    let mut slug = String::new();
    for letter in text.chars().map(|letter| letter.to_ascii_lowercase()) {
        if slug.len() >= limit {
            break;
        }
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_comment() {
        assert_eq!(printable("a\"; drop\n\\ b\u{202e}\u{0}c", 100), "a?; drop?? b??c");
        assert_eq!(printable("büro", 100), "büro");
    }

    #[test]
    fn a_limit_never_cuts_a_letter() {
        assert_eq!(printable("aüü", 4), "aü");
        assert_eq!(printable("aüü", 5), "aüü");
    }

    #[test]
    fn slugs_are_identifiers() {
        assert_eq!(slug("Shop/DB_1", 40), "shop-db-1");
        assert_eq!(slug("2001:db8::1", 40), "2001-db8-1");
        assert_eq!(slug("--ü--", 40), "");
        assert_eq!(slug("abc-def", 4), "abc");
    }
}
