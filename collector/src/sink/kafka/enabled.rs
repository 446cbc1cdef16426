//! With the client library: a thread of its own takes batches from a short queue, so that neither a slow disk
//! nor a slow broker slows capture.

mod contact;

mod producer;

mod shipper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, TrySendError};
use watershed_model::Batch;

use super::{KafkaConfig, ShippingStatus, WhenFull};
use crate::error::SinkError;
use crate::sink::FlowSink;
use crate::sink::spool::{Dropped, Spool};
use contact::Contact;
use producer::Producer;
use shipper::{Ends, Shipper};

/// Batches that may wait for the shipping thread: enough to ride out a slow moment of the disk, few enough to
/// be a small part of the memory. Beyond, [`WhenFull`] says what happens.
const QUEUE_BATCHES: usize = 16;

/// Ships to Kafka. Dropping it is the same as [`KafkaSink::close`].
#[derive(Debug)]
pub struct KafkaSink {
    batches: Option<Sender<Batch>>,
    when_full: WhenFull,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads know.
#[derive(Debug, Default)]
struct Shared {
    status: Mutex<ShippingStatus>,
    /// What found the queue full.
    overflow: Mutex<Dropped>,
    /// Whether no more batches will come.
    closing: AtomicBool,
}

impl Shared {
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

impl KafkaSink {
    /// Opens the spool and starts shipping what is in it. Kafka itself may be away.
    ///
    /// # Errors
    ///
    /// The spool cannot be used, or the connection's properties make no sense.
    pub fn open(config: &KafkaConfig) -> Result<Self, SinkError> {
        Self::open_watched(config, |_| ())
    }

    /// The same; `observe` is told from the shipping thread how it goes, many times a second, also while nothing is
    /// sent.
    ///
    /// # Errors
    ///
    /// The spool cannot be used, or the connection's properties make no sense.
    pub fn open_watched(
        config: &KafkaConfig,
        observe: impl FnMut(&ShippingStatus) + Send + 'static,
    ) -> Result<Self, SinkError> {
        let spool = Spool::open(&config.spool)?;
        let failed = |reason: String| SinkError::Kafka { brokers: config.brokers.clone(), reason };
        let contact = Contact::default();
        let producer = Producer::open(config, &contact, false).map_err(|error| failed(error.to_string()))?;
        let (sender, batches) = crossbeam_channel::bounded(QUEUE_BATCHES);
        let shared = Arc::new(Shared::default());
        let ends = Ends { batches, spool, producer, contact, observe };
        let shipper = Shipper::new(config.clone(), ends, Arc::clone(&shared));
        let thread = thread::Builder::new().name("shipping".into()).spawn(|| shipper.run());
        let thread = thread.map_err(|error| failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { batches: Some(sender), when_full: config.when_full, shared, thread: Some(thread) })
    }

    /// What became of the batches so far.
    #[must_use]
    pub fn status(&self) -> ShippingStatus {
        self.shared.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until everything is shipped, or spooled and Kafka's patience is over.
    ///
    /// # Errors
    ///
    /// The shipping thread stopped before.
    pub fn close(mut self) -> Result<ShippingStatus, SinkError> {
        self.end().map(|()| self.status())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        self.shared.closing.store(true, Ordering::Release);
        self.batches = None;
        self.thread.take().map_or(Ok(()), |thread| thread.join().map_err(|_| SinkError::Gone))
    }
}

impl FlowSink for KafkaSink {
    fn send(&mut self, batch: Batch) -> Result<(), SinkError> {
        let batches = self.batches.as_ref().ok_or(SinkError::Gone)?;
        if self.when_full == WhenFull::Wait {
            return batches.send(batch).map_err(|_| SinkError::Gone);
        }
        match batches.try_send(batch) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(batch)) => {
                let mut overflow = self.shared.overflow.lock().unwrap_or_else(PoisonError::into_inner);
                overflow.add(&batch);
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err(SinkError::Gone),
        }
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        // Who wants to know how it ended calls `close`.
        let _ = self.end();
    }
}
