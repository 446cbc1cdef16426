//! The head: what was read, how much of it was understood, what was lost.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;
use watershed_graph::Verdict;
use watershed_model::{Counters, Loss, SkipReason};

use super::{Page, Summary, counted, length};
use crate::output::text::{bytes, count, plain, seconds};

pub(super) fn write<W: Write>(page: &mut Page<'_, W>, summary: &Summary<'_>) -> io::Result<()> {
    let counters = summary.graph.counters();
    let what = summary.source;
    // A long name has a line of its own.
    let gap = if what.width() > 36 { "\n" } else { "  " };
    writeln!(
        page.out,
        "{}{gap}{}, {}{}",
        page.style.bold(what),
        counted(counters.packets, "packet", "packets"),
        bytes(counters.captured_bytes),
        period(summary)
    )?;
    understood(page, counters)?;
    lost(page, summary)?;
    map(page, summary)
}

/// `, 2026-01-02 03:04:05 to 03:09:05 UTC (5m)`.
fn period(summary: &Summary<'_>) -> String {
    let period = summary.graph.period();
    if summary.graph.counters().in_flows == 0 {
        return String::new();
    }
    let (start, end) = (seconds(period.start), seconds(period.end));
    let lasting = lasting(period.end.since(period.start));
    if start == end {
        return format!(", {start} UTC ({lasting})");
    }
    // The day is said once where both ends are on it.
    let end = match (start.split_once(' '), end.split_once(' ')) {
        (Some((first, _)), Some((last, time))) if first == last => time.to_owned(),
        _ => end,
    };
    format!(", {start} to {end} UTC ({lasting})")
}

/// The two largest units: `3 d 4 h`, `2 m 8 s`; below a minute `14.2 s`, below a second `869 ms`.
fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{} ms", duration.as_millis());
    }
    let units = [(86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")];
    match units.iter().find(|(size, ..)| seconds >= *size) {
        Some((size, unit, part, of)) => format!("{} {unit} {} {of}", seconds / size, seconds % size / part),
        None => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
    }
}

/// How much was understood, and what the rest was.
fn understood<W: Write>(page: &mut Page<'_, W>, counters: &Counters) -> io::Result<()> {
    let share = counters.understood();
    // Rounded down: 100 % means every packet.
    let percent = format!("{} % understood", (share * 10_000.0).floor() / 100.0);
    let percent = if share < 0.99 { page.style.alert(&percent) } else { page.style.good(&percent) };
    let mut parts = vec![format!(
        "{} in {}",
        counted(counters.in_flows, "packet", "packets"),
        counted(counters.flows_started, "connection", "connections")
    )];
    let skipped = |understood: bool| {
        let reasons = SkipReason::ALL.into_iter().filter(move |reason| reason.understood() == understood);
        let counts =
            reasons.map(|reason| (reason, counters.skipped_for(reason))).filter(|&(_, number)| number > 0);
        counts.map(|(reason, number)| format!("{} {}", count(number), phrase(reason))).collect::<Vec<_>>()
    };
    parts.extend(skipped(true));
    writeln!(page.out, "{percent}: {}", parts.join(", "))?;
    let bad = skipped(false);
    if !bad.is_empty() {
        writeln!(page.out, "{} {}", page.style.alert("Not decoded:"), bad.join(", "))?;
    }
    let snapped = counters.snapped;
    if snapped > 0 {
        let share = snapped as f64 / counters.packets.max(1) as f64 * 100.0;
        writeln!(
            page.out,
            "Cut short by the capture's snap length: {} ({share:.0} %)",
            counted(snapped, "packet", "packets")
        )?;
    }
    Ok(())
}

/// A reason for skipping, after a number of packets.
const fn phrase(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::UnknownLinkType => "of an unknown link type",
        SkipReason::LinkControl => "link control",
        SkipReason::LinkEncrypted => "encrypted on the link",
        SkipReason::Arp => "ARP",
        SkipReason::NotIp => "not IP",
        SkipReason::BadLinkHeader => "with a bad link header",
        SkipReason::BadIpHeader => "with a bad IP header",
        SkipReason::BadTransportHeader => "with a bad transport header",
        SkipReason::TooDeep => "wrapped too deep",
        SkipReason::FragmentWithoutFirst => "fragments without their first",
    }
}

/// The loss ledger, and what could not be read.
fn lost<W: Write>(page: &mut Page<'_, W>, summary: &Summary<'_>) -> io::Result<()> {
    let mut losses: BTreeMap<Loss, u64> = BTreeMap::new();
    for entry in summary.graph.loss() {
        *losses.entry(entry.loss).or_default() += entry.count;
    }
    // These packets are listed by reason already.
    losses.remove(&Loss::NotDecoded);
    // These captures are listed by name below.
    losses.remove(&Loss::CaptureCut);
    if !losses.is_empty() {
        let lines: Vec<_> =
            losses.iter().map(|(loss, number)| format!("{} {}", count(*number), loss.describe())).collect();
        writeln!(page.out, "{} {}", page.style.alert("Lost:"), lines.join(", "))?;
    }
    for problem in summary.problems {
        writeln!(page.out, "{} {}", page.style.alert("Not read:"), plain(&problem.to_string()))?;
    }
    Ok(())
}

/// How large the map is, and what its edges are good for.
fn map<W: Write>(page: &mut Page<'_, W>, summary: &Summary<'_>) -> io::Result<()> {
    let [mut dependencies, mut doubtful, mut vain, mut other] = [0_u64; 4];
    for (_, verdict) in summary.graph.edges() {
        *match verdict {
            Verdict::Accepted => &mut dependencies,
            Verdict::NeedsPerson(_) => &mut doubtful,
            Verdict::Unanswered | Verdict::Refused | Verdict::Probe => &mut vain,
            Verdict::Group | Verdict::Control => &mut other,
        } += 1;
    }
    let nodes = length(summary.graph.nodes().count());
    let mut parts = vec![counted(dependencies, "dependency", "dependencies")];
    let rest = [(doubtful, "that need a person"), (vain, "tried in vain"), (other, "multicast and control")];
    let rest = rest.iter().filter(|(number, _)| *number > 0);
    parts.extend(rest.map(|(number, what)| format!("{} {what}", count(*number))));
    writeln!(page.out, "{}: {}", counted(nodes, "host", "hosts"), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let text = |millis| lasting(Duration::from_millis(millis));
        assert_eq!(text(869), "869 ms");
        assert_eq!(text(14_251), "14.2 s");
        assert_eq!(text(128_000), "2 m 8 s");
        assert_eq!(text(300_000_000), "3 d 11 h");
    }
}
