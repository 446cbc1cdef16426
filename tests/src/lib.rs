//! What the tests of the whole are made of: captures of synthesised traffic, scenario files, the binary.

pub mod capture;

pub mod synth;

pub mod estate;

pub mod scenario;

pub mod traffic;

pub mod history;

pub mod binary;

pub mod deploy;

pub mod estate_groups;

pub mod kafka;

pub mod kubernetes;

pub mod namespaces;

pub mod process;
