//! What an address listened on and who did, for a person and for a program.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use watershed_model::{AgentId, KnownListener, Listener, Protocol, Timestamp};

use super::table::{Table, text};
use super::text::seconds;
use crate::terminal::Style;

/// The widest line, as that of the summary.
const WIDTH: usize = 100;

/// What is shown of a process that the agent could not see.
const UNKNOWN: &str = "-";

/// One host's port on one address.
type Port<'a> = (IpAddr, Protocol, u16, &'a AgentId);

/// Who listened on the wanted addresses, by port and time; at `at` where that is asked for. What was the same before and
/// after a restart of the agent is one.
pub(crate) fn of(
    wanted: impl Fn(IpAddr) -> bool,
    at: Option<Timestamp>,
    known: &[KnownListener],
) -> Vec<KnownListener> {
    let mut ports: BTreeMap<Port<'_>, Vec<&Listener>> = BTreeMap::new();
    for KnownListener { listener, agent } in known.iter().filter(|known| wanted(known.listener.address)) {
        ports.entry((listener.address, listener.protocol, listener.port, agent)).or_default().push(listener);
    }
    let mut told = Vec::new();
    for ((.., agent), mut listeners) in ports {
        listeners.sort_unstable_by_key(|listener| (listener.first_seen, listener.last_seen));
        let mut joined: Vec<Listener> = Vec::new();
        for listener in &listeners {
            match joined
                .last_mut()
                .filter(|last| (last.user, &last.owner) == (listener.user, &listener.owner))
            {
                Some(last) => last.last_seen = last.last_seen.max(listener.last_seen),
                None => joined.push((*listener).clone()),
            }
        }
        let then = |listener: &Listener| at.is_none_or(|at| listened(listener, &listeners, at));
        let joined = joined.into_iter().filter(then);
        told.extend(joined.map(|listener| KnownListener { listener, agent: agent.clone() }));
    }
    told
}

/// Whether it listened at a time: it was seen before and after, or may have gone on since nobody else was seen there.
fn listened(listener: &Listener, port: &[&Listener], at: Timestamp) -> bool {
    let came_later = |other: &&Listener| other.first_seen > listener.last_seen && other.first_seen <= at;
    listener.first_seen <= at
        && (at <= listener.last_seen || (at <= listener.until() && !port.iter().any(came_later)))
}

/// Writes a table of them.
pub(crate) fn write(listeners: &[KnownListener], out: &mut impl Write, style: Style) -> io::Result<()> {
    if listeners.is_empty() {
        return Ok(());
    }
    let columns = [
        text("port", 9),
        text("process", 16),
        text("unit", 40),
        text("user", 10),
        text("agent", 30),
        text("first", 19),
        text("last", 19),
    ];
    let mut table = Table::new(&columns);
    for KnownListener { listener, agent } in listeners {
        let owner = listener.owner.as_ref();
        let unit = owner.and_then(|owner| owner.unit.as_deref());
        table.row([
            format!("{}/{}", listener.protocol, listener.port),
            owner.map_or(UNKNOWN, |owner| &owner.process).to_owned(),
            unit.unwrap_or(UNKNOWN).to_owned(),
            listener.user.to_string(),
            agent.to_string(),
            seconds(listener.first_seen),
            seconds(listener.last_seen),
        ]);
    }
    writeln!(out, "\nListens, as its agent sees")?;
    table.write(out, "  ", WIDTH, |header| style.dim(header))?;
    let unknown = listeners.iter().filter(|known| known.listener.owner.is_none()).count();
    if unknown > 0 {
        let all = listeners.len();
        writeln!(out, "  {unknown} of {all} by a process that the agent may not see (capture.owners)")?;
    }
    Ok(())
}

/// What is written as JSON.
#[derive(Serialize)]
pub(crate) struct Mirror<'a> {
    address: IpAddr,
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    user: u32,
    agent: &'a str,
    first_seen: String,
    last_seen: String,
}

impl<'a> Mirror<'a> {
    pub(crate) fn of(known: &'a KnownListener) -> Self {
        let KnownListener { listener, agent } = known;
        let owner = listener.owner.as_ref();
        Self {
            address: listener.address,
            service: format!("{}/{}", listener.protocol, listener.port),
            process: owner.map(|owner| &*owner.process),
            unit: owner.and_then(|owner| owner.unit.as_deref()),
            user: listener.user,
            agent: &agent.0,
            first_seen: listener.first_seen.to_string(),
            last_seen: listener.last_seen.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use watershed_model::Owner;

    use super::*;

    fn known(process: &str, from: i64, to: i64, agent: &str) -> KnownListener {
        let owner = (!process.is_empty())
            .then(|| Owner { process: process.into(), unit: Some("web.service".into()) });
        let listener = Listener {
            address: "10.0.0.1".parse().unwrap(),
            protocol: Protocol::TCP,
            port: 80,
            first_seen: Timestamp::from_parts(from, 0),
            last_seen: Timestamp::from_parts(to, 0),
            user: 33,
            owner,
        };
        KnownListener { listener, agent: agent.into() }
    }

    fn told(known: &[KnownListener], at: Option<i64>) -> Vec<String> {
        let at = at.map(|second| Timestamp::from_parts(second, 0));
        let wanted: IpAddr = "10.0.0.1".parse().unwrap();
        let told = of(|address| address == wanted, at, known).into_iter();
        told.map(|it| it.listener.owner.map_or(String::new(), |owner| owner.process.to_string())).collect()
    }

    #[test]
    fn a_port_is_whose_it_was_then() {
        // `a` gave way to `b`, beside which `c` came; another host has the same address.
        let all = [
            known("a", 10, 1_000, "x"),
            known("b", 1_005, 3_000, "x"),
            known("c", 2_000, 3_000, "x"),
            known("d", 0, 9_000, "y"),
        ];
        let [none, a, bc] = [vec!["d"], vec!["a", "d"], vec!["b", "c", "d"]];
        assert_eq!(told(&all, Some(9)), none);
        assert_eq!(told(&all, Some(10)), a);
        assert_eq!(told(&all, Some(1_004)), a, "it may have gone on");
        assert_eq!(told(&all, Some(1_005)), ["b", "d"], "from when the newer one was seen");
        assert_eq!(told(&all, Some(3_100)), bc, "both are told of every few minutes");
        assert_eq!(told(&all, Some(4_000)), none);
        assert_eq!(told(&all, None), ["a", "b", "c", "d"]);
        let other = KnownListener { agent: "z".into(), ..known("e", 0, 9_000, "z") };
        let elsewhere = Listener { address: "10.0.0.2".parse().unwrap(), ..other.listener.clone() };
        assert_eq!(told(&[KnownListener { listener: elsewhere, ..other }], None), [""; 0]);
    }

    #[test]
    fn what_a_restart_of_the_agent_cut_is_one() {
        let all = [known("a", 10, 1_000, "x"), known("a", 5_000, 6_000, "x"), known("", 6_005, 7_000, "x")];
        assert_eq!(told(&all, None), ["a", ""]);
        let mut out = Vec::new();
        write(&of(|_| true, None, &all), &mut out, Style::PLAIN).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains(
                "tcp/80  a        web.service  33    x      1970-01-01 00:00:10  1970-01-01 01:40:00"
            ),
            "{text}"
        );
        assert!(text.contains("1 of 2 by a process that the agent may not see"), "{text}");
    }
}
