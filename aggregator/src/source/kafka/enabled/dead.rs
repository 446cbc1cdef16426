//! Where messages go that cannot be read.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

/// How long Kafka may take for one; then it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message that cannot be read, or a batch that the store refuses.
#[derive(Debug)]
pub(super) struct DeadLetter<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) reason: &'a str,
    pub(super) octets: &'a [u8],
}

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// Kafka has it.
    Kept,
    /// Not now.
    Later(String),
    /// Never.
    Refused(String),
}

/// Writes dead letters.
pub(super) struct DeadLetters {
    topic: String,
    client: ClientConfig,
    /// Made with the first letter: most readers never write one.
    producer: Option<BaseProducer<Deliveries>>,
}

/// What Kafka said of each letter.
#[derive(Debug, Default)]
struct Deliveries(Mutex<VecDeque<Option<KafkaError>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let failure = result.as_ref().err().map(|(error, _)| error.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(failure);
    }
}

impl DeadLetters {
    pub(super) const fn new(topic: String, client: ClientConfig) -> Self {
        Self { topic, client, producer: None }
    }

    /// Posts a letter and waits for Kafka to have it. Headers say where it was and what is wrong with it; its
    /// octets go with it unless they are too many.
    pub(super) fn post(&mut self, letter: &DeadLetter<'_>) -> Posted {
        match self.try_post(letter, letter.octets) {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)) => {
                told(self.try_post(letter, &[]))
            }
            result => told(result),
        }
    }

    fn try_post(&mut self, letter: &DeadLetter<'_>, octets: &[u8]) -> Result<(), KafkaError> {
        let producer = match &self.producer {
            Some(producer) => producer,
            None => {
                self.make_topic()?;
                let producer = self.client.create_with_context(Deliveries::default())?;
                self.producer.insert(producer)
            }
        };
        let (partition, offset) = (letter.partition.to_string(), letter.offset.to_string());
        let header =
            |headers: OwnedHeaders, key, value: &str| headers.insert(Header { key, value: Some(value) });
        let headers = header(OwnedHeaders::new(), "reason", letter.reason);
        let headers = header(headers, "topic", letter.topic);
        let headers = header(headers, "partition", &partition);
        let headers = header(headers, "offset", &offset);
        let record = BaseRecord::<(), [u8]>::to(&self.topic).payload(octets).headers(headers);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.flush(PATIENCE)?;
        let mut deliveries = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
        match deliveries.drain(..).next_back() {
            Some(None) => Ok(()),
            Some(Some(error)) => Err(error),
            None => Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)),
        }
    }

    /// One partition is enough for what should not be; copies as the cluster makes them by default.
    fn make_topic(&self) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = self.client.create()?;
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(-1));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        for made in runtime.block_on(admin.create_topics([&topic], &options))? {
            if let Err((_, error)) = made
                && error != RDKafkaErrorCode::TopicAlreadyExists
            {
                tracing::warn!(topic = self.topic, %error, "cannot make the topic for dead letters");
            }
        }
        Ok(())
    }
}

/// A broker that is away comes back; one that says no means it.
fn told(result: Result<(), KafkaError>) -> Posted {
    use RDKafkaErrorCode::{
        InvalidMessage, InvalidTopic, MessageSizeTooLarge, PolicyViolation, TopicAuthorizationFailed,
    };
    match result {
        Ok(()) => Posted::Kept,
        Err(error) => match error.rdkafka_error_code() {
            Some(
                TopicAuthorizationFailed
                | InvalidTopic
                | PolicyViolation
                | InvalidMessage
                | MessageSizeTooLarge,
            ) => Posted::Refused(error.to_string()),
            _ => Posted::Later(error.to_string()),
        },
    }
}
