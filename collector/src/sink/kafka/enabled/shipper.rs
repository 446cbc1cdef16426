//! The shipping thread: every batch goes to the spool first, and from there to Kafka.
//!
//! So there is one queue and one order, whether Kafka is there or not, and what was kept survives this process.
//! A batch gets its number when it is kept: numbers have no gap for what was dropped before, which the counters
//! tell, and every gap that a receiver sees is a batch that was lost behind the agent.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use rdkafka::error::RDKafkaErrorCode;
use watershed_model::{AgentId, Batch, wire};

use super::super::{KafkaConfig, ShippingStatus, WhenFull};
use super::contact::Contact;
use super::producer::Producer;
use super::{QUEUE_BATCHES, Shared};
use crate::sink::spool::{Dropped, Position, Refusal, Spool};

/// Messages on their way at most: enough to keep a broker busy over a long line, few enough that a restart
/// sends little twice. At most 60 MB, commonly 5.
const WINDOW: usize = 64;

/// How long to wait for a batch when nothing is on its way, and for deliveries when nothing else is to do.
const IDLE: Duration = Duration::from_millis(50);

/// How long to wait for deliveries before looking for batches again.
const BUSY: Duration = Duration::from_millis(5);

/// Brokers that acknowledge nothing for so long, while something waits for it, are as good as away: one that is
/// merely busy, or that starts again, takes less.
const SILENCE: Duration = Duration::from_secs(10);

/// What a shipper is between, and who watches it.
pub(super) struct Ends<F> {
    pub(super) batches: Receiver<Batch>,
    pub(super) spool: Spool,
    pub(super) producer: Producer,
    pub(super) contact: Contact,
    pub(super) observe: F,
}

pub(super) struct Shipper<F> {
    config: KafkaConfig,
    batches: Receiver<Batch>,
    spool: Spool,
    producer: Producer,
    contact: Contact,
    observe: F,
    shared: Arc<Shared>,
    /// Number of the next batch.
    sequence: u64,
    /// Messages on their way, in the order in which they were sent; tickets count up without a gap.
    in_flight: VecDeque<InFlight>,
    next_ticket: u64,
    /// What of the losses a batch that is kept has told.
    told: Dropped,
    /// How long something has waited and nothing was acknowledged, in waits.
    silent: Duration,
    /// What was acknowledged when that began.
    heard: u64,
    status: ShippingStatus,
}

/// A message on its way.
struct InFlight {
    ticket: u64,
    /// The place after it in the spool; `None` if the disk did not take it.
    position: Option<Position>,
    arrived: bool,
}

impl<F: FnMut(&ShippingStatus)> Shipper<F> {
    pub(super) fn new(config: KafkaConfig, ends: Ends<F>, shared: Arc<Shared>) -> Self {
        let Ends { batches, spool, producer, contact, observe } = ends;
        let status = ShippingStatus { dropped: spool.untold(), ..ShippingStatus::default() };
        Self {
            config,
            batches,
            spool,
            producer,
            contact,
            observe,
            shared,
            sequence: 0,
            in_flight: VecDeque::new(),
            next_ticket: 0,
            told: Dropped::default(),
            silent: Duration::ZERO,
            heard: 0,
            status,
        }
    }

    /// Ships until nobody sends any more.
    pub(super) fn run(mut self) {
        while self.take() {
            self.send();
            self.hear(if self.in_flight.is_empty() { Duration::ZERO } else { BUSY });
            self.report();
        }
        let mut quiet = Quiet::default();
        while self.spool.waiting() > 0 || !self.in_flight.is_empty() {
            self.send();
            self.hear(IDLE);
            self.report();
            if quiet.longer_than(self.config.patience, self.status.acknowledged) {
                break;
            }
        }
        self.count_losses();
        self.report();
    }

    /// Keeps the batches that are at hand; waits a little for one if there is nothing else to do. `false` once
    /// there will be no more.
    fn take(&mut self) -> bool {
        if self.in_flight.is_empty() && (self.spool.is_read() || !self.producer.is_ready()) {
            match self.batches.recv_timeout(IDLE) {
                Ok(batch) => self.keep(batch),
                Err(RecvTimeoutError::Timeout) => self.silent += IDLE,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        for _ in 0..QUEUE_BATCHES {
            match self.batches.try_recv() {
                Ok(batch) => self.keep(batch),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    /// Numbers a batch and puts it into the spool, or counts it as dropped.
    fn keep(&mut self, mut batch: Batch) {
        let mut quiet = Quiet::default();
        loop {
            let bytes = self.stamp(&mut batch);
            let refusal = match self.spool.append(&bytes) {
                Ok(()) => break,
                Err(Refusal::Disk(_)) if self.send_unspooled(&batch.agent, &bytes) => break,
                Err(refusal) => refusal,
            };
            let over =
                self.shared.is_closing() && quiet.longer_than(self.config.patience, self.status.acknowledged);
            if self.config.when_full == WhenFull::Drop || over {
                return self.drop_batch(&batch, &refusal);
            }
            self.send();
            self.hear(IDLE);
            self.report();
        }
        self.sequence += 1;
        self.told = self.status.dropped;
        self.spool.note(Dropped::default());
        let room = self.spool.waiting() <= self.config.spool.limit / 4 * 3;
        if room && std::mem::take(&mut self.status.full) {
            tracing::info!(dropped = ?self.status.dropped, "batches are kept again");
        }
    }

    /// The batch's octets, with its number and what was lost up to it.
    fn stamp(&mut self, batch: &mut Batch) -> Vec<u8> {
        self.count_losses();
        let Dropped { batches, records, names } = self.status.dropped;
        batch.sequence = self.sequence;
        batch.counters.batches_dropped = batches;
        batch.counters.records_dropped = records;
        batch.counters.names_dropped = names;
        batch.counters.spooled_bytes = self.spool.waiting();
        wire::encode(batch)
    }

    fn drop_batch(&mut self, batch: &Batch, refusal: &Refusal) {
        self.status.dropped.add(batch);
        self.spool.note(self.status.dropped.since(self.told));
        if !std::mem::replace(&mut self.status.full, true) {
            tracing::warn!(?refusal, "batches are dropped: there is no room for them");
        }
    }

    /// Takes over what found the queue full, or was found torn.
    fn count_losses(&mut self) {
        let overflow =
            std::mem::take(&mut *self.shared.overflow.lock().unwrap_or_else(PoisonError::into_inner));
        let torn = Dropped { batches: self.spool.torn() - self.status.torn, ..Dropped::default() };
        self.status.torn = self.spool.torn();
        if overflow != Dropped::default() || torn != Dropped::default() {
            self.status.dropped = self.status.dropped.plus(overflow).plus(torn);
            self.spool.note(self.status.dropped.since(self.told));
        }
    }

    /// Sends what is spooled, as far as the window goes.
    fn send(&mut self) {
        while self.has_room() {
            let Some((position, bytes)) = self.spool.read_next() else { break };
            let sent = match wire::head(&bytes) {
                Ok(head) => self.producer.send(self.next_ticket, &head.agent.0, &bytes),
                Err(error) => {
                    // An agent of another version filled this spool. Nobody here can say whose it is.
                    tracing::warn!(%error, "a spooled batch cannot be shipped");
                    self.status.refused += 1;
                    self.on_its_way(Some(position), true);
                    continue;
                }
            };
            match sent {
                Ok(()) => self.on_its_way(Some(position), false),
                Err(error) => return self.reconnect(&error.to_string()),
            }
        }
    }

    /// The disk does not take it, but Kafka may, if nothing is before it.
    fn send_unspooled(&mut self, agent: &AgentId, bytes: &[u8]) -> bool {
        let sent = self.has_room()
            && self.spool.is_read()
            && self.producer.send(self.next_ticket, &agent.0, bytes).is_ok();
        if sent {
            self.on_its_way(None, false);
        }
        sent
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() < WINDOW && self.producer.is_ready()
    }

    fn on_its_way(&mut self, position: Option<Position>, arrived: bool) {
        self.in_flight.push_back(InFlight { ticket: self.next_ticket, position, arrived });
        self.next_ticket += 1;
    }

    /// Hears what was delivered, and acknowledges it in order.
    fn hear(&mut self, wait: Duration) {
        let mut broken = None;
        self.silent += wait;
        for delivery in self.producer.poll(wait) {
            match delivery.result {
                Ok(()) => self.status.acknowledged += 1,
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    tracing::warn!(%error, "kafka takes no batch of this size; raise its max.message.bytes");
                    self.status.refused += 1;
                }
                Err(error) => {
                    broken = Some(error.to_string());
                    continue;
                }
            }
            let first = self.in_flight.front().map_or(0, |first| first.ticket);
            let index = delivery.ticket.checked_sub(first).and_then(|index| usize::try_from(index).ok());
            if let Some(message) = index.and_then(|index| self.in_flight.get_mut(index)) {
                message.arrived = true;
            }
        }
        let mut done = None;
        while self.in_flight.front().is_some_and(|message| message.arrived) {
            done = self.in_flight.pop_front().and_then(|message| message.position).or(done);
        }
        if let Some(position) = done {
            self.spool.acknowledge(position);
        }
        if let Some(reason) = broken {
            self.reconnect(&reason);
        }
    }

    /// Begins anew with what was not acknowledged. What had arrived of it comes twice, with the same numbers.
    fn reconnect(&mut self, reason: &str) {
        tracing::warn!(reason, "the connection to kafka is made anew");
        self.status.reconnects += 1;
        match Producer::open(&self.config, &self.contact, true) {
            Ok(producer) => self.producer = producer,
            Err(error) => return tracing::warn!(%error, "cannot make it; trying again"),
        }
        self.in_flight.clear();
        self.spool.rewind();
    }

    fn report(&mut self) {
        self.status.spooled_bytes = self.spool.waiting();
        self.look_for_kafka();
        self.shared.status.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.status);
        (self.observe)(&self.status);
    }

    /// Notes whether Kafka takes anything, and says so where that has changed.
    fn look_for_kafka(&mut self) {
        let idle = self.status.spooled_bytes == 0 && self.in_flight.is_empty();
        if idle || self.status.acknowledged != self.heard {
            (self.silent, self.heard) = (Duration::ZERO, self.status.acknowledged);
        }
        let silent = || format!("nothing was acknowledged for {SILENCE:?}").into();
        let away = self.contact.lost().or_else(|| (self.silent >= SILENCE).then(silent));
        match (&self.status.away, &away) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::warn!(%reason, "kafka takes nothing; batches wait in the spool");
            }
            (Some(_), None) => tracing::info!("kafka takes batches again"),
            _ => {}
        }
        self.status.away = away;
    }
}

/// For how many waits of [`IDLE`] nothing arrived.
#[derive(Default)]
struct Quiet {
    waits: u32,
    acknowledged: u64,
}

impl Quiet {
    /// Counts another wait. Waits are what can be counted without a clock.
    fn longer_than(&mut self, patience: Duration, acknowledged: u64) -> bool {
        self.waits = if acknowledged == self.acknowledged { self.waits + 1 } else { 0 };
        self.acknowledged = acknowledged;
        IDLE * self.waits >= patience
    }
}
