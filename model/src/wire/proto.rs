//! The messages of the wire format, field by field as docs/wire.proto has them (a test compares the two).
//!
//! Field numbers are for good: a number is never used again for something else. A new field gets a new number
//! and a default that says "not told"; a change that older readers would misread gets a new [`VERSION`].
//!
//! [`VERSION`]: super::VERSION

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Batch {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(string, tag = "2")]
    pub(super) agent: String,
    #[prost(sfixed64, tag = "3")]
    pub(super) started: i64,
    #[prost(uint64, tag = "4")]
    pub(super) sequence: u64,
    #[prost(sfixed64, tag = "5")]
    pub(super) now: i64,
    #[prost(message, optional, tag = "6")]
    pub(super) counters: Option<Counters>,
    #[prost(message, repeated, tag = "7")]
    pub(super) records: Vec<FlowRecord>,
    #[prost(message, repeated, tag = "8")]
    pub(super) names: Vec<NameObservation>,
    #[prost(message, repeated, tag = "9")]
    pub(super) listeners: Vec<Listener>,
}

/// The fields of [`Batch`] that name it; everything else is passed over.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Head {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(string, tag = "2")]
    pub(super) agent: String,
    #[prost(sfixed64, tag = "3")]
    pub(super) started: i64,
    #[prost(uint64, tag = "4")]
    pub(super) sequence: u64,
}

/// Everything of [`Batch`] but records, names and listeners, which are read one at a time.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Frame {
    #[prost(string, tag = "2")]
    pub(super) agent: String,
    #[prost(sfixed64, tag = "3")]
    pub(super) started: i64,
    #[prost(uint64, tag = "4")]
    pub(super) sequence: u64,
    #[prost(sfixed64, tag = "5")]
    pub(super) now: i64,
    #[prost(message, optional, tag = "6")]
    pub(super) counters: Option<Counters>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FlowRecord {
    #[prost(fixed32, optional, tag = "1")]
    pub(super) client_v4: Option<u32>,
    #[prost(fixed32, optional, tag = "2")]
    pub(super) server_v4: Option<u32>,
    #[prost(uint32, tag = "3")]
    pub(super) client_port: u32,
    #[prost(uint32, tag = "4")]
    pub(super) server_port: u32,
    #[prost(uint32, tag = "5")]
    pub(super) protocol: u32,
    #[prost(sint64, tag = "6")]
    pub(super) first_seen: i64,
    #[prost(sint64, tag = "7")]
    pub(super) last_seen: i64,
    #[prost(message, optional, tag = "8")]
    pub(super) to_server: Option<Traffic>,
    #[prost(message, optional, tag = "9")]
    pub(super) to_client: Option<Traffic>,
    #[prost(uint32, tag = "10")]
    pub(super) state: u32,
    #[prost(string, tag = "11")]
    pub(super) history: String,
    #[prost(uint64, optional, tag = "12")]
    pub(super) handshake_rtt: Option<u64>,
    #[prost(uint32, tag = "13")]
    pub(super) evidence: u32,
    #[prost(uint32, tag = "14")]
    pub(super) end: u32,
    #[prost(uint32, tag = "15")]
    pub(super) interface: u32,
    #[prost(uint32, tag = "16")]
    pub(super) part: u32,
    #[prost(fixed64, optional, tag = "17")]
    pub(super) client_v6_high: Option<u64>,
    #[prost(fixed64, optional, tag = "18")]
    pub(super) client_v6_low: Option<u64>,
    #[prost(fixed64, optional, tag = "19")]
    pub(super) server_v6_high: Option<u64>,
    #[prost(fixed64, optional, tag = "20")]
    pub(super) server_v6_low: Option<u64>,
    #[prost(message, optional, tag = "21")]
    pub(super) names: Option<NameHints>,
    #[prost(message, optional, tag = "22")]
    pub(super) encapsulation: Option<Encapsulation>,
    #[prost(message, optional, tag = "23")]
    pub(super) summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(uint64, tag = "1")]
    pub(super) connections: u64,
    #[prost(uint64, tag = "2")]
    pub(super) answered: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(super) states: Vec<u64>,
    #[prost(uint32, repeated, tag = "4")]
    pub(super) evidence: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Traffic {
    #[prost(uint64, tag = "1")]
    pub(super) packets: u64,
    #[prost(uint64, tag = "2")]
    pub(super) ip_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub(super) payload_bytes: u64,
    #[prost(uint32, tag = "4")]
    pub(super) retransmissions: u32,
    #[prost(uint32, tag = "5")]
    pub(super) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NameHints {
    #[prost(string, optional, tag = "1")]
    pub(super) tls_server_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) http_host: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) dns_query: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Encapsulation {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) vlans: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    pub(super) mpls: Vec<u32>,
    #[prost(message, repeated, tag = "3")]
    pub(super) tunnels: Vec<Tunnel>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tunnel {
    #[prost(uint32, tag = "1")]
    pub(super) kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) source: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) destination: Vec<u8>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) id: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NameObservation {
    #[prost(sint64, tag = "1")]
    pub(super) seen: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) client: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) address: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(super) ttl: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Listener {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) address: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) protocol: u32,
    #[prost(uint32, tag = "3")]
    pub(super) port: u32,
    #[prost(sint64, tag = "4")]
    pub(super) first_seen: i64,
    #[prost(sint64, tag = "5")]
    pub(super) last_seen: i64,
    #[prost(uint32, tag = "6")]
    pub(super) user: u32,
    #[prost(string, optional, tag = "7")]
    pub(super) process: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub(super) unit: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Counters {
    #[prost(uint64, tag = "1")]
    pub(super) packets: u64,
    #[prost(uint64, tag = "2")]
    pub(super) captured_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub(super) in_flows: u64,
    #[prost(uint64, repeated, tag = "4")]
    pub(super) skipped: Vec<u64>,
    #[prost(uint64, repeated, tag = "5")]
    pub(super) refused: Vec<u64>,
    #[prost(uint64, tag = "6")]
    pub(super) kernel_dropped: u64,
    #[prost(uint64, tag = "7")]
    pub(super) snapped: u64,
    #[prost(uint64, tag = "8")]
    pub(super) reassembled: u64,
    #[prost(uint64, tag = "9")]
    pub(super) flows_started: u64,
    #[prost(uint64, tag = "10")]
    pub(super) flows_evicted: u64,
    #[prost(uint64, tag = "11")]
    pub(super) records: u64,
    #[prost(uint64, tag = "12")]
    pub(super) names: u64,
    #[prost(uint64, tag = "13")]
    pub(super) names_limited: u64,
    #[prost(uint64, tag = "14")]
    pub(super) batches_dropped: u64,
    #[prost(uint64, tag = "15")]
    pub(super) records_dropped: u64,
    #[prost(uint64, tag = "16")]
    pub(super) names_dropped: u64,
    #[prost(uint64, tag = "17")]
    pub(super) spooled_bytes: u64,
    #[prost(uint64, tag = "18")]
    pub(super) repeated: u64,
    #[prost(uint64, tag = "19")]
    pub(super) summarized: u64,
    #[prost(uint64, tag = "20")]
    pub(super) summaries_cut: u64,
    #[prost(uint64, tag = "21")]
    pub(super) kernel_received: u64,
    #[prost(uint64, tag = "22")]
    pub(super) interfaces: u64,
    #[prost(uint64, tag = "23")]
    pub(super) interfaces_away: u64,
}
