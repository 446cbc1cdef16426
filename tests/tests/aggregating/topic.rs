//! A topic of a test's own: written as agents do, and looked at as the group has it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use watershed_model::{Batch, wire};
use watershed_tests::binary;

use crate::place::Place;

/// How long to wait for what has to come: brokers of a busy machine take their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the group is asked where it is, and how many times at most.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_TIMES: u32 = 600;

/// A topic, and the group of the same name that reads it.
pub(crate) struct Topic {
    brokers: String,
    pub(crate) name: String,
    partitions: i32,
    producer: BaseProducer,
}

impl Topic {
    /// Makes one that no other run of the tests has.
    pub(crate) fn new(brokers: &str, test: &str, partitions: i32) -> Self {
        use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
        use rdkafka::client::DefaultClientContext;
        // One test may run on several stores at a time.
        static TOPICS: AtomicU32 = AtomicU32::new(0);
        let number = TOPICS.fetch_add(1, Ordering::Relaxed);
        let name = format!("aggregating.{test}.{}.{number}", std::process::id());
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", brokers);
        let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        made.into_iter().for_each(|made| drop(made.unwrap()));
        let producer = client.set("enable.idempotence", "true").set("linger.ms", "0").create().unwrap();
        Self { brokers: brokers.to_owned(), name, partitions, producer }
    }

    /// Ships batches and waits until Kafka has them.
    pub(crate) fn ship<'a>(&self, batches: impl IntoIterator<Item = &'a Batch>) {
        for batch in batches {
            self.write(&batch.agent.0, &wire::encode(batch));
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Writes a message.
    pub(crate) fn write(&self, key: &str, octets: &[u8]) {
        self.producer.send(BaseRecord::to(&self.name).key(key).payload(octets)).map_err(|(e, _)| e).unwrap();
    }

    /// How many partitions have a range that was planned and not acknowledged.
    pub(crate) fn planned(&self) -> usize {
        let group = self.consumer(&self.name);
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.name, 0, self.partitions - 1);
        // Nobody answers for a group while its coordinator comes up.
        let committed = (0..ASK_TIMES).find_map(|_| {
            let committed = group.committed_offsets(asked.clone(), PATIENCE);
            committed.inspect_err(|_| std::thread::sleep(ASK_EVERY)).ok()
        });
        let committed = committed.expect("what the group has committed");
        committed.elements().iter().filter(|element| !element.metadata().is_empty()).count()
    }

    /// The dead letters of this topic, once there are so many.
    pub(crate) fn dead_letters(&self, count: usize) -> Vec<DeadLetter> {
        let name = dead_letters(&self.name);
        let consumer = self.consumer("nobody");
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&name, 0, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        let read = || {
            let message = consumer.poll(PATIENCE).expect("a dead letter").unwrap();
            let headers = message.headers().unwrap().iter();
            let text =
                |octets: Option<&[u8]>| String::from_utf8(octets.unwrap_or_default().to_vec()).unwrap();
            let headers = headers.map(|header| (header.key.to_owned(), text(header.value)));
            (message.payload().unwrap_or_default().to_vec(), headers.collect())
        };
        (0..count).map(|_| read()).collect()
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set("group.id", group);
        client.set("enable.auto.commit", "false").create().unwrap()
    }

    /// How to aggregate what is in it, in small deliveries.
    pub(crate) fn aggregate(&self, instance: &str, store: &Place) -> std::process::Command {
        self.aggregate_by(60, instance, store)
    }

    /// How to aggregate what is in it, in deliveries of so many records.
    pub(crate) fn aggregate_by(&self, records: u64, instance: &str, store: &Place) -> std::process::Command {
        let mut command = std::process::Command::new(binary::watershed().unwrap());
        command.args(["aggregate", "--kafka", &self.brokers, "--store", &store.to_string()]);
        for setting in [
            format!("kafka.topic={}", self.name),
            format!("aggregate.group={}", self.name),
            format!("aggregate.instance={instance}"),
            format!("aggregate.dead_letters={}", dead_letters(&self.name)),
            format!("aggregate.max_records={records}"),
            "aggregate.max_wait=20ms".to_owned(),
            // Processes of several tests at a time would want the same address.
            "metrics.listen=none".to_owned(),
        ] {
            command.args(["--set", &setting]);
        }
        command
    }
}

fn dead_letters(topic: &str) -> String {
    format!("{topic}.dead")
}

/// Octets and headers of a dead letter, in order.
type DeadLetter = (Vec<u8>, Vec<(String, String)>);
