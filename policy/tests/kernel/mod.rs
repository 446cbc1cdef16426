//! The kernel asked what it does with the first packets of connections.

mod packet;
mod question;

use serde_json::{Value, json};
use watershed_policy::Tuple;

/// For each rule set with its connections: which of them pass the kernel.
pub(crate) fn ask(cases: &[(String, Vec<Tuple>)]) -> Vec<Vec<bool>> {
    let question = |(rules, tuples): &(String, Vec<Tuple>)| -> Value {
        let packets = tuples.iter().enumerate().map(|(at, tuple)| packet::first(tuple, at as u16));
        let hex = packets.map(|packet| packet.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        json!({"rules": rules, "packets": hex.collect::<Vec<_>>()})
    };
    let lines: String = cases.iter().map(|case| format!("{}\n", question(case))).collect();
    let text = question::answer("ask-kernel.py", lines);
    let answers: Vec<Vec<bool>> =
        text.lines().map(|line| line.bytes().map(|digit| digit == b'1').collect()).collect();
    assert_eq!(answers.len(), cases.len(), "an answer for each rule set");
    answers
}
