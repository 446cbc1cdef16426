//! What a scenario expects, and how it differs from what came out.

use serde::Deserialize;
use serde_json::Value;

/// What must be found. Each entry states the fields that matter; lists are complete.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Lines of `edges --format json`; a list of ports is an edge each.
    pub edges: Vec<Value>,
    /// The `rules` of `rules.json`.
    pub rules: Vec<Value>,
    /// The `held_back` of `rules.json`.
    pub held_back: Vec<Value>,
    /// The `scans` of `graph.json`.
    pub scans: Vec<Value>,
    /// Lines of `flows --format json`; not compared unless stated.
    pub flows: Option<Vec<Value>>,
    /// What files of `--out` say.
    pub text: Vec<Text>,
}

impl Expect {
    /// The edges, one for each port.
    #[must_use]
    pub fn edges(&self) -> Vec<Value> {
        self.edges.iter().flat_map(each_port).collect()
    }
}

fn each_port(edge: &Value) -> Vec<Value> {
    let Some(Value::Array(ports)) = edge.get("port") else { return vec![edge.clone()] };
    let on = |port: &Value| {
        let mut edge = edge.clone();
        edge["port"] = port.clone();
        edge
    };
    ports.iter().map(on).collect()
}

/// What a file must say, and must not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The file's name.
    pub file: String,
    /// Words in it.
    #[serde(default)]
    pub contains: Vec<String>,
    /// Words not in it.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// What is expected and missing, or there and not expected, a line each; empty when all is as it should be.
///
/// An expected entry matches when each field it states matches; each entry of the output is matched once.
#[must_use]
pub fn differences(what: &str, expected: &[Value], actual: &[Value]) -> Vec<String> {
    let mut unmatched: Vec<&Value> = actual.iter().collect();
    let mut differences = Vec::new();
    for entry in expected {
        match unmatched.iter().position(|candidate| matches(entry, candidate)) {
            Some(index) => {
                unmatched.remove(index);
            }
            None => differences.push(format!("{what}: missing {entry}")),
        }
    }
    differences.extend(unmatched.iter().map(|entry| format!("{what}: not expected {entry}")));
    differences
}

/// Objects match by the fields stated, lists item by item, everything else when equal.
fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(name, field)| actual.get(name).is_some_and(|candidate| matches(field, candidate))),
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| matches(e, a))
        }
        _ => expected == actual,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_of_ports_is_an_edge_each() {
        let edges = vec![json!({"port": [1, 2], "a": 0}), json!({"port": 3})];
        let expect = Expect { edges, ..Expect::default() };
        assert_eq!(
            expect.edges(),
            [json!({"port": 1, "a": 0}), json!({"port": 2, "a": 0}), json!({"port": 3})]
        );
    }

    #[test]
    fn entries_match_by_the_fields_they_state_and_each_once() {
        let actual = [json!({"a": 1, "b": [1]}), json!({"a": 1, "b": [2]})];
        assert!(differences("x", &[json!({"a": 1}), json!({"a": 1})], &actual).is_empty());
        let found = differences("x", &[json!({"b": [2]}), json!({"a": 2})], &actual);
        assert_eq!(found, [r#"x: missing {"a":2}"#, r#"x: not expected {"a":1,"b":[1]}"#]);
    }
}
