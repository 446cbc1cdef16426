//! The command line of `watershed collect`.

use clap::{Args, ValueHint};

use super::{CaptureArguments, SETTINGS};
use crate::settings::Given;

pub(super) const EXAMPLES: &str = "\
Examples:
  watershed collect --interface eth0 --kafka kafka1:9092,kafka2:9092
  watershed collect --interface any --kafka kafka:9093 --set kafka.security=tls --spool /data/spool
  watershed collect --interface any --kafka kafka:9092 --summary service
      For big networks: the same edges of far fewer records
  watershed collect monday.pcap --kafka localhost:9092 --agent node7
      Ship what a capture holds, and end when Kafka has it

Every batch goes to the spool first and from there to Kafka, so that none is lost while Kafka is
away or this is restarted. When the spool is full, what comes is dropped and counted (captures wait
instead); the count is shipped with the next batch that is kept. It ends with --for, Ctrl-C or
SIGTERM; what Kafka has not taken within 10 s then stays in the spool for the next start.

Of an interface, connections that go on are reported every minute (setting flow.active_report).

How to reach Kafka (TLS, SASL, the topic) is in the settings kafka.*: `watershed config print`.";

#[derive(Debug, Args)]
pub(crate) struct CollectArguments {
    #[command(flatten)]
    pub(crate) capture: CaptureArguments,

    /// Where Kafka is: host:port, several separated by commas [setting: kafka.brokers]
    #[arg(long, value_name = "BROKERS", help_heading = SETTINGS)]
    pub(crate) kafka: Option<String>,

    /// Where to keep what Kafka does not have yet; made if missing [setting: spool.directory]
    #[arg(long, value_name = "DIR", help_heading = SETTINGS, value_hint = ValueHint::DirPath)]
    pub(crate) spool: Option<String>,

    /// One record for many connections: service, for each client and service a minute [setting: collect.summary]
    #[arg(long, value_name = "WHAT", help_heading = SETTINGS)]
    pub(crate) summary: Option<String>,

    /// The name to ship under, instead of the host's [setting: agent]
    #[arg(long, value_name = "NAME", help_heading = SETTINGS)]
    pub(crate) agent: Option<String>,
}

impl CollectArguments {
    /// The settings among them.
    pub(super) fn given(&self) -> Vec<Given> {
        let flags = [
            ("kafka.brokers", "--kafka", &self.kafka),
            ("spool.directory", "--spool", &self.spool),
            ("collect.summary", "--summary", &self.summary),
            ("agent", "--agent", &self.agent),
        ];
        let given = |(key, flag, text): (&str, &str, &Option<String>)| {
            text.clone().map(|text| Given { key: key.into(), text, flag: flag.into() })
        };
        flags.into_iter().filter_map(given).collect()
    }
}
