//! Rules in other tools' languages, and for people.

pub mod csv;

pub mod json;

pub mod nftables;
