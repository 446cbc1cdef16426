//! Words, quoted strings and punctuation of a ruleset, with their places.

use std::fmt;

use crate::Error;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, number, address, prefix or range.
    Word(&'a str),
    /// What stands between quotes.
    Quoted(&'a str),
    /// One of `{ } = , ; @`.
    Symbol(char),
    /// The end of a line, which ends a statement.
    Newline,
    /// The end of the text.
    End,
}

/// The token as it is named in a message.
impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Cut, because a message is no place for a whole file without a space in it.
            Self::Word(word) => write!(f, "`{}`", word.chars().take(64).collect::<String>()),
            Self::Quoted(_) => f.write_str("a quoted string"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::Newline => f.write_str("the end of the line"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}

/// Where a token starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// From 1.
    pub(super) line: u32,
    /// In characters, from 1.
    pub(super) column: u32,
}

/// Everything up to the end of the text, comments left out.
pub(super) fn tokens<'a>(file: &str, text: &'a str) -> Result<Vec<(Token<'a>, Position)>, Error> {
    let mut tokens = Vec::new();
    let mut position = Position { line: 1, column: 1 };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\n' => (Some(Token::Newline), 1),
            ' ' | '\t' | '\r' => (None, 1),
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '{' | '}' | '=' | ',' | ';' | '@' => (Some(Token::Symbol(first)), 1),
            '"' => quoted(file, rest, position)?,
            _ if is_word(first) => {
                let length = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                (Some(Token::Word(&rest[..length])), length)
            }
            _ => {
                return Err(unexpected(
                    file,
                    position,
                    format!("{first:?}"),
                    "a name, a number or an address",
                ));
            }
        };
        tokens.extend(token.map(|token| (token, position)));
        let (read, after) = rest.split_at(length);
        rest = after;
        if first == '\n' {
            position = Position { line: position.line.saturating_add(1), column: 1 };
        } else {
            let width = u32::try_from(read.chars().count()).unwrap_or(u32::MAX);
            position.column = position.column.saturating_add(width);
        }
    }
    tokens.push((Token::End, position));
    Ok(tokens)
}

/// A quoted string has no escapes: it ends at the next quote, on the same line.
fn quoted<'a>(file: &str, rest: &'a str, position: Position) -> Result<(Option<Token<'a>>, usize), Error> {
    let inner = &rest[1..];
    match inner.find(['"', '\n']) {
        Some(end) if inner[end..].starts_with('"') => Ok((Some(Token::Quoted(&inner[..end])), end + 2)),
        _ => Err(unexpected(
            file,
            position,
            "a quote that is never closed".into(),
            "a closing quote on its line",
        )),
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':' | '/')
}

pub(super) fn unexpected(file: &str, at: Position, found: String, expected: impl Into<String>) -> Error {
    Error::Read { file: file.into(), line: at.line, column: at.column, found, expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns() {
        let tokens = tokens("t", "set a { # why\n\t\"ü\" @b }").expect("tokens");
        let place = |at: usize| (tokens[at].0, tokens[at].1.line, tokens[at].1.column);
        assert_eq!(place(0), (Token::Word("set"), 1, 1));
        assert_eq!(place(3), (Token::Newline, 1, 14));
        assert_eq!(place(4), (Token::Quoted("ü"), 2, 2));
        assert_eq!(place(5), (Token::Symbol('@'), 2, 6));
        assert_eq!(tokens.last().map(|token| token.0), Some(Token::End));
    }

    #[test]
    fn a_quote_ends_on_its_line() {
        let message = tokens("t.nft", "comment \"a\nb\"").expect_err("open quote").to_string();
        assert!(message.starts_with("reading t.nft:1:9: found a quote that is never closed"), "{message}");
    }
}
