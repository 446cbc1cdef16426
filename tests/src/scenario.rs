//! Scenario files: hosts, what they say to each other, and what must be found. `scenarios/README.md` is
//! the manual; this reads them and makes the traffic.

mod conversation;

mod expect;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;
use watershed_model::Timestamp;

pub use conversation::{Close, Conversation, Kind, OneOrMany, Tunnel};
pub use expect::{Expect, Text, differences};

use crate::synth::Packet;

/// A scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What is tested, in one sentence.
    pub about: String,
    /// Who takes part.
    pub hosts: Vec<Host>,
    /// What they say, in this order unless `start` says otherwise.
    pub conversations: Vec<Conversation>,
    /// Entries of the inventory file, as they stand in it; none: no inventory.
    #[serde(default)]
    pub inventory: Vec<Value>,
    /// What must be found, and nothing else.
    #[serde(default)]
    pub expect: Expect,
}

/// Someone with an address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What this file calls it.
    pub name: String,
    /// Its address, of either family.
    pub address: IpAddr,
}

/// When a scenario begins: 2026-01-01T00:00:00Z, seconds since the Unix epoch.
const START_SECONDS: i64 = 1_767_225_600;

/// The first ephemeral port that is given to clients; each conversation takes the next.
const FIRST_CLIENT_PORT: u16 = 40_000;

impl Scenario {
    /// Reads a scenario file's text; the error names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// All frames of the scenario, in order of time.
    pub fn frames(&self) -> Result<Vec<Packet>, String> {
        let hosts = self.addresses();
        let mut frames = Vec::new();
        let mut client_port = FIRST_CLIENT_PORT;
        for (index, conversation) in self.conversations.iter().enumerate() {
            // One second apart, so that the order of the file is the order of time.
            let start = Timestamp::from_parts(START_SECONDS + index as i64, 0);
            let made = conversation.frames(&hosts, start, &mut client_port);
            frames.extend(made.map_err(|error| format!("conversation {}: {error}", index + 1))?);
        }
        frames.sort_by_key(|frame| frame.time);
        Ok(frames)
    }

    /// The inventory file's text, in YAML; `None` without an inventory.
    #[must_use]
    pub fn inventory_yaml(&self) -> Option<String> {
        // JSON is YAML.
        (!self.inventory.is_empty()).then(|| Value::Array(self.inventory.clone()).to_string())
    }

    /// `expected` with names of hosts replaced by what the output calls them: the address, or the name
    /// where the inventory has it and `named` is set.
    #[must_use]
    pub fn resolve(&self, expected: &[Value], named: bool) -> Vec<Value> {
        let known: Vec<&Value> = self.inventory.iter().filter_map(|entry| entry.get("name")).collect();
        let stays = |name: &str| named && known.iter().any(|entry| *entry == name);
        let hosts = self.addresses();
        let replace = |name: &str| hosts.get(name).filter(|_| !stays(name)).map(ToString::to_string);
        expected.iter().map(|value| replaced(value, &replace)).collect()
    }

    fn addresses(&self) -> BTreeMap<&str, IpAddr> {
        self.hosts.iter().map(|host| (host.name.as_str(), host.address)).collect()
    }
}

fn replaced(value: &Value, replace: &impl Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(replace(text).unwrap_or_else(|| text.clone())),
        Value::Array(items) => items.iter().map(|item| replaced(item, replace)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), replaced(field, replace))).collect()
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        about = "a test"
        hosts = [{ name = "a", address = "10.0.0.1" }, { name = "b", address = "10.0.0.2" }]
        inventory = [{ address = "10.0.0.2", name = "b" }]
        [[conversations]]
        client = "a"
        server = "b"
        kind = "refused"
        port = [22, 23]
        [[expect.edges]]
        client = "a"
        server = "b"
    "#;

    #[test]
    fn a_list_of_ports_is_a_conversation_each() {
        assert_eq!(Scenario::parse(TEXT).unwrap().frames().unwrap().len(), 4);
    }

    #[test]
    fn names_resolve_to_what_the_output_calls_them() {
        let scenario = Scenario::parse(TEXT).unwrap();
        let expected = scenario.expect.edges.clone();
        let address = serde_json::json!([{ "client": "10.0.0.1", "server": "10.0.0.2" }]);
        let named = serde_json::json!([{ "client": "10.0.0.1", "server": "b" }]);
        assert_eq!(Value::Array(scenario.resolve(&expected, false)), address);
        assert_eq!(Value::Array(scenario.resolve(&expected, true)), named);
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_names_it() {
        let error = Scenario::parse(&TEXT.replace("kind", "knid")).unwrap_err();
        assert!(error.contains("knid"), "{error}");
    }

    #[test]
    fn an_unknown_host_is_an_error_that_names_it() {
        let scenario = Scenario::parse(&TEXT.replace("client = \"a\"", "client = \"c\"")).unwrap();
        let error = scenario.frames().unwrap_err();
        assert!(error.contains("conversation 1") && error.contains("\"c\""), "{error}");
    }
}
