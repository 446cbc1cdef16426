//! How sure the rules are: a sentence for whoever decides, then the numbers for whoever checks.

use std::cmp::Reverse;
use std::io::{self, Write};

use watershed_policy::confidence::{Backtest, Bound, Confidence, ConfidenceConfig, Estimate, Missing};

use super::{WIDTH, counted, hours, length, percent};
use crate::output::table::{Table, number, text as column};
use crate::output::text::{plain, seconds};
use crate::terminal::Style;

/// Writes the assessment, with at most `rows` lines in a table.
pub(crate) fn text(
    out: &mut impl Write,
    told: &Confidence,
    config: &ConfidenceConfig,
    rows: usize,
    style: Style,
) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&sentence(told)))?;
    writeln!(out, "{}", verdict(told, config))?;

    writeln!(out, "\n{}", style.bold("SEEN"))?;
    seen(out, told)?;
    writeln!(out, "\n{}  over all dependencies", style.bold("ESTIMATES"))?;
    estimates(out, &told.whole)?;
    if let Some(test) = &told.backtest {
        writeln!(
            out,
            "\n{}  the same bound, made of the time before and held against what came",
            style.bold("BACKTEST")
        )?;
        writeln!(out, "  {}", backtest(test))?;
    }
    let named = told.namespaces.iter().map(|(name, estimate)| (name.clone(), estimate));
    table(out, "NAMESPACES", "namespace", named.collect(), rows, style)?;
    let named = told.workloads.iter().map(|(party, estimate)| (party.to_string(), estimate));
    table(out, "WORKLOADS", "workload", named.collect(), rows, style)
}

/// What a manager reads.
fn sentence(told: &Confidence) -> String {
    let Some(bound) = told.whole.bound else {
        return "Nothing can be said yet: too little was watched to compare one part of it with another."
            .into();
    };
    format!(
        "Rules learned from this would deny at most {} not seen so far in the next {}, with {:.0} % confidence; {:.1} expected.",
        counted(bound.at_most, "dependency", "dependencies"),
        hours(bound.horizon),
        told.level * 100.0,
        bound.expected
    )
}

fn verdict(told: &Confidence, config: &ConfidenceConfig) -> String {
    if told.is_ready() {
        return "Ready to enforce, by the rule in the settings.".into();
    }
    let rule = &config.ready;
    let reasons: Vec<String> = told
        .missing
        .iter()
        .map(|missing| match *missing {
            Missing::Coverage(is) => format!("coverage is {} of {}", percent(is), percent(rule.coverage)),
            Missing::WeeklyCycles(is) => {
                format!("{is} of {} watched whole", counted(rule.weekly_cycles, "week", "weeks"))
            }
            Missing::MonthlyCycles(is) => {
                format!("{is} of {} watched whole", counted(rule.monthly_cycles, "month", "months"))
            }
            Missing::Loss(is) => {
                format!("loss has hidden {}, more than {}", percent(is), percent(rule.hidden))
            }
        })
        .collect();
    format!("Not ready to enforce: {}.", reasons.join("; "))
}

fn seen(out: &mut impl Write, told: &Confidence) -> io::Result<()> {
    if let Some((first, last)) = told.span {
        let end = last.start().plus(watershed_model::Hour::LENGTH);
        writeln!(out, "  period   {} to {} UTC, by the hour", seconds(first.start()), seconds(end))?;
    }
    let unwatched = match told.unwatched {
        0 => String::new(),
        some => format!(", {} between them without any", hours(some)),
    };
    writeln!(out, "  hours    {} with traffic{unwatched}", told.whole.incidence.blocks)?;
    let cycles = told.cycles;
    writeln!(out, "  cycles   daily {}, weekly {}, monthly {}", cycles.daily, cycles.weekly, cycles.monthly)?;
    if told.loss.is_empty() {
        return writeln!(out, "  loss     none");
    }
    writeln!(
        out,
        "  loss     may have hidden {} of the time; the bound is wider for it",
        percent(told.hidden)
    )?;
    for (loss, count) in &told.loss {
        writeln!(out, "           {count} {}", loss.describe())?;
    }
    Ok(())
}

fn estimates(out: &mut impl Write, estimate: &Estimate) -> io::Result<()> {
    let incidence = &estimate.incidence;
    writeln!(
        out,
        "  seen          {}: {} in one hour only, {} in two; {} uses by hour",
        counted(incidence.edges, "dependency", "dependencies"),
        incidence.once,
        incidence.twice,
        incidence.incidences
    )?;
    writeln!(
        out,
        "  coverage      {} of an hour's use is of known dependencies",
        percent(incidence.coverage())
    )?;
    writeln!(out, "  never seen    at least {:.1} (Chao2)", incidence.unseen())?;
    writeln!(
        out,
        "  next hour     {:.4} new on average, if hours were alike (Good)",
        incidence.next_block()
    )?;
    if let Some(Bound { new, window, watched, horizon, expected, at_most }) = estimate.bound {
        writeln!(
            out,
            "  bound         {new} first seen in the last {}, {watched:.1} hours of it watched: {expected:.1} expected and at most {at_most} in {}",
            hours(window),
            hours(horizon)
        )?;
    }
    Ok(())
}

fn backtest(test: &Backtest) -> String {
    let Backtest { from, predicted, actual, .. } = test;
    format!(
        "up to {} UTC it said at most {} in {}; {actual} came: it {}",
        seconds(from.start()),
        predicted.at_most,
        hours(predicted.horizon),
        if test.held() { "held" } else { "did not hold" }
    )
}

/// The least sure first.
fn table(
    out: &mut impl Write,
    title: &str,
    what: &'static str,
    mut named: Vec<(String, &Estimate)>,
    rows: usize,
    style: Style,
) -> io::Result<()> {
    if named.is_empty() {
        return Ok(());
    }
    let at_most = |estimate: &Estimate| estimate.bound.map_or(u64::MAX, |bound| bound.at_most);
    named.sort_by(|a, b| {
        let coverage = |one: &Estimate| one.incidence.coverage();
        let key = |one: &Estimate| Reverse(at_most(one));
        key(a.1).cmp(&key(b.1)).then(coverage(a.1).total_cmp(&coverage(b.1))).then_with(|| a.0.cmp(&b.0))
    });
    writeln!(out, "\n{}  the least sure first", style.bold(title))?;
    let mut table = Table::new(&[
        column(what, usize::MAX),
        number("dependencies"),
        number("seen once"),
        number("coverage"),
        number("expected"),
        number("at most"),
    ]);
    for (name, estimate) in named.iter().take(rows) {
        let bound = estimate.bound;
        table.row([
            plain(name).into_owned(),
            estimate.incidence.edges.to_string(),
            estimate.incidence.once.to_string(),
            percent(estimate.incidence.coverage()),
            bound.map_or("-".into(), |bound| format!("{:.1}", bound.expected)),
            bound.map_or("-".into(), |bound| bound.at_most.to_string()),
        ]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))?;
    match length(named.len().saturating_sub(rows)) {
        0 => Ok(()),
        more => writeln!(out, "  … {more} more with --format json"),
    }
}
