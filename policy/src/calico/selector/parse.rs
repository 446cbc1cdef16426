//! From words to an expression.

use std::collections::BTreeSet;

use super::tokens::{Token, tokens};
use super::{Expression, Mistake};

/// Levels of parentheses that are followed, so that the stack is bounded.
const MAX_DEPTH: usize = 100;

pub(super) fn parse(text: &str) -> Result<Expression, Mistake> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Expression::All);
    }
    let mut parser = Parser { tokens, at: 0, end: text.chars().count() };
    let expression = parser.any(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => {
            let message = format!("{} does not belong here; write && or || before it", token.shown());
            parser.mistake(message)
        }
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// Characters of the text.
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn mistake<T>(&self, message: impl Into<String>) -> Result<T, Mistake> {
        let offset = self.tokens.get(self.at).map_or(self.end, |&(offset, _)| offset);
        Err(Mistake { offset, message: message.into() })
    }

    fn expected<T>(&self, what: &str) -> Result<T, Mistake> {
        let found = self.peek().map_or("the end".to_owned(), Token::shown);
        self.mistake(format!("expected {what}, found {found}"))
    }

    /// `a || b`
    fn any(&mut self, depth: usize) -> Result<Expression, Mistake> {
        if depth > MAX_DEPTH {
            return self.mistake(format!("more than {MAX_DEPTH} parentheses within another; take some out"));
        }
        let mut several = vec![self.all(depth)?];
        while self.take(&Token::Or) {
            several.push(self.all(depth)?);
        }
        Ok(one_or(several, Expression::Or))
    }

    /// `a && b`
    fn all(&mut self, depth: usize) -> Result<Expression, Mistake> {
        let mut several = vec![self.one(depth)?];
        while self.take(&Token::And) {
            several.push(self.one(depth)?);
        }
        Ok(one_or(several, Expression::And))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, Mistake> {
        let mut negated = false;
        while self.take(&Token::Not) {
            negated = !negated;
        }
        let inner = match self.peek().cloned() {
            Some(Token::Has(key)) => self.whole(Expression::Has(key)),
            Some(Token::All) => self.whole(Expression::All),
            Some(Token::Global) => self.whole(Expression::Global),
            Some(Token::Label(key)) => {
                self.at += 1;
                self.comparison(key)?
            }
            Some(Token::LeftParenthesis) => {
                self.at += 1;
                let inner = self.any(depth + 1)?;
                if !self.take(&Token::RightParenthesis) {
                    return self.expected("`)`");
                }
                inner
            }
            _ => return self.expected("a label, has(), all(), global() or `(`"),
        };
        Ok(match inner {
            inner if !negated => inner,
            Expression::Not(twice) => *twice,
            inner => Expression::Not(Box::new(inner)),
        })
    }

    fn whole(&mut self, expression: Expression) -> Expression {
        self.at += 1;
        expression
    }

    fn comparison(&mut self, key: String) -> Result<Expression, Mistake> {
        let operator = self.next();
        let make: fn(String, String) -> Expression = match operator {
            Some(Token::Equal) => Expression::Equal,
            Some(Token::Unequal) => Expression::Unequal,
            Some(Token::Contains) => Expression::Contains,
            Some(Token::StartsWith) => Expression::StartsWith,
            Some(Token::EndsWith) => Expression::EndsWith,
            Some(Token::In) => return Ok(Expression::In(key, self.set()?)),
            Some(Token::NotIn) => return Ok(Expression::NotIn(key, self.set()?)),
            other => {
                self.at -= usize::from(other.is_some());
                return self.expected(&format!("an operator such as == after the label `{key}`"));
            }
        };
        match self.peek().cloned() {
            Some(Token::Text(value)) => {
                self.at += 1;
                Ok(make(key, value))
            }
            _ => self.expected("a value in quotes"),
        }
    }

    /// `{'a', 'b'}`; it may be empty, and a comma may end it.
    fn set(&mut self) -> Result<BTreeSet<String>, Mistake> {
        if !self.take(&Token::LeftBrace) {
            return self.expected("values in braces such as {'a', 'b'}");
        }
        let mut values = BTreeSet::new();
        while let Some(Token::Text(value)) = self.peek().cloned() {
            self.at += 1;
            values.insert(value);
            if !self.take(&Token::Comma) {
                break;
            }
        }
        if self.take(&Token::RightBrace) { Ok(values) } else { self.expected("a value in quotes, or `}`") }
    }
}

fn one_or(mut several: Vec<Expression>, make: fn(Vec<Expression>) -> Expression) -> Expression {
    if several.len() == 1 { several.remove(0) } else { make(several) }
}
