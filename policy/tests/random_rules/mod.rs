//! Random rule sets of nftables, and connections to hold against them.

use std::fmt::Write as _;

use watershed_model::Protocol;
use watershed_policy::{Service, Tuple};

pub(crate) struct Random(pub(crate) fastrand::Rng);

/// Addresses, networks and ranges that do not overlap, of which sets are made.
const V4: [&str; 6] =
    ["10.0.0.1", "10.0.0.2", "10.0.0.4/30", "10.0.0.9-10.0.0.12", "10.1.0.0/16", "192.0.2.7"];
const V6: [&str; 6] = [
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8::4/126",
    "2001:db8::9-2001:db8::c",
    "2001:db8:1::/48",
    "fd00::7",
];

const PORTS: [&str; 6] = ["22", "53", "80-90", "443", "8080", "60000-65535"];

impl Random {
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())]
    }

    /// Some of `of`, at least one, each once.
    fn some<'a>(&mut self, of: &[&'a str]) -> Vec<&'a str> {
        let mut chosen = of.to_vec();
        self.0.shuffle(&mut chosen);
        chosen.truncate(self.0.usize(1..4));
        chosen
    }

    /// Tables with sets, chains that are jumped to, and base chains at distinct priorities.
    pub(crate) fn ruleset(&mut self) -> String {
        let mut text = String::new();
        let mut priorities = vec![-20, -10, 0, 10, 20];
        self.0.shuffle(&mut priorities);
        for table in ["one", "two"].iter().take(self.0.usize(1..3)) {
            writeln!(text, "table inet {table} {{").expect("text");
            for (name, kind, of) in [("four", "ipv4_addr", &V4), ("six", "ipv6_addr", &V6)] {
                let elements = self.some(of).join(", ");
                writeln!(
                    text,
                    "\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\telements = {{ {elements} }}\n\t}}"
                )
                .expect("text");
            }
            let mut chains: Vec<&str> = Vec::new();
            for chain in ["a", "b"] {
                writeln!(text, "\tchain {chain} {{\n{}\t}}", self.rules(&chains)).expect("text");
                chains.push(chain);
            }
            for base in ["x", "y"].iter().take(self.0.usize(1..3)) {
                let hook = if self.0.usize(..6) == 0 { "input" } else { "forward" };
                let policy = self.one(&["accept", "accept", "drop"]);
                let priority = priorities.pop().expect("enough priorities");
                writeln!(
                    text,
                    "\tchain {base} {{\n\t\ttype filter hook {hook} priority {priority}; policy {policy};\n{}\t}}",
                    self.rules(&chains)
                )
                .expect("text");
            }
            text.push_str("}\n");
        }
        text
    }

    fn rules(&mut self, chains: &[&str]) -> String {
        (0..self.0.usize(..6)).map(|_| format!("\t\t{}\n", self.rule(chains))).collect()
    }

    fn rule(&mut self, chains: &[&str]) -> String {
        let mut parts: Vec<String> = Vec::new();
        // Matches of both IP versions in one rule are refused by nft.
        let family = self.one(&[None, Some(("ip", "four", &V4)), Some(("ip6", "six", &V6))]);
        if let Some((keyword, set, of)) = family {
            for side in ["saddr", "daddr"] {
                match self.0.usize(..4) {
                    0 => parts.push(format!("{keyword} {side} @{set}")),
                    1 => parts.push(format!("{keyword} {side} {{ {} }}", self.some(of).join(", "))),
                    2 => parts.push(format!("{keyword} {side} {}", self.one(of))),
                    _ => {}
                }
            }
        }
        match self.0.usize(..9) {
            0..=2 => {
                let protocol = self.one(&["tcp", "udp", "sctp", "th"]);
                let ports = match self.0.bool() {
                    true => self.one(&PORTS).to_owned(),
                    false => format!("{{ {} }}", self.some(&PORTS).join(", ")),
                };
                parts.push(format!("{protocol} dport {ports}"));
            }
            3 => {
                let protocols = self.one(&["6", "17", "{ 6, 17 }", "{ 1, 58, 132 }", "47"]);
                parts.push(format!("meta l4proto {protocols}"));
            }
            4 if family.is_none_or(|(keyword, ..)| keyword == "ip") => {
                parts.push(format!("icmp type {}", self.one(&["8", "13-17", "{ 8, 13 }"])));
            }
            5 if family.is_none_or(|(keyword, ..)| keyword == "ip6") => {
                parts.push(format!("icmpv6 type {}", self.one(&["128", "128-129"])));
            }
            6 => {
                let states = self.one(&["new", "established,related", "established,new", "related"]);
                parts.push(format!("ct state {states}"));
            }
            7 => parts.push("iifname \"lo\"".into()),
            _ => {}
        }
        if self.0.bool() {
            parts.push("counter".into());
        }
        let mut verdicts = vec!["accept".to_owned(), "accept".into(), "drop".into(), "return".into()];
        verdicts.extend(chains.iter().map(|chain| format!("jump {chain}")));
        let chosen = self.0.usize(..=verdicts.len());
        // A rule without a verdict must say something.
        match verdicts.get(chosen) {
            Some(verdict) => parts.push(verdict.clone()),
            None => parts.push("counter comment \"seen\"".into()),
        }
        parts.dedup_by(|later, earlier| earlier == "counter" && later.starts_with("counter"));
        parts.join(" ")
    }

    /// Connections that the kernel takes for new ones: none is an answer to another.
    pub(crate) fn tuples(&mut self, count: usize) -> Vec<Tuple> {
        let mut tuples = Vec::new();
        while tuples.len() < count {
            let mut tuple = self.tuple();
            // What has no ports is one connection between two addresses: never in both directions.
            if matches!(tuple.service, Service::Protocol(_)) && tuple.client > tuple.server {
                std::mem::swap(&mut tuple.client, &mut tuple.server);
            }
            if tuple.client != tuple.server {
                tuples.push(tuple);
            }
        }
        tuples
    }

    fn tuple(&mut self) -> Tuple {
        let four =
            ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.0.12"];
        let four =
            [four.as_slice(), &["10.0.0.13", "10.1.0.1", "10.1.255.254", "10.2.0.1", "192.0.2.7"]].concat();
        let six = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::7", "2001:db8::8"];
        let six =
            [six.as_slice(), &["2001:db8::9", "2001:db8::c", "2001:db8::d", "2001:db8:1::1", "fd00::7"]]
                .concat();
        let is_four = self.0.bool();
        let of = if is_four { &four } else { &six };
        let (client, server) = (self.one(of), self.one(of));
        let port = self.one(&[21, 22, 23, 53, 79, 80, 85, 90, 91, 443, 8080, 59_999, 60_000, 65_535]);
        let service = match self.0.usize(..9) {
            0..=2 => Service::Port { protocol: Protocol::TCP, port },
            3 | 4 => Service::Port { protocol: Protocol::UDP, port },
            5 => Service::Port { protocol: Protocol::SCTP, port },
            6 | 7 if is_four => {
                Service::Icmp { protocol: Protocol::ICMP, message_type: self.one(&[8, 8, 13, 17]) }
            }
            6 | 7 => Service::Icmp { protocol: Protocol::ICMPV6, message_type: 128 },
            _ => Service::Protocol(self.one(&[Protocol(47), Protocol(50), Protocol(253)])),
        };
        let address = |text: &str| text.parse().expect("an address");
        Tuple { client: address(client), server: address(server), service }
    }
}
