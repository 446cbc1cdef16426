//! With libpcap: interfaces are read in turn on one thread; the kernel's buffers even out what comes at once.

mod interface;
mod privileges;

use std::io;
use std::sync::atomic::Ordering;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use watershed_model::{InterfaceId, Timestamp};

pub use self::privileges::{become_user, drop_privileges};

use self::interface::Interface;
use super::{InterfaceStatus, LiveConfig};
use crate::error::SourceError;
use crate::source::{BATCH, LinkType, Packet, PacketBatch, PacketSource, Tapped};

/// Batches between two looks at the kernel's drop counters: some milliseconds under load, far fewer packets than
/// make a 32-bit counter wrap.
const LOOK_EVERY: u32 = 256;

/// Packets from interfaces, as they come.
///
/// Packets are copied out of the kernel's buffer, so that its room is free again at once. The packets of one
/// interface stay in its order. It ends when it is told to stop or its time is over, with what was captured
/// until then.
pub struct LiveSource {
    config: LiveConfig,
    interfaces: Vec<Interface>,
    taken: Taken,
    /// The interface to begin with: each in turn, so that a busy one does not shut out the others.
    turn: usize,
    batches: u32,
    quiet: Timestamp,
    end: End,
}

/// Packets that were copied out and not handed out yet.
#[derive(Default)]
struct Taken {
    packets: Vec<TakenPacket>,
    data: Vec<u8>,
}

/// A packet without its data.
#[derive(Clone, Copy)]
struct TakenPacket {
    time: Timestamp,
    link: LinkType,
    interface: InterfaceId,
    wire_length: u32,
    /// Where its data ends; it starts where the one before ends.
    data_end: usize,
}

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nobody asked for it yet; this is when it comes by itself.
    At(Timestamp),
    /// Packets up to this time are still handed out.
    Closing(Timestamp),
    Over,
}

impl LiveSource {
    /// Opens every interface.
    ///
    /// # Errors
    ///
    /// The first interface that cannot be opened, or a filter that is none. Later on, an interface may go away
    /// and come back.
    pub fn open(config: &LiveConfig) -> Result<Self, SourceError> {
        let named = (0..).map(InterfaceId).zip(&config.interfaces);
        let interfaces: Result<_, _> = named.map(|(id, name)| Interface::open(id, name, config)).collect();
        let end = config.lasting.map_or(Timestamp::MAX, |lasting| (config.clock)().plus(lasting));
        Ok(Self {
            config: config.clone(),
            interfaces: interfaces?,
            taken: Taken::default(),
            turn: 0,
            batches: 0,
            quiet: Timestamp::MIN,
            end: End::At(end),
        })
    }

    /// What became of the packets of each interface, as of the last look at the kernel's counters.
    #[must_use]
    pub fn interfaces(&self) -> Vec<&InterfaceStatus> {
        self.interfaces.iter().map(|interface| &interface.status).collect()
    }

    fn close_in_time(&mut self, now: Timestamp) {
        if let End::At(end) = self.end {
            if now >= end {
                self.end = End::Closing(end);
            } else if self.config.stop.load(Ordering::Relaxed) {
                self.end = End::Closing(now);
            }
        }
    }

    fn reopen(&mut self, now: Timestamp) {
        self.interfaces.iter_mut().for_each(|interface| interface.reopen(now, &self.config));
    }

    /// Takes what is at hand, up to a batch; whether there was anything.
    fn take(&mut self, now: Timestamp) -> bool {
        let count = self.interfaces.len();
        let until = match self.end {
            End::Closing(end) => end,
            End::At(_) | End::Over => Timestamp::MAX,
        };
        for step in 0..count {
            let interface = &mut self.interfaces[(self.turn + step) % count];
            interface.take(until, now, &self.config, &mut self.taken);
        }
        self.turn = (self.turn + 1) % count.max(1);
        !self.taken.packets.is_empty()
    }

    /// Waits for a packet on any interface, a signal, or the latency.
    fn wait(&self) -> Result<(), SourceError> {
        let captures = self.interfaces.iter().filter_map(Interface::capture);
        let mut handles: Vec<_> = captures.map(|capture| PollFd::new(capture, PollFlags::IN)).collect();
        let timeout = Timespec {
            tv_sec: i64::try_from(self.config.latency.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: self.config.latency.subsec_nanos().into(),
        };
        match poll(&mut handles, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(SourceError::Wait { error: io::Error::from(error) }),
        }
    }

    fn look(&mut self) {
        self.interfaces.iter_mut().for_each(Interface::count_drops);
    }

    fn hand_out<'a>(&'a self, batch: &mut PacketBatch<'a>) {
        let mut start = 0;
        for packet in &self.taken.packets {
            let &TakenPacket { time, link, interface, wire_length, data_end } = packet;
            let data = &self.taken.data[start..data_end];
            start = data_end;
            batch.push(Packet { time, link, interface, wire_length, data });
        }
    }
}

impl PacketSource for LiveSource {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        self.taken.packets.clear();
        self.taken.data.clear();
        if self.end == End::Over {
            return Ok(());
        }
        let mut now = (self.config.clock)();
        self.close_in_time(now);
        self.reopen(now);
        if !self.take(now) {
            if let Err(error) = self.wait() {
                self.end = End::Over;
                return Err(error);
            }
            now = (self.config.clock)();
            self.close_in_time(now);
            if !self.take(now) {
                // Every buffer was empty at `now`: what comes later was captured not much earlier.
                self.quiet = now.minus(self.config.settled());
                if matches!(self.end, End::Closing(end) if self.quiet >= end) {
                    self.end = End::Over;
                    self.interfaces.iter_mut().for_each(|interface| interface.finish(now));
                }
            }
        }
        self.batches = self.batches.wrapping_add(1);
        if self.taken.packets.is_empty() || self.batches.is_multiple_of(LOOK_EVERY) {
            self.look();
        }
        self.hand_out(batch);
        Ok(())
    }

    fn kernel_dropped(&self) -> u64 {
        let statuses = self.interfaces.iter().map(|interface| &interface.status);
        statuses.map(|status| status.dropped + status.dropped_by_interface).sum()
    }

    fn tapped(&self) -> Tapped {
        let none = Tapped { interfaces: self.interfaces.len() as u64, ..Tapped::default() };
        self.interfaces.iter().fold(none, |sum, Interface { status, .. }| Tapped {
            received: sum.received + status.received,
            went_away: sum.went_away + status.went_away,
            ..sum
        })
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        (self.end != End::Over).then_some(self.quiet)
    }
}

impl Taken {
    fn room(&self) -> usize {
        BATCH - self.packets.len()
    }
}
