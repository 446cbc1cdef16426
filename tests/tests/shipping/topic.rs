//! A topic of a test's own, and what is in it.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use watershed_model::{Batch, wire};

/// How long to wait for a message that has to come: brokers of a busy machine take their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for one that must not come.
const SURPRISE: Duration = Duration::from_millis(500);

/// A topic.
pub(crate) struct Topic {
    brokers: String,
    name: String,
}

/// A message as it is in Kafka.
pub(crate) struct Sent {
    pub(crate) key: String,
    pub(crate) partition: i32,
    pub(crate) payload: Vec<u8>,
}

impl Topic {
    /// Names one that no other run of the tests has; the agent makes it.
    pub(crate) fn new(brokers: &str, test: &str) -> Self {
        let name = format!("shipping.{test}.{}", std::process::id());
        Self { brokers: brokers.to_owned(), name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// So many batches, and no more.
    pub(crate) fn batches(&self, count: usize) -> Vec<Batch> {
        self.messages(count).iter().map(|message| wire::decode(&message.payload).unwrap()).collect()
    }

    /// So many messages, and no more; in order within each partition.
    pub(crate) fn messages(&self, count: usize) -> Vec<Sent> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "nobody")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(&self.name), PATIENCE).unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            assignment.add_partition_offset(&self.name, partition.id(), Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut messages = Vec::new();
        while let Some(message) = consumer.poll(if messages.len() < count { PATIENCE } else { SURPRISE }) {
            let message = message.unwrap();
            messages.push(Sent {
                key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
                partition: message.partition(),
                payload: message.payload().unwrap().to_vec(),
            });
        }
        assert_eq!(messages.len(), count, "messages in {}", self.name);
        messages
    }
}
