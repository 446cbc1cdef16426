//! Packets from network interfaces.
//!
//! Capturing needs libpcap, a system library, so it is behind the cargo feature `live`. Without it everything
//! here is still there and type-checks; opening says how to get it.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use watershed_model::Timestamp;

#[cfg(not(feature = "live"))]
mod disabled;
#[cfg(feature = "live")]
mod enabled;

#[cfg(not(feature = "live"))]
pub use disabled::{LiveSource, become_user, drop_privileges};
#[cfg(feature = "live")]
pub use enabled::{LiveSource, become_user, drop_privileges};

/// The name that stands for all interfaces, also those that come later (Linux).
pub const ANY: &str = "any";

/// Which privileges a process that captures keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// `CAP_NET_RAW`, to open an interface again that comes back.
    Capturing,
    /// And `CAP_SYS_PTRACE` and `CAP_DAC_READ_SEARCH`, to see which process owns a listening socket (ptrace(2), "access
    /// mode"). They are nearly root's: whoever takes over such a process can take over any other of the host.
    CapturingAndOwners,
}

/// Whom a process becomes that captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the only group.
    pub gid: u32,
}

/// How to capture.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Interfaces by name; [`ANY`] is all of them.
    pub interfaces: Vec<String>,
    /// Which packets, in the language of pcap-filter(7); empty: all.
    pub filter: String,
    /// Octets captured of each packet. Addresses, flags and most names are in the first few hundred; a TLS
    /// client hello may need two full-size packets.
    pub snap_length: u32,
    /// Octets that the kernel may hold for each interface until they are read; beyond, it drops and counts.
    pub buffer: u32,
    /// Threads that capture. With several, the kernel shares the packets of each interface out to them, each connection to
    /// one, and each has a buffer of its own.
    pub threads: NonZero<usize>,
    /// Whether interfaces also take what is not addressed to them. `any` never does.
    pub promiscuous: bool,
    /// How long the kernel may hold packets back to hand out more at once.
    pub latency: Duration,
    /// When to look for an interface that went away: at first after the one, then after twice as long each
    /// time up to the other.
    pub retry: (Duration, Duration),
    /// How long to capture; `None`: until stopped.
    pub lasting: Option<Duration>,
    /// Set to stop: what was captured until then is handed out, then the source ends.
    pub stop: Arc<AtomicBool>,
    /// The clock: the one that packets are stamped with, UTC.
    pub clock: fn() -> Timestamp,
}

impl LiveConfig {
    /// Captures everything on `interfaces` until `stop` is set.
    #[must_use]
    pub fn new(interfaces: Vec<String>, stop: Arc<AtomicBool>, clock: fn() -> Timestamp) -> Self {
        Self {
            interfaces,
            filter: String::new(),
            snap_length: 65_535,
            // A quarter of a second of a full gigabit link.
            buffer: 32 << 20,
            threads: NonZero::<usize>::MIN,
            promiscuous: true,
            latency: Duration::from_millis(100),
            retry: (Duration::from_millis(100), Duration::from_secs(5)),
            lasting: None,
            stop,
            clock,
        }
    }
}

#[cfg(feature = "live")]
impl LiveConfig {
    /// How long after a packet's time it may still be in the kernel's hands.
    fn settled(&self) -> Duration {
        self.latency * 2
    }
}

/// What became of the packets of one interface. Counters go on when it comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Whether it is there now.
    pub present: bool,
    /// Packets read from it.
    pub packets: u64,
    /// Packets that the kernel received on it: read, dropped because its buffer was full, or not read yet.
    pub received: u64,
    /// Packets that the kernel dropped because its buffer was full, or that went with the interface.
    pub dropped: u64,
    /// Packets that the interface itself dropped, whether the filter would have taken them or not; only known
    /// of interfaces in promiscuous mode.
    pub dropped_by_interface: u64,
    /// How often it went away.
    pub went_away: u64,
    /// Why it is away.
    pub reason: String,
}

/// `eth0: 1200 packets, 3 dropped by the kernel, 0 by the interface, of 1203 received, went away once`.
impl fmt::Display for InterfaceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, packets, received, dropped, dropped_by_interface, went_away, .. } = self;
        write!(
            f,
            "{name}: {packets} packets, {dropped} dropped by the kernel, {dropped_by_interface} by the interface, \
             of {received} received"
        )?;
        match went_away {
            0 => Ok(()),
            1 => f.write_str(", went away once"),
            times => write!(f, ", went away {times} times"),
        }
    }
}
