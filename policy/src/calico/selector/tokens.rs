//! The words of a selector.

use super::Mistake;

/// Blanks between words.
const BLANK: [char; 2] = [' ', '\t'];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Label(String),
    Text(String),
    Has(String),
    All,
    Global,
    Equal,
    Unequal,
    In,
    NotIn,
    Contains,
    StartsWith,
    EndsWith,
    Not,
    And,
    Or,
    Comma,
    LeftParenthesis,
    RightParenthesis,
    LeftBrace,
    RightBrace,
}

impl Token {
    /// What it looks like, for a message.
    pub(super) fn shown(&self) -> String {
        let word = match self {
            Self::Label(name) => return format!("`{name}`"),
            Self::Text(text) => return format!("'{text}'"),
            Self::Has(label) => return format!("has({label})"),
            Self::All => "all()",
            Self::Global => "global()",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
            Self::Not => "!",
            Self::And => "&&",
            Self::Or => "||",
            Self::Comma => ",",
            Self::LeftParenthesis => "(",
            Self::RightParenthesis => ")",
            Self::LeftBrace => "{",
            Self::RightBrace => "}",
        };
        format!("`{word}`")
    }
}

/// The words with the number of characters before each.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut reader = Reader { text, rest: text };
    let mut tokens: Vec<(usize, Token)> = Vec::new();
    loop {
        reader.skip();
        if reader.rest.is_empty() {
            return Ok(tokens);
        }
        let offset = reader.offset();
        // Right after a label a word is an operator, anywhere else it may be a label that looks like one.
        let after_label = matches!(tokens.last(), Some((_, Token::Label(_))));
        let token = match reader.symbol() {
            Some(token) => token,
            None if reader.rest.starts_with(['"', '\'']) => reader.text()?,
            None if after_label => reader.operator()?,
            None => reader.operand()?,
        };
        tokens.push((offset, token));
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches(BLANK);
    }

    fn offset(&self) -> usize {
        self.text[..self.text.len() - self.rest.len()].chars().count()
    }

    fn mistake<T>(&self, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake { offset: self.offset(), message: message.into() })
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn symbol(&mut self) -> Option<Token> {
        const SYMBOLS: [(&str, Token); 10] = [
            ("==", Token::Equal),
            ("!=", Token::Unequal),
            ("!", Token::Not),
            ("&&", Token::And),
            ("||", Token::Or),
            (",", Token::Comma),
            ("(", Token::LeftParenthesis),
            (")", Token::RightParenthesis),
            ("{", Token::LeftBrace),
            ("}", Token::RightBrace),
        ];
        SYMBOLS.into_iter().find(|(symbol, _)| self.take(symbol)).map(|(_, token)| token)
    }

    /// A value; there is no way to escape anything in it.
    fn text(&mut self) -> Result<Token, Mistake> {
        let (quote, inner) = self.rest.split_at(1);
        let Some((value, rest)) = inner.split_once(quote) else {
            return self.mistake(format!("this value has no end; close it with {quote}"));
        };
        self.rest = rest;
        Ok(Token::Text(value.to_owned()))
    }

    fn operator(&mut self) -> Result<Token, Mistake> {
        if self.take("contains") {
            return Ok(Token::Contains);
        }
        for (first, second, token) in [
            ("starts", "with", Token::StartsWith),
            ("ends", "with", Token::EndsWith),
            ("not", "in", Token::NotIn),
        ] {
            if !self.rest.starts_with(first) {
                continue;
            }
            self.take(first);
            self.skip();
            if self.take(second) {
                return Ok(token);
            }
            return self.mistake(format!("`{first}` wants `{second}` after it"));
        }
        if self.take("in") {
            return Ok(Token::In);
        }
        self.mistake(
            "expected ==, !=, in, not in, contains, starts with or ends with after the label; write a value in quotes",
        )
    }

    fn operand(&mut self) -> Result<Token, Mistake> {
        for (word, token) in [("all", Token::All), ("global", Token::Global)] {
            if self.call(word) {
                self.skip();
                return if self.take(")") {
                    Ok(token)
                } else {
                    self.mistake(format!("expected `)`: {word}() takes nothing"))
                };
            }
        }
        if self.call("has") {
            self.skip();
            let Some(label) = self.label() else { return self.mistake("has() wants the key of a label") };
            self.skip();
            return if self.take(")") {
                Ok(Token::Has(label))
            } else {
                self.mistake("expected `)` after the key in has()")
            };
        }
        match self.label() {
            Some(label) => Ok(Token::Label(label)),
            None => {
                let letter = self.rest.chars().next().unwrap_or(' ');
                let message = match letter {
                    '=' => "a single `=`; write ==".to_owned(),
                    '&' => "a single `&`; write &&".to_owned(),
                    '|' => "a single `|`; write ||".to_owned(),
                    other => {
                        format!("`{other}` begins nothing that a selector knows; write such as app == 'web'")
                    }
                };
                self.mistake(message)
            }
        }
    }

    /// Takes the word if a parenthesis follows at once.
    fn call(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word).and_then(|rest| rest.strip_prefix('('));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn label(&mut self) -> Option<String> {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
        let length = self.rest.find(|c| !inner(c)).unwrap_or(self.rest.len());
        let (label, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!label.is_empty()).then(|| label.to_owned())
    }
}
