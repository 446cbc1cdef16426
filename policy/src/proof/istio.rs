//! Proof of exported AuthorizationPolicies, as [`super::kubernetes`] has it for NetworkPolicies.

use super::kubernetes::{Certificate, prove_as};
use crate::Error;
use crate::export::directory::Directory;
use crate::export::istio::Sayable;
use crate::istio::AuthorizationPolicies;
use crate::mine::Census;

/// Proves that `export` allows every TCP connection in `census` that pods take part in, and beyond it only what
/// the rules of `sayable` declare, with their price; and what no AuthorizationPolicy can deny.
///
/// # Errors
/// [`Error::Policies`] when the text is no valid policy, [`Error::RefutedPolicies`] with what speaks against it.
pub fn prove(
    census: &Census,
    sayable: &Sayable,
    export: &Directory,
    tool_version: &str,
) -> Result<Certificate, Error> {
    prove_as(&AuthorizationPolicies, census, &sayable.plan, export, tool_version)
}
