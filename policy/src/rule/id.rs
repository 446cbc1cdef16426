//! Names of rules: they stay while what a rule is about stays, whatever becomes of its evidence.

use std::fmt;

use super::{Allowed, Whom};
use crate::decisions::Manual;
use crate::identity::{FieldDigest, Identity};
use crate::k8s::Direction;
use crate::{Service, text};

/// A rule's name: `allow-shop-db-tcp-5432-4f0c2a9be711`, `allow-db-ingress-5d96e11e97835989`.
///
/// Lower-case letters, digits and hyphens, at most [`RuleId::LONGEST`] bytes, starting with a letter: a valid name in
/// every dialect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(Box<str>);

/// 64 bits: among a million rules two collide once in 37 million estates.
const DIGITS: usize = 16;

impl RuleId {
    /// Longest name, in bytes: `allow-`, 40 of the subject, `ingress-` and 16 of the digest, with hyphens.
    pub const LONGEST: usize = 71;

    /// Of the rule for one service of one server: by these alone, so that it stays when clients come and go.
    pub(super) fn exact(server: &str, identity: &Identity, service: Service) -> Self {
        /// Names of servers are cut here: what makes a rule unique is the digest, the name is for people.
        const SERVER: usize = 32;
        const SERVICE: usize = 16;
        /// 48 bits: among a million rules with equal names two collide once in 500 estates, and reading a rule
        /// set back refuses two sets of one name.
        const DIGITS: usize = 12;
        let mut digest = FieldDigest::default();
        digest.field("allow ingress");
        identity.digest(&mut digest);
        digest.field(&service.to_string());
        let parts = [text::slug(server, SERVER), text::slug(&service.to_string(), SERVICE)];
        Self::new(&parts, digest, DIGITS)
    }

    /// Of a mined rule: by its subject, direction and peer, never by the evidence or the ports.
    pub(crate) fn mined(subject: &Whom, direction: Direction, peer: &Whom, ports: &[Allowed]) -> Self {
        let mut digest = FieldDigest::default();
        digest.field(&direction.to_string());
        subject.digest(&mut digest);
        digest.field("peer");
        peer.digest(&mut digest);
        // A subject has as many rules for addresses as it has services with different ones.
        if matches!(peer, Whom::Networks(_)) {
            ports.iter().for_each(|allowed| digest.field(&allowed.to_string()));
        }
        Self::new(&[subject.slug(), direction.to_string()], digest, DIGITS)
    }

    /// Of a rule that a person made, by labels: by all that it says, so that it never takes that of a mined one.
    pub(crate) fn manual(subject: &Whom, direction: Direction, peer: &Whom, ports: &[Allowed]) -> Self {
        let mut digest = FieldDigest::default();
        digest.field("manual");
        digest.field(&direction.to_string());
        subject.digest(&mut digest);
        digest.field("peer");
        digest.field(&peer.to_string());
        ports.iter().for_each(|allowed| digest.field(&allowed.to_string()));
        Self::new(&[subject.slug(), direction.to_string()], digest, DIGITS)
    }

    /// Of a rule that a person made, by address: by all that was written, whoever is meant by it today.
    pub(super) fn by_hand(manual: &Manual) -> Self {
        const SERVER: usize = 32;
        let mut digest = FieldDigest::default();
        digest.field(&manual.to_string());
        let server = text::slug(&manual.server.to_string(), SERVER);
        Self::new(&[server, "by-hand".to_owned()], digest, DIGITS)
    }

    fn new(parts: &[String], digest: FieldDigest, digits: usize) -> Self {
        let mut name = String::from("allow-");
        for part in parts.iter().filter(|part| !part.is_empty()) {
            name.push_str(part);
            name.push('-');
        }
        name.extend(digest.finish().chars().take(digits));
        Self(name.into())
    }

    /// Whether it is made as the ids of mined rules are; those of `rules.json` are not.
    pub(crate) fn is_mined(text: &str) -> bool {
        let mut parts = text.rsplitn(3, '-');
        let (digest, direction) = (parts.next().unwrap_or_default(), parts.next());
        digest.len() == DIGITS && matches!(direction, Some("ingress" | "egress"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of everything that is for one subject: it stays whatever its rules become.
pub(crate) fn subject_name(subject: &Whom) -> String {
    /// 48 bits: a namespace with ten thousand subjects has two of one name once in five million clusters.
    const DIGITS: usize = 12;
    let mut digest = FieldDigest::default();
    subject.digest(&mut digest);
    let digest: String = digest.finish().chars().take(DIGITS).collect();
    match subject.slug().as_str() {
        "" => format!("allow-{digest}"),
        slug => format!("allow-{slug}-{digest}"),
    }
}
