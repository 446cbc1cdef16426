//! The dependency graph: what a period's traffic says about who depends on whom.
//!
//! [`Graph::of`] reads a [`watershed_model::Snapshot`] and answers: which edges are sure enough to become
//! rules ([`Verdict`]), who is client, server or shared service ([`Node`], [`SharedService`]), what faces
//! the internet ([`Exposure`]) and who probed what ([`Scan`]). [`Format`] writes all of it. Nothing here
//! does I/O, and the same snapshot gives the same bytes.

mod config;

mod graph;

mod direction;

mod verdict;

mod scan;

mod roles;

mod tiers;

mod groups;

mod exposure;

mod ports;

mod reach;

mod export;

#[cfg(test)]
mod testing;

pub use config::GraphConfig;
pub use direction::{Direction, FanIn};
pub use export::{Format, json};
pub use exposure::{ExposedService, Exposure, Scope};
pub use graph::{Graph, Node};
pub use groups::{Behaviour, Guess, Proposal, Proposals};
pub use ports::{Service, service_name};
pub use reach::Links;
pub use roles::{Role, SharedService};
pub use scan::{Scan, ScanKind};
pub use verdict::{Doubt, Verdict};
