//! Proof of exported Calico policies, as [`super::kubernetes`] has it for NetworkPolicies.

use super::kubernetes::{Certificate, prove_as};
use crate::Error;
use crate::calico::{Enforced, Staged};
use crate::export::calico::Form;
use crate::export::directory::Directory;
use crate::mine::{Census, Plan};

/// Proves that `export` allows everything in `census` that pods take part in, and beyond it only what the rules
/// of `plan` declare, with its price. Staged policies are proven as if they were enforced, and to be staged.
///
/// # Errors
/// [`Error::Policies`] when the text is no valid policy, [`Error::RefutedPolicies`] with what speaks against it.
pub fn prove(
    form: Form,
    census: &Census,
    plan: &Plan,
    export: &Directory,
    tool_version: &str,
) -> Result<Certificate, Error> {
    match form {
        Form::Enforced => prove_as(&Enforced, census, plan, export, tool_version),
        Form::Staged => prove_as(&Staged, census, plan, export, tool_version),
    }
}
