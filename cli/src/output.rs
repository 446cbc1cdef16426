//! How things are written: pure functions over the model's types.
//!
//! The types that are serialised here mirror the model's and are the formats' own, so that a change inside
//! does not change a file that another program reads.

pub(crate) mod ahead;
pub(crate) mod board;
pub(crate) mod check;
pub(crate) mod drift;
pub(crate) mod edges;
pub(crate) mod flows;
pub(crate) mod json;
pub(crate) mod listeners;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod view;
pub(crate) mod who;
pub(crate) mod zeek;
