//! Rules in other tools' languages, and for people.

pub mod csv;

pub mod json;

pub mod nftables;

pub mod hosts;

pub mod kubernetes;

pub mod cluster;

pub mod cilium;

pub mod mined;

pub mod directory;

pub(crate) mod isolating;

mod names;

pub(crate) mod text;

pub mod calico;

pub mod istio;
