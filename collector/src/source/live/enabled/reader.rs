//! One thread's part: interfaces are read in turn; the kernel's buffers even out what comes at once.

use std::io;
use std::sync::atomic::Ordering;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use watershed_model::{InterfaceId, Timestamp};

use super::super::LiveConfig;
use super::group::Group;
use super::interface::Interface;
use crate::error::SourceError;
use crate::source::{BATCH, LinkType, Packet, PacketBatch};

/// Batches between two looks at the kernel's drop counters: some milliseconds under load, far fewer packets than
/// make a 32-bit counter wrap.
const LOOK_EVERY: u32 = 256;

/// Reads interfaces, or its part of what is captured on them.
///
/// Packets are copied out of the kernel's buffer, so that its room is free again at once. The packets of one
/// interface stay in its order. It ends when it is told to stop or its time is over, with what was captured
/// until then.
pub(super) struct Reader {
    config: LiveConfig,
    pub(super) interfaces: Vec<Interface>,
    pub(super) taken: Taken,
    /// The interface to begin with: each in turn, so that a busy one does not shut out the others.
    turn: usize,
    batches: u32,
    quiet: Timestamp,
    end: End,
}

/// Packets that were copied out and not handed out yet.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) packets: Vec<TakenPacket>,
    pub(super) data: Vec<u8>,
}

/// A packet without its data.
#[derive(Clone, Copy)]
pub(super) struct TakenPacket {
    pub(super) time: Timestamp,
    pub(super) link: LinkType,
    pub(super) interface: InterfaceId,
    pub(super) wire_length: u32,
    /// Where its data ends; it starts where the one before ends.
    pub(super) data_end: usize,
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

impl Reader {
    /// Opens every interface; with `groups`, one for each interface, as one of several that share its packets.
    ///
    /// # Errors
    ///
    /// The first interface that cannot be opened, or a filter that is none. Later on, an interface may go away
    /// and come back.
    pub(super) fn open(config: &LiveConfig, groups: &[Group]) -> Result<Self, SourceError> {
        let named = (0..).map(InterfaceId).zip(&config.interfaces).enumerate();
        let interfaces: Result<_, _> =
            named.map(|(n, (id, name))| Interface::open(id, name, config, groups.get(n).cloned())).collect();
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

    /// Reads up to a batch of what is at hand, or waits for a packet, a signal, or the latency.
    pub(super) fn read(&mut self) -> Result<(), SourceError> {
        self.taken.clear();
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
        Ok(())
    }

    /// Up to when all packets were read; `None`: all that there will be.
    pub(super) fn quiet_until(&self) -> Option<Timestamp> {
        (self.end != End::Over).then_some(self.quiet)
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
}

impl Taken {
    pub(super) fn room(&self) -> usize {
        BATCH - self.packets.len()
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.data.clear();
    }

    pub(super) fn hand_out<'a>(&'a self, batch: &mut PacketBatch<'a>) {
        let mut start = 0;
        for packet in &self.packets {
            let &TakenPacket { time, link, interface, wire_length, data_end } = packet;
            let data = &self.data[start..data_end];
            start = data_end;
            batch.push(Packet { time, link, interface, wire_length, data });
        }
    }
}
