//! One conformance suite a seam, as functions of an implementation, and every implementation put through it.
//!
//! A new implementation joins by one line in its seam's list.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]

mod packet_source;

mod flow_sink_source;

mod inventory;
