//! Without libpcap: no live source can be had.

use watershed_model::Timestamp;

use super::{InterfaceStatus, Keep, LiveConfig};
use crate::error::SourceError;
use crate::source::{PacketBatch, PacketSource, Tapped};

/// Packets from interfaces; there are none in this build.
#[derive(Debug)]
pub enum LiveSource {}

impl LiveSource {
    /// Says how to get a build that can capture.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn open(config: &LiveConfig) -> Result<Self, SourceError> {
        Err(SourceError::LiveDisabled { interface: config.interfaces.join(", ") })
    }

    /// What became of the packets of each interface.
    pub const fn interfaces(&self) -> std::slice::Iter<'_, InterfaceStatus> {
        match *self {}
    }
}

impl PacketSource for LiveSource {
    fn fill<'a>(&'a mut self, _: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        match *self {}
    }

    fn kernel_dropped(&self) -> u64 {
        match *self {}
    }

    fn tapped(&self) -> Tapped {
        match *self {}
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        match *self {}
    }
}

/// Keeps no more privileges than capturing needs; without capturing there is nothing to give up.
///
/// # Errors
///
/// Never in this build.
pub const fn drop_privileges(_: Keep) -> Result<(), SourceError> {
    Ok(())
}

/// Becomes `user`, who has no more privileges than capturing needs; without capturing there is nothing to become.
///
/// # Errors
///
/// Never in this build.
pub const fn become_user(_: super::User, _: Keep) -> Result<(), SourceError> {
    Ok(())
}
