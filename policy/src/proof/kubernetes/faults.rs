//! What speaks against exported policies.

use std::fmt;

use crate::Service;

/// Everything found wrong with exported policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Observed connections that they would deny.
    pub denied: Told,
    /// Connections that they would deny although a rule declares them.
    pub withheld: Told,
    /// Connections that they would allow although no rule declares them.
    pub admitted: Told,
    /// Whether something stays denied after default deny is taken back.
    pub revert_denies: bool,
    /// Whether taking a step of a roll-out back leaves something else than was there before it.
    pub revert_differs: bool,
    /// Whether a step of a roll-out binds pods that it is not for, or not its own.
    pub binds_others: bool,
}

/// Connections of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The first [`Told::MAX`].
    pub first: Vec<Fault>,
    /// How many there were.
    pub count: u64,
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

impl Told {
    /// Enough to find the mistake; a policy open to everyone would otherwise list every probe.
    pub const MAX: usize = 1000;
    /// Of each kind, in a message.
    const SHOWN: usize = 5;

    pub(super) fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.first.len() < Self::MAX {
            self.first.push(fault);
        }
    }
}

impl Faults {
    pub(super) const fn is_empty(&self) -> bool {
        let none = self.denied.count == 0 && self.withheld.count == 0 && self.admitted.count == 0;
        none && !self.revert_denies && !self.revert_differs && !self.binds_others
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut findings = Vec::new();
        for (told, before, after) in [
            (&self.denied, "deny", "observed connections"),
            (&self.withheld, "deny", "connections that a rule declares"),
            (&self.admitted, "admit", "connections that no rule declares"),
        ] {
            if told.count > 0 {
                let shown: Vec<_> = told.first.iter().take(Told::SHOWN).map(ToString::to_string).collect();
                findings.push(format!("they {before} {} {after}: {}", told.count, shown.join(", ")));
            }
        }
        if self.revert_denies {
            findings.push("taking default deny back leaves something denied".into());
        }
        if self.revert_differs {
            findings.push("taking them back leaves something else than was there before".into());
        }
        if self.binds_others {
            findings.push("they select other pods than those that the step is for".into());
        }
        f.write_str(&findings.join("; "))
    }
}
