//! Mining: from who was seen with whom to rules with selectors, at three levels of generality.
//!
//! 1. [`Census`]: edges become dependencies between workloads, whatever labels these had at the time.
//! 2. Classes: workloads that no stable label tells apart are one; see the rules for stability in `labels`.
//! 3. Services that everybody shares become rules of their own.
//! 4. For each direction: the peers of each service of each class are covered by few selections, then the
//!    subjects with the same peer are; see `cover` for what a selection costs.
//! 5. Ports become lists or ranges, addresses networks, and each rule gets its price: what it admits unobserved.
//!
//! Every dependency that is put in is allowed by the rules that come out, at both ends. What may be admitted
//! beyond that depends on the [`Level`].

mod allowing;

mod blocks;

mod census;

mod classes;

mod cover;

mod decided;

mod declared;

mod each;

mod fence;

mod labels;

mod plan;

mod ports;

mod price;

mod shared;

mod sides;

use std::fmt;

pub(crate) use allowing::End;
pub use allowing::{Allowing, Outcome, Permission};
pub(crate) use blocks::size;
pub use census::Census;
pub(crate) use census::NodeId;
pub(crate) use classes::ClassId;
use classes::{Classes, Hosts};
pub use decided::Denied;
use decided::Pinned;
pub(crate) use declared::{Declared, RuleNumber, Someone, selects};
pub(crate) use each::Each;
pub(crate) use labels::stable_keys;
pub use plan::{Frontier, Plan};
pub(crate) use price::whole;

use crate::decisions::Decisions;
use crate::{Error, Observed, Service};

/// How general rules are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Exactly what was observed, as far as labels can say it; nothing is generalised but shared services.
    Nano,
    /// By role and port: where most of those that a selector means were seen, all of them may.
    Service,
    /// By application and environment: free inside, by observed port between them.
    RingFence,
}

impl Level {
    /// All levels, from the narrowest to the widest.
    pub const ALL: [Self; 3] = [Self::Nano, Self::Service, Self::RingFence];

    /// Its name: `nano`, `service`, `ring-fence`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::Service => "service",
            Self::RingFence => "ring-fence",
        }
    }

    /// What a tuple of classes that was not observed costs, in rules.
    ///
    /// At level service half a rule: a selector takes the place of n rules if it admits fewer than 2 (n - 1)
    /// unobserved tuples.
    const fn lambda(self) -> f64 {
        match self {
            Self::Nano => f64::INFINITY,
            Self::Service | Self::RingFence => 0.5,
        }
    }

    /// How full a network of addresses must be, from 0 to 1, before the gaps in it are closed.
    const fn density(self) -> f64 {
        match self {
            Self::Nano => 1.0,
            Self::Service => 0.5,
            Self::RingFence => 0.125,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One service of one class, used by another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassDependency {
    pub(crate) server: ClassId,
    pub(crate) service: Service,
    pub(crate) client: ClassId,
    pub(crate) observed: Observed,
    /// Pairs of workloads behind it.
    pub(crate) pairs: u64,
}

/// Rules that allow every dependency of the census at both of its ends.
#[must_use]
pub fn mine(census: &Census, level: Level) -> Plan {
    mine_with(census, level, &Pinned::default())
}

/// The same, and what people decided applied: rejected rules are put aside, and those that people made are added.
/// What they excluded must not be in the census: see [`Decisions::sift`]. Labels that their rules select by are taken
/// for stable.
///
/// # Errors
/// [`Error::Unstable`] for a rule by labels that a workload had for a while only.
pub fn mine_decided(census: &Census, level: Level, decisions: &Decisions) -> Result<Plan, Error> {
    decided::apply(census, mine_with(census, level, &Pinned::of(decisions)), decisions)
}

fn mine_with(census: &Census, level: Level, pinned: &Pinned<'_>) -> Plan {
    let hosts = if level == Level::Nano { Hosts::ByName } else { Hosts::ByLabels };
    let classes = Classes::of(census, hosts, pinned);
    let dependencies = between_classes(census, &classes);
    let shared = shared::shared(&classes, &dependencies, level);
    let drafts = match level {
        Level::Nano | Level::Service => sides::draft(census, &classes, &dependencies, &shared, level),
        Level::RingFence => fence::draft(census, &classes, &dependencies, &shared),
    };
    Plan::new(census, classes, &dependencies, drafts, level)
}

/// Dependencies of classes, in order of server, service and client.
fn between_classes(census: &Census, classes: &Classes) -> Vec<ClassDependency> {
    let class = |node: NodeId| classes.of_node[node as usize];
    let mut all: Vec<ClassDependency> = census
        .dependencies
        .iter()
        .map(|one| ClassDependency {
            server: class(one.server),
            service: one.service,
            client: class(one.client),
            observed: one.observed,
            pairs: 1,
        })
        .collect();
    all.sort_unstable_by_key(|one| (one.server, one.service, one.client));
    all.dedup_by(|later, earlier| {
        let same =
            (later.server, later.service, later.client) == (earlier.server, earlier.service, earlier.client);
        if same {
            earlier.observed.merge(&later.observed);
            earlier.pairs += later.pairs;
        }
        same
    });
    all
}
