//! With librdkafka.
//!
//! Partitions are assigned eagerly: at every change of the group all of them are taken away and given anew, and
//! all that waits here is forgotten and read again from what is committed.

mod context;
mod dead;
mod gather;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use watershed_model::{Batch, wire};

use context::{Context, STATISTICS_EVERY};
use dead::{DeadLetter, DeadLetters, Posted};
use gather::{Content, Gather, Message, Range};

use super::{KafkaSourceConfig, KafkaStatus};
use crate::source::{Delivery, DeliveryToken, FlowSource};
use crate::{AggregatorError, BatchToken, StoreError};

/// How long one poll waits: how late the end is noticed, and that a batch has waited long enough.
const POLL: Duration = Duration::from_millis(50);

/// How long a request to the cluster may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(5);

/// First and longest wait before something that failed is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Batches from Kafka.
pub struct KafkaSource {
    config: KafkaSourceConfig,
    consumer: BaseConsumer<Context>,
    dead: DeadLetters,
    gather: Gather,
    /// The assignment that `gather` is about.
    generation: u64,
    /// Whether the next delivery is the first since then.
    resumed: bool,
    paused: bool,
    /// What was handed out last.
    current: Option<Current>,
    /// Times that the store failed with it.
    failures: u32,
    status: KafkaStatus,
    observe: Observe,
}

/// Who is told how it goes, and why no broker answers where that is so.
type Observe = Box<dyn FnMut(&KafkaStatus, Option<&str>) + Send>;

/// A range that was handed out.
#[derive(Debug)]
struct Current {
    partition: i32,
    end: i64,
    /// The offset of each batch.
    offsets: Vec<i64>,
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, current, status, .. } = self;
        f.debug_struct("KafkaSource")
            .field("config", config)
            .field("current", current)
            .field("status", status)
            .finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Joins the group. A cluster that is not there yet is waited for.
    ///
    /// # Errors
    ///
    /// When a property of the connection is wrong.
    pub fn open(config: KafkaSourceConfig) -> Result<Self, AggregatorError> {
        Self::open_watched(config, |_, _| ())
    }

    /// The same; `observe` is told how it goes many times a second, also while no message comes, and why no broker
    /// answers where that is so.
    ///
    /// # Errors
    ///
    /// When a property of the connection is wrong.
    pub fn open_watched(
        config: KafkaSourceConfig,
        observe: impl FnMut(&KafkaStatus, Option<&str>) + Send + 'static,
    ) -> Result<Self, AggregatorError> {
        let failed = failed("read from Kafka", &config);
        let client = client(&config);
        let consumer: BaseConsumer<Context> =
            consumer(&client, &config).create_with_context(Context::default()).map_err(&failed)?;
        consumer.subscribe(&[&config.topic]).map_err(&failed)?;
        Ok(Self {
            consumer,
            dead: DeadLetters::new(config.dead_letters.clone(), producer(&client)),
            gather: Gather::new(config.max_records, config.max_wait),
            generation: 0,
            resumed: true,
            paused: false,
            current: None,
            failures: 0,
            status: KafkaStatus::default(),
            observe: Box::new(observe),
            config,
        })
    }

    /// What became of the messages so far.
    #[must_use]
    pub fn status(&self) -> KafkaStatus {
        KafkaStatus {
            lag: self.consumer.context().lag(),
            waiting: self.gather.weight() as u64,
            ..self.status
        }
    }

    /// Takes in what has come, at least one message or none for [`POLL`].
    fn pump(&mut self) -> Result<(), AggregatorError> {
        let now = (self.config.now)();
        let message = match self.consumer.poll(POLL) {
            None => None,
            Some(Ok(message)) => {
                self.status.messages += 1;
                let octets = message.payload().unwrap_or_default();
                let content = match wire::decode(octets) {
                    Ok(batch) => Content::Batch(batch),
                    Err(error) => Content::Unreadable { octets: octets.to_vec(), reason: error.to_string() },
                };
                Some((message.partition(), Message { offset: message.offset(), content }))
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                return Err(failed("read from Kafka", &self.config)(error));
            }
            Some(Err(error)) => {
                let reason = self.consumer.context().trouble().unwrap_or_default();
                tracing::warn!(brokers = self.config.brokers, %error, %reason, "Kafka is not there");
                None
            }
        };
        // A poll that assigns partitions gives none of their messages yet.
        self.follow_group()?;
        match message {
            Some((partition, message)) => self.gather.push(partition, message, now),
            // While messages come, deliveries tell.
            None => self.report(),
        }
        self.pause_or_resume();
        Ok(())
    }

    fn report(&mut self) {
        let (status, lost) = (self.status(), self.consumer.context().lost());
        (self.observe)(&status, lost.as_deref());
    }

    /// Begins anew from what is committed where the assignment has changed.
    fn follow_group(&mut self) -> Result<(), AggregatorError> {
        let mut failures = 0;
        while self.generation != self.consumer.context().generation() && !self.stopped() {
            let generation = self.consumer.context().generation();
            (self.current, self.paused, self.resumed) = (None, false, true);
            match self.planned() {
                Ok(planned) => {
                    self.status.assignments += u64::from(!planned.is_empty());
                    self.gather.assign(planned, (self.config.now)());
                    self.generation = generation;
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "cannot read the committed offsets");
                }
            }
        }
        Ok(())
    }

    /// The partitions that are assigned, each with the end of the range that was planned last and that may not
    /// have been stored.
    fn planned(&self) -> Result<BTreeMap<i32, Option<i64>>, KafkaError> {
        let assigned = self.consumer.assignment()?;
        if assigned.count() == 0 {
            return Ok(BTreeMap::new());
        }
        let mut planned = BTreeMap::new();
        for committed in self.consumer.committed_offsets(assigned, REQUEST)?.elements() {
            let (partition, start) = (committed.partition(), committed.offset().to_raw().unwrap_or(-1));
            let end = committed.metadata().parse::<i64>().ok().filter(|&end| start >= 0 && start < end);
            // A topic that was made anew has nothing of what was planned in the old one.
            let end = match end {
                Some(end) => {
                    let (low, high) =
                        self.consumer.fetch_watermarks(committed.topic(), partition, REQUEST)?;
                    Some(end).filter(|&end| low < end && end <= high)
                }
                None => None,
            };
            planned.insert(partition, end);
        }
        Ok(planned)
    }

    /// Stops fetching while there is no room, so that the group can go on being polled.
    fn pause_or_resume(&mut self) {
        let full = self.gather.is_full();
        if full == self.paused {
            return;
        }
        let changed = self.consumer.assignment().and_then(|assigned| {
            if full { self.consumer.pause(&assigned) } else { self.consumer.resume(&assigned) }
        });
        match changed {
            Ok(()) => self.paused = full,
            Err(error) => tracing::warn!(%error, "cannot pause or resume fetching"),
        }
    }

    /// Plans a range and makes a delivery of it; `None` where it is no longer ours, or there is no batch in it.
    fn hand_out(&mut self, range: Range) -> Result<Option<Delivery>, AggregatorError> {
        let Range { partition, start, end, messages, planned } = range;
        self.status.rebuilt += u64::from(planned);
        if !planned && !self.commit(partition, start, &end.to_string())? {
            return Ok(None);
        }
        let (mut batches, mut offsets) = (Vec::with_capacity(messages.len()), Vec::new());
        for Message { offset, content } in messages {
            match content {
                Content::Batch(batch) => {
                    batches.push(batch);
                    offsets.push(offset);
                }
                Content::Unreadable { octets, reason } => {
                    if !self.put_aside(partition, offset, &reason, &octets)? {
                        return Ok(None);
                    }
                }
            }
        }
        self.current = Some(Current { partition, end, offsets });
        self.failures = 0;
        let Some(first) = batches.first() else {
            self.acknowledge()?;
            return Ok(None);
        };
        let token = self.token(partition, (start, end), first);
        Ok(Some(Delivery { token, batches, resumed: std::mem::take(&mut self.resumed) }))
    }

    /// The range, and its first batch, since a topic that is made anew counts from zero again.
    fn token(&self, partition: i32, (start, end): (i64, i64), first: &Batch) -> DeliveryToken {
        let BatchToken { agent, started, sequence } = BatchToken::of(first);
        let (topic, started) = (&self.config.topic, started.as_nanos());
        DeliveryToken(format!("{topic}/{partition}/{start}-{end}/{agent}/{started}/{sequence}"))
    }

    /// Commits an offset; false where the partition was taken away meanwhile, or the end came.
    fn commit(&mut self, partition: i32, offset: i64, metadata: &str) -> Result<bool, AggregatorError> {
        let generation = self.generation;
        let mut failures = 0;
        // Once even at the end, so that the next reader need not find out what the store has.
        while failures == 0 || self.is_ours(generation) {
            let mut offsets = TopicPartitionList::new();
            let mut element = offsets.add_partition(&self.config.topic, partition);
            let set = element.set_offset(Offset::Offset(offset));
            element.set_metadata(metadata);
            // Meanwhile librdkafka's own thread keeps this reader in the group.
            let sent = set.and_then(|()| self.consumer.commit(&offsets, CommitMode::Sync));
            let Err(failure) = sent else { return Ok(true) };
            failures += 1;
            self.status.commit_failures += 1;
            tracing::warn!(partition, offset, %failure, "cannot commit an offset; trying again");
            self.wait(backoff(failures), generation)?;
        }
        Ok(false)
    }

    /// Puts a message aside that is no batch; false where its partition was taken away meanwhile.
    fn put_aside(
        &mut self,
        partition: i32,
        offset: i64,
        reason: &str,
        octets: &[u8],
    ) -> Result<bool, AggregatorError> {
        let generation = self.generation;
        let mut failures = 0;
        tracing::warn!(
            topic = self.config.topic,
            partition,
            offset,
            reason,
            "a message goes to the dead letters"
        );
        while self.is_ours(generation) {
            let letter = DeadLetter { topic: &self.config.topic, partition, offset, reason, octets };
            match self.dead.post(&letter) {
                Posted::Kept => {
                    self.status.dead_letters += 1;
                    return Ok(true);
                }
                Posted::Refused(failure) => {
                    // Better one message lost and told of than a partition that never goes on.
                    self.status.dead_letters += 1;
                    self.status.dead_letters_lost += 1;
                    tracing::error!(partition, offset, failure, "a message that cannot be read is lost");
                    return Ok(true);
                }
                Posted::Later(failure) => {
                    failures += 1;
                    tracing::warn!(partition, offset, failure, "cannot write a dead letter; trying again");
                    self.wait(backoff(failures), generation)?;
                }
            }
        }
        Ok(false)
    }

    /// Goes on polling for a while, so that the group knows that this reader is alive.
    fn wait(&mut self, time: Duration, generation: u64) -> Result<(), AggregatorError> {
        let until = (self.config.now)().plus(time);
        while self.is_ours(generation) && (self.config.now)() < until {
            self.pump()?;
        }
        Ok(())
    }

    /// Whether the assignment of then still holds, and the end has not come.
    fn is_ours(&self, generation: u64) -> bool {
        self.generation == generation && !self.stopped()
    }

    fn stopped(&self) -> bool {
        self.config.stop.load(Ordering::Relaxed)
    }
}

impl FlowSource for KafkaSource {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        while !self.stopped() {
            if let Some(range) = self.gather.next((self.config.now)())
                && let Some(delivery) = self.hand_out(range)?
            {
                return Ok(Some(delivery));
            }
            self.pump()?;
        }
        Ok(None)
    }

    fn acknowledge(&mut self) -> Result<(), AggregatorError> {
        let Some(Current { partition, end, .. }) = self.current.take() else { return Ok(()) };
        // Where it is no longer ours, the next reader finds that the store has it.
        self.commit(partition, end, "").map(drop)
    }

    fn hold(&mut self, reason: StoreError) -> Result<bool, AggregatorError> {
        self.failures += 1;
        tracing::warn!(%reason, failures = self.failures, "the store does not take a delivery; trying again");
        let generation = self.generation;
        self.wait(backoff(self.failures), generation)?;
        Ok(self.is_ours(generation))
    }

    fn refuse(&mut self, index: usize, reason: StoreError) -> Result<(), AggregatorError> {
        let place = self.current.as_ref().and_then(|c| Some((c.partition, *c.offsets.get(index)?)));
        // Its octets are gone; where it lies in the topic is told.
        let Some((partition, offset)) = place else { return Ok(()) };
        self.put_aside(partition, offset, &reason.to_string(), &[]).map(drop)
    }
}

fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(longest)
}

fn failed(
    operation: &'static str,
    config: &KafkaSourceConfig,
) -> impl Fn(KafkaError) -> AggregatorError + use<> {
    let brokers = config.brokers.clone();
    move |error| {
        let reason = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::FencedInstanceId) => {
                "another aggregator has the same instance name; give each its own".to_owned()
            }
            _ => error.to_string(),
        };
        AggregatorError::Kafka { operation, brokers: brokers.clone(), reason }
    }
}

fn client(config: &KafkaSourceConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers).set("client.id", "watershed-aggregate");
    // Brokers that come back are found soon.
    client.set("reconnect.backoff.max.ms", "2000");
    config.connection.iter().for_each(|(key, value)| {
        client.set(key, value);
    });
    client
}

fn consumer(client: &ClientConfig, config: &KafkaSourceConfig) -> ClientConfig {
    let mut consumer = client.clone();
    consumer
        .set("group.id", &config.group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "2000")
        // A topic that agents make later is found soon.
        .set("topic.metadata.refresh.interval.ms", "5000")
        // What librdkafka holds beside what waits here.
        .set("queued.max.messages.kbytes", "16384")
        .set("statistics.interval.ms", STATISTICS_EVERY);
    if let Some(instance) = &config.instance {
        consumer.set("group.instance.id", instance);
    }
    consumer
}

fn producer(client: &ClientConfig) -> ClientConfig {
    let mut producer = client.clone();
    producer.set("enable.idempotence", "true").set("message.timeout.ms", "9000").set("linger.ms", "0");
    producer
}
