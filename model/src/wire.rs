//! The wire format: batches as octets, versioned and documented in docs/wire.proto.
//!
//! Protocol Buffers, since old readers pass over what newer writers add and every language reads it. The
//! message types are private mirrors of the model's, so that either may change without the other.

mod decode;

mod encode;

mod proto;

mod size;

pub use decode::{decode, head};
pub use encode::encode;
pub use size::{Part, cut};

use crate::{AgentId, Timestamp};

/// The newest version that is read. It is written where a batch holds summaries, which a reader of version 1 would
/// take for single connections.
pub const VERSION: u32 = 2;

/// The version that is written where a batch holds none, so that older readers go on.
pub const PLAIN_VERSION: u32 = 1;

/// Octets of an encoded batch at most: below the 1,000,000 that Kafka's clients and brokers take by default,
/// with room for the key and Kafka's own framing.
pub const MAX_BYTES: usize = 960_000;

/// Records in a batch at most, names, and listeners: several times what [`MAX_BYTES`] holds of real ones. It keeps a
/// message full of empty records from growing a hundredfold when it is decoded.
pub const MAX_ITEMS: usize = 16_384;

/// Octets of a string at most: DNS names have 255, agents are named by people.
pub const MAX_STRING: usize = 1_024;

/// Which batch something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// Who shipped it.
    pub agent: AgentId,
    /// When the agent started.
    pub started: Timestamp,
    /// Number of the batch since then.
    pub sequence: u64,
}

/// Why octets are no batch that can be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WireError {
    /// Longer than any batch.
    #[error(
        "cannot decode a batch of {bytes} octets: at most {MAX_BYTES} are read; let the agent ship less at once"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Of a version that this reader does not know.
    #[error(
        "cannot decode a batch of wire version {found}: this reader knows up to version {VERSION}; upgrade the \
         reader before the agents"
    )]
    Version {
        /// Its version; 0 where none is told.
        found: u32,
    },
    /// Not a protobuf message of this shape.
    #[error("cannot decode a batch: {0}; what wrote it is no agent, or it was damaged on its way")]
    Malformed(#[from] prost::DecodeError),
    /// It ends in the middle of a field.
    #[error("cannot decode a batch: it ends in the middle of a field; it was cut on its way")]
    Cut,
    /// More records, names or listeners than any batch has.
    #[error(
        "cannot decode a batch of {count} {items}: at most {MAX_ITEMS} are read; let the agent ship less at once"
    )]
    TooMany {
        /// `records`, `names` or `listeners`.
        items: &'static str,
        /// How many.
        count: usize,
    },
    /// A string that is too long.
    #[error("cannot decode a batch: {field} has {bytes} octets, at most {MAX_STRING} are read")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A field without which nothing can be made of it.
    #[error("cannot decode a batch: {field} is missing")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A value that means nothing.
    #[error("cannot decode a batch: {field} cannot be {value}")]
    Value {
        /// Of which field.
        field: &'static str,
        /// The value.
        value: u64,
    },
}

#[cfg(test)]
mod tests;
