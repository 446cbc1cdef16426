//! Watershed's vocabulary.
//!
//! Every other crate speaks in these types: what a collector ships ([`Batch`] of [`FlowRecord`]s), what a
//! store keeps ([`Edge`]), and what the graph and the rules are built from ([`Snapshot`]). Nothing here
//! does I/O, reads a clock or starts a thread.

mod time;

mod protocol;

mod conn_state;

mod evidence;

mod flow;

mod community_id;

mod encapsulation;

mod name;

mod listener;

mod counters;

mod batch;

mod workload;

mod edge;

mod snapshot;

mod answers;

pub mod wire;

pub use answers::Answers;
pub use batch::{AgentId, Batch};
pub use community_id::CommunityId;
pub use conn_state::ConnState;
pub use counters::{Counters, Refused, SkipReason};
pub use edge::{Edge, EdgeKey, EdgeTraffic, Hour, Party, StateCounts};
pub use encapsulation::{Encapsulation, Tunnel, TunnelKind};
pub use evidence::{Evidence, EvidenceCounts};
pub use flow::{EndReason, Endpoint, FlowRecord, History, InterfaceId, Summary, TcpFlags, Traffic};
pub use listener::{KnownListener, Listener, Owner};
pub use name::{NameHints, NameObservation};
pub use protocol::Protocol;
pub use snapshot::{KnownName, Loss, LossEntry, Snapshot, TimeRange};
pub use time::{NoTimestamp, Timestamp};
pub use workload::{Labels, Workload, WorkloadKind};
