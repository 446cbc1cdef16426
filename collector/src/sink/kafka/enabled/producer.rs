//! The connection to Kafka: idempotent, in order, and told of every delivery.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};

use super::super::KafkaConfig;
use super::contact::Contact;

/// How long to wait before asking again for the topic, while the brokers are away or refuse it.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long brokers may take to make the topic.
const MAKING_TAKES: Duration = Duration::from_secs(10);

/// What became of a message.
pub(super) struct Delivery {
    pub(super) ticket: u64,
    pub(super) result: Result<(), KafkaError>,
}

/// Sends messages. Those that are still on their way when it is dropped may or may not arrive.
pub(super) struct Producer {
    inner: BaseProducer<Deliveries>,
    deliveries: mpsc::Receiver<Delivery>,
    topic: String,
    /// Whether the topic is known to be there.
    ready: Arc<AtomicBool>,
    /// Gone with the producer, which ends the thread that makes the topic.
    _alive: mpsc::Sender<()>,
}

impl Producer {
    /// Connects in the background; after a failure not at once.
    pub(super) fn open(config: &KafkaConfig, contact: &Contact, failed: bool) -> KafkaResult<Self> {
        let (sender, deliveries) = mpsc::channel();
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &config.brokers).set("client.id", "watershed");
        client.extend(config.connection.iter().cloned());
        // Brokers that are back are noticed soon; a thousand agents that look every 2 s are no burden.
        client.set("reconnect.backoff.max.ms", "2000");
        let quiet = Quiet(contact.clone());
        let admin: AdminClient<Quiet> = client.create_with_context(quiet.clone())?;
        client
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            // The spool decides how long a batch waits, not the client.
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5")
            .set_log_level(RDKafkaLogLevel::Emerg);
        let inner = client.create_with_context(Deliveries { sender, quiet })?;
        let (alive, ended) = mpsc::channel();
        let ready = Arc::new(AtomicBool::new(false));
        let (told, wanted, contact) = (Arc::clone(&ready), config.clone(), contact.clone());
        let mut failed = failed;
        thread::spawn(move || {
            while failed || !make_topic(&admin, &wanted) {
                failed = false;
                if ended.recv_timeout(ASK_AGAIN) == Err(mpsc::RecvTimeoutError::Disconnected) {
                    return;
                }
            }
            contact.made();
            told.store(true, Ordering::Release);
        });
        Ok(Self { inner, deliveries, topic: config.topic.clone(), ready, _alive: alive })
    }

    /// Whether messages can be sent: the topic is there.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Sends a message, whose [`Delivery`] will have this ticket.
    pub(super) fn send(&self, ticket: u64, key: &str, payload: &[u8]) -> KafkaResult<()> {
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(ticket)).key(key).payload(payload);
        self.inner.send(record).map_err(|(error, _)| error)
    }

    /// Waits so long for deliveries, unless some are at hand.
    pub(super) fn poll(&self, wait: Duration) -> Vec<Delivery> {
        self.inner.poll(wait);
        self.deliveries.try_iter().collect()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Otherwise the client would wait for what the spool still has.
        self.inner.purge(PurgeConfig::default().queue().inflight());
    }
}

/// Makes the topic unless it is there. Where the brokers do not let this client make topics, it has to be.
fn make_topic(admin: &AdminClient<Quiet>, config: &KafkaConfig) -> bool {
    let replication = TopicReplication::Fixed(config.replication.into());
    let topic = NewTopic::new(&config.topic, config.partitions.into(), replication);
    let options = AdminOptions::new().operation_timeout(Some(MAKING_TAKES));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return false };
    let made = runtime.block_on(admin.create_topics([&topic], &options));
    let code = made.map(|results| results.into_iter().next().and_then(Result::err).map(|(_, code)| code));
    match code {
        Ok(None | Some(RDKafkaErrorCode::TopicAlreadyExists)) => true,
        Ok(Some(
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed,
        )) => {
            tracing::info!(topic = config.topic, "not allowed to make the topic: it has to be there");
            true
        }
        Ok(Some(code)) => {
            tracing::warn!(topic = config.topic, %code, "cannot make the topic; trying again");
            false
        }
        Err(error) => {
            tracing::debug!(brokers = config.brokers, %error, "no broker answers; trying again");
            false
        }
    }
}

/// Tells what was delivered.
struct Deliveries {
    sender: mpsc::Sender<Delivery>,
    quiet: Quiet,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.quiet.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<u64>) {
        if result.is_ok() {
            self.quiet.0.made();
        }
        let result = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // A producer that is being dropped does not ask any more.
        let _ = self.sender.send(Delivery { ticket: *ticket, result });
    }
}

/// Says little: brokers that are away are no news each time they are looked for. Who asks is told why.
#[derive(Clone)]
struct Quiet(Contact);

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.failed(&error, reason);
        tracing::debug!(%error, reason, "kafka client");
    }
}
