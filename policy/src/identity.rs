//! Who a party is, whatever its labels were at the time, and digests over such meanings.

use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use watershed_model::{Labels, Party, Workload, WorkloadKind};

/// What makes two parties the same for a rule.
///
/// A workload is unique by kind, namespace and name. Its labels are left out: they change over its life,
/// and a rule must not split or change its name when they do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    Workload { kind: WorkloadKind, namespace: Option<String>, name: String },
    Address(IpAddr),
}

impl Identity {
    pub(crate) fn of(party: &Party) -> Self {
        match party {
            Party::Workload(workload) => Self::Workload {
                kind: workload.kind,
                namespace: workload.namespace.clone(),
                name: workload.name.clone(),
            },
            Party::Address(address) => Self::Address(*address),
        }
    }

    /// The party, whose labels nobody knows.
    pub(crate) fn party(&self) -> Party {
        match self {
            Self::Workload { kind, namespace, name } => Party::Workload(Arc::new(Workload {
                kind: *kind,
                namespace: namespace.clone(),
                name: name.clone(),
                labels: Labels::new(),
            })),
            Self::Address(address) => Party::Address(*address),
        }
    }

    pub(crate) fn digest(&self, digest: &mut FieldDigest) {
        match self {
            Self::Workload { kind, namespace, name } => {
                digest.field(kind.as_str());
                digest.field(if namespace.is_some() { "namespaced" } else { "" });
                digest.field(namespace.as_deref().unwrap_or_default());
                digest.field(name);
            }
            Self::Address(address) => {
                digest.field("address");
                digest.field(&address.to_string());
            }
        }
    }
}

/// SHA-256 over a sequence of fields, each with its length before it, so that no two sequences look alike.
#[derive(Default)]
pub(crate) struct FieldDigest(Sha256);

impl FieldDigest {
    pub(crate) fn field(&mut self, field: &str) {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
    }

    /// A fixed count of numbers, which needs no length before it.
    pub(crate) fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        self.0.update(numbers.map(u64::to_be_bytes).as_flattened());
    }

    /// The digest in lower-case hexadecimal.
    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of a text in lower-case hexadecimal, as `sha256sum` prints it for a file.
pub(crate) fn text_digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|&byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(text_digest("abc"), abc);
    }

    #[test]
    fn fields_do_not_run_together() {
        let digest = |fields: &[&str]| {
            let mut digest = FieldDigest::default();
            fields.iter().for_each(|field| digest.field(field));
            digest.finish()
        };
        assert_ne!(digest(&["a/b", "c"]), digest(&["a", "b/c"]));
    }
}
