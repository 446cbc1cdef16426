//! What speaks against exported policies.

use std::fmt;

use crate::Service;

/// Everything found wrong with exported policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Observed connections that they would deny; the first [`Faults::MAX`].
    pub denied: Vec<Fault>,
    /// How many of those there were.
    pub denied_count: u64,
    /// Connections that they would allow although no rule declares them; the first [`Faults::MAX`].
    pub admitted: Vec<Fault>,
    /// How many of those there were.
    pub admitted_count: u64,
    /// Whether something stays denied after default deny is taken back.
    pub revert_denies: bool,
}

/// A connection that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who asks, with the labels of that moment.
    pub client: String,
    /// Who is asked.
    pub server: String,
    /// For what.
    pub service: Service,
}

/// `shop/api of shop (app=shop) -> pay/api of pay (app=pay) tcp/443`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.client, self.server, self.service)
    }
}

impl Faults {
    /// Enough to find the mistake; a policy open to everyone would otherwise list every probe.
    pub const MAX: usize = 1000;
    /// Of each kind, in a message.
    const SHOWN: usize = 5;

    pub(super) fn deny(&mut self, fault: Fault) {
        self.denied_count += 1;
        if self.denied.len() < Self::MAX {
            self.denied.push(fault);
        }
    }

    pub(super) fn admit(&mut self, fault: Fault) {
        self.admitted_count += 1;
        if self.admitted.len() < Self::MAX {
            self.admitted.push(fault);
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.denied_count == 0 && self.admitted_count == 0 && !self.revert_denies
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |faults: &[Fault]| {
            faults.iter().take(Self::SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let mut findings = Vec::new();
        if self.denied_count > 0 {
            findings.push(format!("they deny {} observed connections: {}", self.denied_count, shown(&self.denied)));
        }
        if self.admitted_count > 0 {
            let count = self.admitted_count;
            findings.push(format!("they admit {count} connections that no rule declares: {}", shown(&self.admitted)));
        }
        if self.revert_denies {
            findings.push("taking default deny back leaves something denied".into());
        }
        f.write_str(&findings.join("; "))
    }
}
