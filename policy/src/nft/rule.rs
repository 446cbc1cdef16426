//! One rule: its matches, statements and verdict.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use watershed_model::Protocol;

use super::lexer::Token;
use super::parser::Parser;
use super::values::{self, AddressSet, Family, Ranges};
use super::{Chain, Match, Rule, Verdict};
use crate::Error;

type Sets = BTreeMap<String, Arc<AddressSet>>;

impl Parser<'_> {
    /// A rule up to the end of its line; it knows the table's `sets` and the `chains` before its own.
    pub(super) fn rule(&mut self, sets: &Sets, chains: &[Chain]) -> Result<Rule, Error> {
        let (file, position) = (Arc::clone(&self.file), self.peek().1);
        let mut rule = Rule { matches: Vec::new(), verdict: None, comment: None, file, position };
        let mut limited = false;
        loop {
            match self.peek().0 {
                Token::Newline | Token::Symbol(';' | '}') => return Ok(rule),
                Token::Word("comment") if rule.comment.is_none() => rule.comment = Some(self.comment()?),
                // nftables takes nothing but a comment behind a verdict or a comment.
                _ if rule.verdict.is_some() || rule.comment.is_some() => {
                    return self.fail("a comment or the end of the rule");
                }
                Token::Word("counter") => self.counter()?,
                Token::Word("log") => self.log()?,
                Token::Word("limit") => {
                    self.limit()?;
                    limited = true;
                }
                // Whether a limit lets a packet through depends on the packets before it.
                _ if limited => return self.fail("`log`, `counter`, `comment` or the end of a limited rule"),
                Token::Word("accept" | "drop" | "return" | "jump") => {
                    rule.verdict = Some(self.verdict(chains)?);
                }
                _ => rule.matches.push(self.one_match(sets)?),
            }
        }
    }

    fn one_match(&mut self, sets: &Sets) -> Result<Match, Error> {
        let object = self.word("a match, a statement or a verdict", |word| {
            let known = ["ip", "ip6", "meta", "th", "tcp", "udp", "sctp", "icmp", "icmpv6", "ct", "iifname"];
            known.into_iter().find(|known| *known == word)
        })?;
        match object {
            "ip" => self.address_match(Family::V4, sets),
            "ip6" => self.address_match(Family::V6, sets),
            "meta" => {
                self.keyword("l4proto")?;
                let protocol = |word: &str| match Protocol::parse(word) {
                    Some(protocol) => Some(protocol.0..=protocol.0),
                    None => values::numbers(word),
                };
                self.values("an IP protocol", protocol).map(Match::Protocol)
            }
            "icmp" | "icmpv6" => {
                self.keyword("type")?;
                let protocol = if object == "icmp" { Protocol::ICMP } else { Protocol::ICMPV6 };
                self.numbers("an ICMP type").map(|types| Match::IcmpType(protocol, types))
            }
            "ct" => self.state(),
            "iifname" => match self.peek().0 {
                Token::Quoted("lo") => {
                    self.next();
                    Ok(Match::Loopback)
                }
                _ => self.fail("`\"lo\"`"),
            },
            transport => {
                self.keyword("dport")?;
                self.numbers("a port").map(|ports| Match::Port(Protocol::parse(transport), ports))
            }
        }
    }

    fn address_match(&mut self, family: Family, sets: &Sets) -> Result<Match, Error> {
        let side = self.word("`saddr` or `daddr`", |word| match word {
            "saddr" => Some(Match::Source as fn(_) -> _),
            "daddr" => Some(Match::Destination as fn(_) -> _),
            _ => None,
        })?;
        if self.accept(Token::Symbol('@')) {
            let expected = format!("the name of a set of type {}", family.set_type());
            return self
                .word(&expected, |name| sets.get(name).filter(|set| set.family == family))
                .cloned()
                .map(side);
        }
        let ranges = match self.peek().0 {
            Token::Symbol('{') => self.braced(|parser| parser.address(family, true))?,
            _ => vec![self.address(family, true)?],
        };
        Ok(side(Arc::new(AddressSet::new(family, ranges))))
    }

    fn state(&mut self) -> Result<Match, Error> {
        self.keyword("state")?;
        let mut new = false;
        loop {
            new |= self.word("a connection state", |word| match word {
                // By name, or by number as `nft -n list ruleset` prints them.
                "new" | "0x8" => Some(true),
                "established" | "related" | "invalid" | "untracked" => Some(false),
                "0x1" | "0x2" | "0x4" | "0x40" => Some(false),
                _ => None,
            })?;
            if !self.accept(Token::Symbol(',')) {
                return Ok(Match::State { new });
            }
        }
    }

    fn numbers<T: Copy + Ord + FromStr>(&mut self, expected: &str) -> Result<Ranges<T>, Error> {
        self.values(expected, values::numbers)
    }

    /// One value or a set of them in braces.
    fn values<T: Copy + Ord>(
        &mut self,
        expected: &str,
        read: impl Fn(&str) -> Option<RangeInclusive<T>>,
    ) -> Result<Ranges<T>, Error> {
        Ok(values::sorted(match self.peek().0 {
            Token::Symbol('{') => self.braced(|parser| parser.word(expected, &read))?,
            _ => vec![self.word(expected, read)?],
        }))
    }

    fn verdict(&mut self, chains: &[Chain]) -> Result<Verdict, Error> {
        if self.accept(Token::Word("jump")) {
            return self.word("the name of a regular chain defined before this one", |name| {
                chains.iter().position(|chain| chain.name == name && chain.base.is_none()).map(Verdict::Jump)
            });
        }
        self.word("a verdict", |word| match word {
            "accept" => Some(Verdict::Accept),
            "drop" => Some(Verdict::Drop),
            "return" => Some(Verdict::Return),
            _ => None,
        })
    }

    fn comment(&mut self) -> Result<Arc<str>, Error> {
        self.keyword("comment")?;
        self.quoted()
    }

    fn counter(&mut self) -> Result<(), Error> {
        self.keyword("counter")?;
        // As `nft list ruleset` prints it.
        if self.accept(Token::Word("packets")) {
            self.word("a number", |word| word.parse::<u64>().ok())?;
            self.keyword("bytes")?;
            self.word("a number", |word| word.parse::<u64>().ok())?;
        }
        Ok(())
    }

    fn log(&mut self) -> Result<(), Error> {
        self.keyword("log")?;
        if self.accept(Token::Word("prefix")) { self.quoted().map(drop) } else { Ok(()) }
    }

    fn limit(&mut self) -> Result<(), Error> {
        self.keyword("limit")?;
        self.keyword("rate")?;
        self.word("a rate such as `5/second`", |word| {
            let (count, unit) = word.split_once('/')?;
            let known = matches!(unit, "second" | "minute" | "hour" | "day");
            count.parse::<u32>().ok().filter(|_| known).map(drop)
        })
    }

    fn quoted(&mut self) -> Result<Arc<str>, Error> {
        let Token::Quoted(text) = self.peek().0 else { return self.fail("a quoted string") };
        self.next();
        Ok(text.into())
    }
}
