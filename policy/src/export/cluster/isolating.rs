//! Policies that isolate, in the Baseline tier: for each such those that accept what its rules allow, and one of the
//! lowest precedence that denies the rest.
//!
//! Two objects, since of two policies of one priority the API does not say which comes first: another's rest must
//! not be denied before one's own rules accept. Those that accept stand first in a file, and are taken back last, so
//! that nothing which rules allow is denied between two objects of a file.

use super::text::{Accepting, empty, remaining};
use crate::Error;
use crate::export::isolating::{Isolating, file};
use crate::export::kubernetes::peers::Peer;
use crate::export::kubernetes::{self, Said};
use crate::export::text::comment;
use crate::k8s::Direction;
use crate::mine::{Census, Plan};

/// For each its objects, for the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// As [`super::export`].
pub(crate) fn isolate(
    census: &Census,
    plan: &Plan,
    policies: &[Isolating<'_>],
) -> Result<Vec<String>, Error> {
    let text = |one: &Isolating<'_>| {
        let (name, rest, said) = (name(one), rest(one), said(census, plan, one)?);
        let accepting = Accepting::of(&name, &said);
        let mut text = String::new();
        comment(&mut text, 0, &one.what);
        if !said.is_empty() {
            text += &(accepting.text(one.namespace, &one.labels) + "---\n");
        }
        Ok(text + &remaining(&rest, one.namespace, &one.labels, "Deny"))
    };
    policies.iter().map(text).collect()
}

/// For each the objects that take the place of its own: such as select nobody.
///
/// # Errors
/// As [`super::export`].
pub(crate) fn take_back(
    census: &Census,
    plan: &Plan,
    policies: &[Isolating<'_>],
) -> Result<Vec<String>, Error> {
    let text = |one: &Isolating<'_>| {
        let (name, rest, said) = (name(one), rest(one), said(census, plan, one)?);
        let accepting = Accepting::of(&name, &said);
        let back = one.back();
        let names = std::iter::once(rest).chain(accepting.names());
        let texts: Vec<String> = names.map(|name| empty(&name, back.namespace, &back.labels)).collect();
        let mut text = String::new();
        comment(&mut text, 0, &back.what);
        Ok(text + &file(&texts))
    };
    policies.iter().map(text).collect()
}

/// Names of the cluster begin with the namespace: a dot is in none.
fn name(one: &Isolating<'_>) -> String {
    format!("{}.{}", one.namespace, one.name)
}

fn rest(one: &Isolating<'_>) -> String {
    format!("{}.rest", name(one))
}

/// The rules of one, as far as the API can say them.
fn said<'a>(census: &Census, plan: &Plan, one: &Isolating<'a>) -> Result<Vec<Said<'a>>, Error> {
    kubernetes::sayable(census, plan, one, |rule, peer| {
        rule.direction == Direction::Egress || matches!(peer, Peer::Pods { .. })
    })
}
