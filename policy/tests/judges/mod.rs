//! Judges: programs in Go that say what other projects' own code makes of policies.

mod ask;

pub(crate) use ask::ask;
use serde_json::{Value, json};

/// Whether each of `ends` may use each service of each: `TCP` and a port, `ICMP` and a type.
pub(crate) fn question(policies: &[String], ends: &[Value], services: &[(&str, u16)]) -> Value {
    let service = |(protocol, port): &(&str, u16)| json!({"protocol": protocol, "port": port});
    let services: Vec<Value> = services.iter().map(service).collect();
    json!({"policies": policies, "ends": ends, "services": services})
}
