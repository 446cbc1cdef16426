//! What those who watch over addresses have to say.

use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Timestamp, Workload};

use super::fronts::FrontChange;

/// That an address or a network changed hands: from `at` on it is this workload's, or nobody's, up to the next change.
///
/// Changes may be told in any order. One that is told later about the same time and prefix takes the place of the
/// earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From when on; [`Timestamp::MIN`] where no start is known.
    pub at: Timestamp,
    /// What changed hands.
    pub prefix: IpNet,
    /// Whose it is from then on; `None`: nobody's.
    pub workload: Option<Arc<Workload>>,
}

/// What a source says at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// What has changed.
    Changes(Vec<Change>),
    /// All there is, as after a start or where changes may have been missed: whatever else the source said before
    /// has been nobody's since `at`.
    Everything {
        /// When it was so.
        at: Timestamp,
        /// Whose each prefix is, and since when as far as that is known; [`Timestamp::MIN`] where it is not.
        owned: Vec<Change>,
    },
}

/// Who says whose an address is. Of several that know a prefix, the first in this order is believed; a longer
/// prefix goes before a shorter one, whoever knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A file that somebody wrote.
    File,
    /// A Kubernetes API server.
    Kubernetes,
    /// A Docker engine.
    Docker,
}

impl Source {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::File, Self::Kubernetes, Self::Docker];

    /// The source of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// Its name, as stores and metrics have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Kubernetes => "kubernetes",
            Self::Docker => "docker",
        }
    }
}

/// What those who watch have said that is new, for a store to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Whose addresses are.
    pub told: Vec<Told>,
    /// Where Services lead, and what is declared.
    pub fronts: Vec<FrontChange>,
}

/// A change, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub source: Source,
    /// What.
    pub change: Change,
}
