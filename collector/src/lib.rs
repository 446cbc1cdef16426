//! From packets to flow records.
//!
//! The data path is [`run()`]: a [`PacketSource`](source::PacketSource) hands out packets, [`decode`] finds the
//! flows they belong to, the [flow table](flow) follows each connection, [`names`] reads what the payload calls
//! its server, and a [`FlowSink`](sink::FlowSink) takes the records. Time comes from the packets.

mod run;

mod collector;

mod shipping;

mod summary;

pub mod source;

pub mod decode;

pub mod flow;

pub mod listening;

pub mod names;

pub mod sink;

pub mod config;

pub mod error;

#[cfg(test)]
mod testing;

pub use config::CollectorConfig;
pub use error::{CollectorError, SinkError, SourceError};
pub use run::{Report, run};
pub use summary::SummaryConfig;
