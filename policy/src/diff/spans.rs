//! Sets of ports of all protocols, as spans of one long line of numbers.

use std::fmt;

use watershed_model::Protocol;

use crate::{Allowed, Service};

/// Numbers of one protocol.
const WIDTH: u32 = 1 << 16;

/// The last number of the last protocol.
const LAST: u32 = 256 * WIDTH - 1;

/// Protocols above which a set is told by what it lacks.
const MANY: usize = 128;

/// Ports, ICMP types and whole protocols; spans are in order and do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spans(Vec<(u32, u32)>);

impl Spans {
    pub(super) fn of(allowed: &[Allowed]) -> Self {
        let mut spans = Self::default();
        for one in allowed {
            let at = |protocol: Protocol, number: u16| u32::from(protocol.0) * WIDTH + u32::from(number);
            let span = match *one {
                Allowed::Anything => (0, LAST),
                Allowed::Ports(protocol, first, last) => (at(protocol, first), at(protocol, last)),
                Allowed::Service(Service::Port { protocol, port }) => {
                    (at(protocol, port), at(protocol, port))
                }
                Allowed::Service(Service::Icmp { protocol, message_type }) => {
                    let number = at(protocol, message_type.into());
                    (number, number)
                }
                Allowed::Service(Service::Protocol(protocol)) => (at(protocol, 0), at(protocol, u16::MAX)),
            };
            spans.0.push(span);
        }
        spans.tidy();
        spans
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
        self.tidy();
    }

    /// Puts spans in order and joins those that overlap or touch.
    fn tidy(&mut self) {
        self.0.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for &(first, last) in &self.0 {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        self.0 = joined;
    }

    /// What is in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for &(first, last) in &self.0 {
            let meeting = other.0.iter().map(|&(f, l)| (first.max(f), last.min(l)));
            both.0.extend(meeting.filter(|(first, last)| first <= last));
        }
        both
    }

    /// What is not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut gaps = Vec::new();
        let mut next = 0;
        for &(first, last) in &other.0 {
            if first > next {
                gaps.push((next, first - 1));
            }
            next = last.saturating_add(1);
        }
        if next <= LAST {
            gaps.push((next, LAST));
        }
        self.and(&Self(gaps))
    }

    /// The spans of each protocol.
    fn pieces(&self) -> impl Iterator<Item = (Protocol, u32, u32)> {
        self.0.iter().flat_map(|&(first, last)| {
            (first / WIDTH..=last / WIDTH).map(move |protocol| {
                let start = protocol * WIDTH;
                let piece = (first.max(start) - start, last.min(start + WIDTH - 1) - start);
                (Protocol(protocol as u8), piece.0, piece.1)
            })
        })
    }
}

/// `tcp/80 udp/5000-5010`, `anything`, `anything but tcp/22`.
impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_slice() == [(0, LAST)] {
            return f.write_str("anything");
        }
        if self.pieces().count() > MANY {
            return write!(f, "anything but {}", Self(vec![(0, LAST)]).without(self));
        }
        for (number, (protocol, first, last)) in self.pieces().enumerate() {
            let gap = if number == 0 { "" } else { " " };
            match (first, last) {
                (0, last) if last == WIDTH - 1 => write!(f, "{gap}{protocol}")?,
                (first, last) if first == last => write!(f, "{gap}{protocol}/{first}")?,
                (first, last) => write!(f, "{gap}{protocol}/{first}-{last}")?,
            }
        }
        Ok(())
    }
}
