//! One interface: opened, read, and opened again when it comes back.

use std::os::fd::AsFd as _;
use std::time::Duration;

use pcap::{Active, Capture, Device, Linktype, PacketHeader, Precision};
use watershed_model::{InterfaceId, Timestamp};

use super::super::{ANY, InterfaceStatus, LiveConfig};
use super::group::Group;
use super::reader::{Taken, TakenPacket};
use crate::error::SourceError;
use crate::source::LinkType;

/// An interface that is captured on, or waited for.
pub(super) struct Interface {
    id: InterfaceId,
    state: State,
    /// Among whom its packets are shared out.
    group: Option<Group>,
    pub(super) status: InterfaceStatus,
}

enum State {
    Open(Box<Open>),
    /// The interface is gone; until the time, the kernel may still hand out what came before.
    Leaving(Box<Open>, Timestamp),
    Away {
        /// When to look for it again, and how long after the last look that is.
        next: Timestamp,
        wait: Duration,
    },
}

struct Open {
    capture: Capture<Active>,
    link: LinkType,
    /// The kernel's counters as last read: received, dropped by a full buffer, dropped by the interface.
    seen: [u32; 3],
    /// Packets read since it was opened.
    packets: u64,
    /// When it joined its group: until then it saw what the others see.
    joined: Timestamp,
    /// Packets from before, which were left out and are not yet taken from those that the kernel counts as received.
    left_out: u32,
    /// Whether a packet later than the end was seen: then none before it is to come.
    finished: bool,
}

impl Interface {
    pub(super) fn open(
        id: InterfaceId,
        name: &str,
        config: &LiveConfig,
        group: Option<Group>,
    ) -> Result<Self, SourceError> {
        let state = State::Open(Box::new(Open::new(name, config, group.as_ref())?));
        let status = InterfaceStatus { name: name.to_owned(), present: true, ..InterfaceStatus::default() };
        Ok(Self { id, state, group, status })
    }

    /// What to wait on.
    pub(super) fn capture(&self) -> Option<&Capture<Active>> {
        match &self.state {
            State::Open(open) if !open.finished => Some(&open.capture),
            State::Open(_) | State::Leaving(..) | State::Away { .. } => None,
        }
    }

    /// Copies packets up to the time `until`, as many as are at hand and fit.
    pub(super) fn take(&mut self, until: Timestamp, now: Timestamp, config: &LiveConfig, taken: &mut Taken) {
        let (State::Open(open) | State::Leaving(open, _)) = &mut self.state else { return };
        let before = taken.packets.len();
        let outcome = open.take(self.id, until, taken);
        let count = (taken.packets.len() - before) as u64;
        self.status.packets += count;
        let state = std::mem::replace(&mut self.state, State::Away { next: now, wait: Duration::ZERO });
        self.state = match (state, outcome) {
            (State::Open(open), Err(error)) => {
                self.status.reason = plain(&error);
                State::Leaving(open, now.plus(config.settled()))
            }
            (State::Leaving(mut open, end), outcome) if now >= end && (count == 0 || outcome.is_err()) => {
                self.account(&mut open);
                let (first, _) = config.retry;
                State::Away { next: now.plus(first), wait: first }
            }
            (state, _) => state,
        };
    }

    /// Looks whether it is back, where that is due.
    pub(super) fn reopen(&mut self, now: Timestamp, config: &LiveConfig) {
        let State::Away { next, wait } = &mut self.state else { return };
        if now < *next {
            return;
        }
        match Open::new(&self.status.name, config, self.group.as_ref()) {
            Ok(open) => {
                self.state = State::Open(Box::new(open));
                self.status.present = true;
            }
            Err(_) => {
                let (_, longest) = config.retry;
                *wait = (*wait * 2).min(longest);
                *next = now.plus(*wait);
            }
        }
    }

    /// Nothing is read any more; an interface that is about to be away is away.
    pub(super) fn finish(&mut self, now: Timestamp) {
        self.count_drops();
        match std::mem::replace(&mut self.state, State::Away { next: now, wait: Duration::ZERO }) {
            State::Leaving(mut open, _) => self.account(&mut open),
            state => self.state = state,
        }
    }

    /// Closes the books of an interface that went away.
    fn account(&mut self, open: &mut Open) {
        open.count_drops(&mut self.status);
        self.status.dropped += open.unread();
        self.status.present = false;
        self.status.went_away += 1;
    }

    pub(super) fn count_drops(&mut self) {
        if let State::Open(open) | State::Leaving(open, _) = &mut self.state {
            open.count_drops(&mut self.status);
        }
    }
}

impl Open {
    fn new(name: &str, config: &LiveConfig, group: Option<&Group>) -> Result<Self, SourceError> {
        let refused = |error: pcap::Error| refused(name, &error);
        let mut capture = Capture::from_device(name)
            .map_err(refused)?
            .snaplen(int(config.snap_length))
            .buffer_size(int(config.buffer))
            // libpcap warns of a promiscuous `any`, which would count as an error here.
            .promisc(config.promiscuous && name != ANY)
            .timeout(i32::try_from(config.latency.as_millis()).unwrap_or(i32::MAX).max(1))
            .precision(Precision::Nano)
            .open()
            .and_then(Capture::setnonblock)
            .map_err(refused)?;
        let cooked = Linktype(LinkType::LINUX_SLL2.0.into());
        if capture.get_datalink() == Linktype::LINUX_SLL
            && capture.list_datalinks().is_ok_and(|links| links.contains(&cooked))
        {
            capture.set_datalink(cooked).map_err(refused)?;
        }
        if !config.filter.is_empty() {
            capture.filter(&config.filter, true).map_err(|error| SourceError::Filter {
                filter: config.filter.clone(),
                interface: name.to_owned(),
                reason: plain(&error),
            })?;
        }
        let mut joined = Timestamp::MIN;
        if let Some(group) = group {
            group.join(capture.as_fd()).map_err(|error| SourceError::Group {
                interface: name.to_owned(),
                reason: error.to_string(),
            })?;
            joined = (config.clock)();
        }
        let link = LinkType::from_capture(capture.get_datalink().0.cast_unsigned());
        Ok(Self { capture, link, seen: [0; 3], packets: 0, joined, left_out: 0, finished: false })
    }

    fn take(&mut self, id: InterfaceId, until: Timestamp, taken: &mut Taken) -> Result<(), pcap::Error> {
        let Self { capture, link, packets, joined, left_out, finished, .. } = self;
        let room = taken.room();
        if *finished || room == 0 {
            return Ok(());
        }
        let read = capture.dispatch(Some(room), |packet| {
            let time = time_of(packet.header);
            *finished |= time > until;
            if time < *joined {
                *packets += 1;
                *left_out += 1;
            } else if !*finished {
                *packets += 1;
                taken.data.extend_from_slice(packet.data);
                taken.packets.push(TakenPacket {
                    time,
                    link: *link,
                    interface: id,
                    wire_length: packet.header.len,
                    data_end: taken.data.len(),
                });
            }
        });
        match read {
            Ok(_) | Err(pcap::Error::TimeoutExpired) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Packets that the kernel took and that can be read no more: not those that it dropped, nor those after the
    /// end. Unknown, and 0, where more packets were read than its counter can hold.
    fn unread(&mut self) -> u64 {
        if self.finished {
            return 0;
        }
        let Ok(stats) = self.capture.stats() else { return 0 };
        let taken = u64::from(stats.received.wrapping_sub(stats.dropped));
        taken.saturating_sub(self.packets)
    }

    /// The kernel's counters are 32 bits wide and go round, so what counts is the difference.
    fn count_drops(&mut self, status: &mut InterfaceStatus) {
        // Of an interface that has just gone, the counters may be gone too.
        let Ok(stats) = self.capture.stats() else { return };
        let now = [stats.received, stats.dropped, stats.if_dropped];
        let [received, dropped, by_interface] = grown(self.seen, now);
        status.received += received.saturating_sub(u64::from(std::mem::take(&mut self.left_out)));
        status.dropped += dropped;
        status.dropped_by_interface += by_interface;
        self.seen = now;
    }
}

/// By how much 32-bit counters that go round have grown. One that seems to have grown by more than half its range
/// has started again instead, as an interface's does when the interface is made anew.
fn grown(before: [u32; 3], now: [u32; 3]) -> [u64; 3] {
    [0, 1, 2].map(|n: usize| {
        let grown = now[n].wrapping_sub(before[n]);
        if grown > u32::MAX / 2 { 0 } else { u64::from(grown) }
    })
}

/// The fraction of a second is in nanoseconds, as asked for on opening.
fn time_of(header: &PacketHeader) -> Timestamp {
    let nanos = u32::try_from(header.ts.tv_usec).unwrap_or_default();
    Timestamp::from_parts(header.ts.tv_sec, nanos)
}

fn int(octets: u32) -> i32 {
    i32::try_from(octets).unwrap_or(i32::MAX)
}

/// libpcap's own words.
fn plain(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(reason) => reason.trim().to_owned(),
        other => other.to_string(),
    }
}

/// Why an interface cannot be opened, with what to do.
fn refused(name: &str, error: &pcap::Error) -> SourceError {
    let interface = name.to_owned();
    let listed = Device::list().unwrap_or_default();
    if !listed.is_empty() && !listed.iter().any(|device| device.name == name) {
        // The list also has what no flow comes from, such as USB and netfilter's queues; those are never up.
        let up = listed.into_iter().filter(|device| device.flags.is_up());
        let known = up.map(|device| device.name).collect::<Vec<_>>().join(", ");
        return SourceError::NoInterface { interface, known };
    }
    SourceError::Interface { interface, reason: plain(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_went_round_have_grown() {
        assert_eq!(grown([u32::MAX - 1, 5, 9], [3, 5, 9]), [5, 0, 0]);
    }

    #[test]
    fn counters_that_started_again_have_not() {
        assert_eq!(grown([7, 7, 900], [7, 8, 0]), [0, 1, 0]);
    }
}
