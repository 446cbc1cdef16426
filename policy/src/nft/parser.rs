//! Text to ruleset.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::lexer::{Position, Token, tokens, unexpected};
use super::values::{self, AddressSet, Family};
use super::{Action, Base, Chain, Hook, Ruleset, Table, Verdict};
use crate::Error;

/// Chains inside one another: the kernel's own limit (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

/// Bytes of a name: the kernel's own limit (`NFT_NAME_MAXLEN`, with its final zero).
const LONGEST_NAME: usize = 255;

impl Ruleset {
    /// The ruleset after loading `files` (name and text) one after the other.
    ///
    /// # Errors
    /// [`Error::Read`] at the first thing that is not known or not defined.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut ruleset = Self::default();
        for (file, text) in files {
            let tokens = tokens(file, text)?;
            Parser { file: file.into(), tokens: &tokens, at: 0 }.file(&mut ruleset)?;
        }
        ruleset.tables.values().try_for_each(check_depth)?;
        Ok(ruleset)
    }
}

/// Jumps lead to chains before the one they are in, so one pass in order knows every depth.
fn check_depth(table: &Table) -> Result<(), Error> {
    let mut depths: Vec<usize> = Vec::with_capacity(table.chains.len());
    for chain in &table.chains {
        let mut depth = 1;
        for rule in &chain.rules {
            if let Some(Verdict::Jump(target)) = rule.verdict {
                depth = depth.max(1 + depths.get(target).copied().unwrap_or_default());
                if depth > DEEPEST {
                    let expected = format!("at most {DEEPEST} chains inside one another");
                    return Err(unexpected(&rule.file, rule.position, "one more `jump`".into(), expected));
                }
            }
        }
        depths.push(depth);
    }
    Ok(())
}

pub(super) struct Parser<'a> {
    pub(super) file: Arc<str>,
    /// Ends with [`Token::End`], which is never passed.
    tokens: &'a [(Token<'a>, Position)],
    at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> (Token<'a>, Position) {
        self.tokens.get(self.at).copied().unwrap_or((Token::End, Position { line: 1, column: 1 }))
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let (token, _) = self.peek();
        if token != Token::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn accept(&mut self, token: Token<'_>) -> bool {
        let found = self.peek().0 == token;
        if found {
            self.next();
        }
        found
    }

    pub(super) fn fail<T>(&self, expected: impl Into<String>) -> Result<T, Error> {
        let (token, position) = self.peek();
        Err(unexpected(&self.file, position, token.to_string(), expected))
    }

    pub(super) fn expect(&mut self, token: Token<'_>) -> Result<(), Error> {
        if self.accept(token) { Ok(()) } else { self.fail(token.to_string()) }
    }

    /// A word that `read` understands.
    pub(super) fn word<T>(
        &mut self,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, Error> {
        if let Token::Word(word) = self.peek().0
            && let Some(value) = read(word)
        {
            self.next();
            return Ok(value);
        }
        self.fail(expected)
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> Result<(), Error> {
        self.expect(Token::Word(keyword))
    }

    fn newlines(&mut self) {
        while self.accept(Token::Newline) {}
    }

    /// Statements end with a line or a semicolon.
    fn separators(&mut self) {
        while self.accept(Token::Newline) || self.accept(Token::Symbol(';')) {}
    }

    fn file(&mut self, ruleset: &mut Ruleset) -> Result<(), Error> {
        loop {
            self.separators();
            match self.peek().0 {
                Token::End => return Ok(()),
                Token::Word("table") => self.table(ruleset)?,
                Token::Word("delete") => self.delete(ruleset)?,
                _ => return self.fail("`table` or `delete table`"),
            }
        }
    }

    fn delete(&mut self, ruleset: &mut Ruleset) -> Result<(), Error> {
        self.keyword("delete")?;
        self.keyword("table")?;
        self.keyword("inet")?;
        self.word("the name of a table that exists", |name| ruleset.tables.remove(name)).map(drop)
    }

    fn table(&mut self, ruleset: &mut Ruleset) -> Result<(), Error> {
        self.keyword("table")?;
        self.keyword("inet")?;
        let name = self.word("the name of a table", name)?;
        let table = ruleset.tables.entry(name.into()).or_default();
        if !self.accept(Token::Symbol('{')) {
            return Ok(());
        }
        loop {
            self.separators();
            match self.peek().0 {
                Token::Symbol('}') => return self.expect(Token::Symbol('}')),
                Token::Word("set") => self.set(table)?,
                Token::Word("chain") => self.chain(table)?,
                _ => return self.fail("`set`, `chain` or `}`"),
            }
        }
    }

    fn set(&mut self, table: &mut Table) -> Result<(), Error> {
        self.keyword("set")?;
        let name = self.word("the name of a set that is not defined yet", |word| {
            name(word).filter(|word| !table.sets.contains_key(*word))
        })?;
        self.expect(Token::Symbol('{'))?;
        self.newlines();
        self.keyword("type")?;
        let family = self.word("`ipv4_addr` or `ipv6_addr`", |word| {
            Family::ALL.into_iter().find(|family| family.set_type() == word)
        })?;
        self.separators();
        let intervals = self.accept(Token::Word("flags"));
        if intervals {
            self.keyword("interval")?;
            self.separators();
        }
        let mut ranges = Vec::new();
        if self.accept(Token::Word("elements")) {
            self.expect(Token::Symbol('='))?;
            ranges = self.braced(|parser| parser.address(family, intervals))?;
            self.separators();
        }
        self.expect(Token::Symbol('}'))?;
        table.sets.insert(name.into(), Arc::new(AddressSet::new(family, ranges)));
        Ok(())
    }

    pub(super) fn address(
        &mut self,
        family: Family,
        intervals: bool,
    ) -> Result<RangeInclusive<IpAddr>, Error> {
        let expected = match (family, intervals) {
            (Family::V4, false) => "one IPv4 address",
            (Family::V6, false) => "one IPv6 address",
            (Family::V4, true) => "an IPv4 address, prefix or range",
            (Family::V6, true) => "an IPv6 address, prefix or range",
        };
        self.word(expected, |word| {
            values::addresses(word, family).filter(|range| intervals || range.start() == range.end())
        })
    }

    /// `{ a, b }`, over any number of lines; a comma may follow the last.
    pub(super) fn braced<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.expect(Token::Symbol('{'))?;
        let mut elements = Vec::new();
        loop {
            self.newlines();
            if self.accept(Token::Symbol('}')) {
                return Ok(elements);
            }
            elements.push(element(self)?);
            self.newlines();
            if !self.accept(Token::Symbol(',')) {
                self.expect(Token::Symbol('}'))?;
                return Ok(elements);
            }
        }
    }

    fn chain(&mut self, table: &mut Table) -> Result<(), Error> {
        self.keyword("chain")?;
        let name = self.word("the name of a chain", name)?;
        self.expect(Token::Symbol('{'))?;
        let place = table.chains.iter().position(|chain| chain.name == name).unwrap_or_else(|| {
            table.chains.push(Chain { name: name.into(), ..Chain::default() });
            table.chains.len() - 1
        });
        // Out of the table while its rules are read: it can only jump to chains before it.
        let (before, from) = table.chains.split_at_mut(place);
        let Some(chain) = from.first_mut() else { return self.fail("a chain") };
        let known = chain.rules.len();
        loop {
            self.separators();
            match self.peek().0 {
                Token::Symbol('}') => break,
                Token::Word("type") => {
                    let base = self.base()?;
                    if chain.base.is_some_and(|old| (old.hook, old.priority) != (base.hook, base.priority)) {
                        return self.fail("the hook and priority that the chain already has");
                    }
                    chain.base = Some(base);
                }
                _ => {
                    let rule = self.rule(&table.sets, before)?;
                    chain.rules.push(rule);
                }
            }
        }
        chain.index_from(known);
        self.expect(Token::Symbol('}'))
    }

    fn base(&mut self) -> Result<Base, Error> {
        self.keyword("type")?;
        self.keyword("filter")?;
        self.keyword("hook")?;
        let hook = self.word("`forward` or `input`", |word| {
            [Hook::Forward, Hook::Input].into_iter().find(|hook| hook.as_str() == word)
        })?;
        self.keyword("priority")?;
        let priority = self.word("`filter` or a number", |word| match word {
            "filter" => Some(0),
            number => number.parse().ok(),
        })?;
        self.expect(Token::Symbol(';'))?;
        self.keyword("policy")?;
        let policy = self.word("`accept` or `drop`", |word| match word {
            "accept" => Some(Action::Accept),
            "drop" => Some(Action::Drop),
            _ => None,
        })?;
        self.expect(Token::Symbol(';'))?;
        Ok(Base { hook, priority, policy })
    }
}

/// A name as nftables takes it without quotes.
fn name(word: &str) -> Option<&str> {
    let letters = word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let short = word.len() <= LONGEST_NAME;
    let plain =
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'));
    (letters && short && plain).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Ruleset::read([("t.nft", text)]).expect_err(text).to_string()
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_place() {
        let chain = |rule: &str| format!("table inet t {{\n\tchain a {{\n\t\t{rule}\n\t}}\n}}\n");
        for (rule, place) in [
            ("tcp sport 5 accept", "3:7: found `sport`"),
            ("ip saddr != 10.0.0.1 accept", "3:12: found '!'"),
            ("ip saddr @a accept", "3:13: found `a`"),
            ("ip saddr 10.0.0.1/8 accept", "3:12: found `10.0.0.1/8`"),
            ("ip6 daddr 10.0.0.1 accept", "3:13: found `10.0.0.1`"),
            ("accept counter", "3:10: found `counter`"),
            ("limit rate 5/second accept", "3:23: found `accept`"),
            ("jump a", "3:8: found `a`"),
            ("tcp dport 70000 accept", "3:13: found `70000`"),
            ("ct state fresh accept", "3:12: found `fresh`"),
            ("masquerade", "3:3: found `masquerade`"),
        ] {
            let message = error(&chain(rule));
            assert!(message.starts_with(&format!("reading t.nft:{place}, expected")), "{rule}: {message}");
        }
    }

    #[test]
    fn tables_are_made_once_and_deleted_once() {
        assert!(error("delete table inet t").contains("1:19: found `t`"));
        assert!(
            error("table inet t { set a { type ipv4_addr }; set a { type ipv4_addr } }")
                .contains("found `a`")
        );
        assert!(error("table inet t {").contains("found the end of the file"));
        assert!(
            error("table inet t { set a { type ipv4_addr; elements = { 10.0.0.0/8 } } }")
                .contains("one IPv4")
        );
        assert!(Ruleset::read([("a", "table inet t\ndelete table inet t\n")]).is_ok());
    }

    #[test]
    fn chains_nest_as_deep_as_in_the_kernel() {
        let nested = |count: usize| {
            let chains = (1..count).map(|at| format!("chain c{at} {{ jump c{} }}\n", at - 1));
            format!("table inet t {{\nchain c0 {{ accept }}\n{}}}", chains.collect::<String>())
        };
        assert!(Ruleset::read([("t.nft", nested(DEEPEST).as_str())]).is_ok());
        assert!(error(&nested(DEEPEST + 1)).contains("at most 16 chains"));
    }
}
