//! What hosts listen on, and who does there.

use std::net::IpAddr;
use std::time::Duration;

use crate::{AgentId, Protocol, Timestamp};

/// Who has a listening socket open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The process, as it calls itself: `nginx`. Any process may call itself anything.
    pub process: Box<str>,
    /// The systemd unit that it runs in, or the container: `nginx.service`.
    pub unit: Option<Box<str>>,
}

/// That a host listened on one end for a time, as its agent saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// The host's address; what listens on all of them is told of each.
    pub address: IpAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// When the agent first saw it so.
    pub first_seen: Timestamp,
    /// When the agent last saw it so.
    pub last_seen: Timestamp,
    /// The number of the user whose socket it is, which everybody may see.
    pub user: u32,
    /// Who has it open; `None` where the agent may not see that, or nobody has as it is the kernel's.
    pub owner: Option<Owner>,
}

impl Listener {
    /// An agent tells of what is as it was only this often. Up to then something may have gone on after it was last seen.
    pub const TOLD_EVERY: Duration = Duration::from_secs(300);

    /// Up to when it may have gone on: it is told of again, and again a little later.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.last_seen.plus(Self::TOLD_EVERY * 2)
    }
}

/// A [`Listener`] and the agent that saw it: several hosts may have the same private address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KnownListener {
    /// What was seen.
    pub listener: Listener,
    /// By whom.
    pub agent: AgentId,
}
