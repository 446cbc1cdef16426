//! Several threads that capture, for the one that decodes and follows.
//!
//! Only capturing is shared out. All packets go through one flow table, since a tunnel's two directions may come from two
//! threads, and the taps that see one connection from two interfaces.

use std::mem;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use watershed_model::Timestamp;

use super::super::InterfaceStatus;
use super::interface::Interface;
use super::reader::{Reader, Taken};
use crate::error::SourceError;

/// Batches that each thread may be ahead. Beyond, it waits, and what the kernel then has no room for it drops and counts.
const AHEAD: usize = 8;

/// The threads, and what they told last.
pub(super) struct Several {
    from: Receiver<Told>,
    threads: Vec<Thread>,
    /// The thread whose packets are handed out.
    turn: usize,
    taken: Taken,
    interfaces: Vec<InterfaceStatus>,
}

struct Thread {
    /// Takes back what its packets were in.
    spare: Sender<Taken>,
    interfaces: Vec<InterfaceStatus>,
    quiet: Option<Timestamp>,
}

/// A batch, and how its thread stands after it.
struct Told {
    thread: usize,
    taken: Taken,
    interfaces: Vec<InterfaceStatus>,
    quiet: Option<Timestamp>,
    outcome: Result<(), SourceError>,
}

impl Several {
    /// Starts a thread for each reader. They have the privileges that this one has now.
    pub(super) fn start(readers: Vec<Reader>) -> Self {
        let (tell, from) = bounded(AHEAD * readers.len());
        let start = |(thread, reader): (usize, Reader)| {
            let (spare, spares) = unbounded();
            let told = Thread { spare, interfaces: statuses(&reader), quiet: Some(Timestamp::MIN) };
            let tell = tell.clone();
            thread::spawn(move || capture(thread, reader, &tell, &spares));
            told
        };
        let threads: Vec<_> = readers.into_iter().enumerate().map(start).collect();
        let interfaces = together(&threads);
        Self { from, threads, turn: 0, taken: Taken::default(), interfaces }
    }

    /// Takes the next batch of any thread; an empty one where all have ended.
    pub(super) fn read(&mut self) -> Result<(), SourceError> {
        let mut used = mem::take(&mut self.taken);
        used.clear();
        // A thread that has ended needs none.
        let _ = self.threads[self.turn].spare.send(used);
        let Ok(Told { thread, taken, interfaces, quiet, outcome }) = self.from.recv() else {
            let unfinished = self.threads.iter_mut().filter_map(|thread| thread.quiet.take()).count();
            return if unfinished == 0 { Ok(()) } else { Err(SourceError::Thread { unfinished }) };
        };
        self.turn = thread;
        self.taken = taken;
        self.threads[thread].quiet = quiet;
        if self.threads[thread].interfaces != interfaces {
            self.threads[thread].interfaces = interfaces;
            self.interfaces = together(&self.threads);
        }
        outcome
    }

    pub(super) const fn taken(&self) -> &Taken {
        &self.taken
    }

    pub(super) fn interfaces(&self) -> &[InterfaceStatus] {
        &self.interfaces
    }

    /// Up to when every thread that still captures has read all packets.
    pub(super) fn quiet_until(&self) -> Option<Timestamp> {
        self.threads.iter().filter_map(|thread| thread.quiet).min()
    }
}

/// Captures until the end, or until nobody wants more.
fn capture(thread: usize, mut reader: Reader, tell: &Sender<Told>, spares: &Receiver<Taken>) {
    loop {
        let outcome = reader.read();
        let quiet = reader.quiet_until();
        let taken = mem::replace(&mut reader.taken, spares.try_recv().unwrap_or_default());
        let told = Told { thread, taken, interfaces: statuses(&reader), quiet, outcome };
        if tell.send(told).is_err() || quiet.is_none() {
            return;
        }
    }
}

fn statuses(reader: &Reader) -> Vec<InterfaceStatus> {
    reader.interfaces.iter().map(|Interface { status, .. }| status.clone()).collect()
}

/// What became of each interface's packets, over all threads.
fn together(threads: &[Thread]) -> Vec<InterfaceStatus> {
    let mut threads = threads.iter();
    let first = threads.next().map(|thread| thread.interfaces.clone()).unwrap_or_default();
    threads.fold(first, |mut sums, thread| {
        sums.iter_mut().zip(&thread.interfaces).for_each(|(sum, status)| add(sum, status));
        sums
    })
}

fn add(sum: &mut InterfaceStatus, other: &InterfaceStatus) {
    let InterfaceStatus {
        name: _,
        present,
        packets,
        received,
        dropped,
        dropped_by_interface,
        went_away,
        reason,
    } = other;
    sum.present &= present;
    sum.packets += packets;
    sum.received += received;
    sum.dropped += dropped;
    // Each thread sees what the interface itself drops, and each sees it go.
    sum.dropped_by_interface = sum.dropped_by_interface.max(*dropped_by_interface);
    sum.went_away = sum.went_away.max(*went_away);
    if sum.reason.is_empty() {
        sum.reason.clone_from(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(packets: u64, went_away: u64, present: bool) -> Thread {
        let status = InterfaceStatus {
            name: "eth0".to_owned(),
            present,
            packets,
            received: packets + 1,
            dropped: 1,
            dropped_by_interface: 7,
            went_away,
            reason: String::new(),
        };
        Thread { spare: unbounded().0, interfaces: vec![status], quiet: None }
    }

    #[test]
    fn packets_add_up_and_what_every_thread_sees_counts_once() {
        let [sum] = together(&[thread(10, 1, true), thread(5, 0, false)]).try_into().unwrap();
        assert_eq!((sum.packets, sum.received, sum.dropped), (15, 17, 2));
        assert_eq!((sum.dropped_by_interface, sum.went_away, sum.present), (7, 1, false));
    }
}
