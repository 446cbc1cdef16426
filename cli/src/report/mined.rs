//! Mined rules as levels of the page: with selectors, at each level of generalisation, with what they allow of
//! everything that was seen and what that costs.

use serde::Serialize;
use watershed_graph::Graph;
use watershed_policy::mine::{Allowing, Census, Level as MinedLevel, Outcome, Plan, mine};

use super::levels::{Level, LevelRule};

/// Dependencies of which rules are mined for the page: the three levels of so many take seconds, which whoever
/// opens the page waits for. `watershed rules export` has no such limit.
pub(super) const MAX_DEPENDENCIES: usize = 100_000;

/// Rules of a level that the page shows: some 8 MB of a document, read by a browser in a tenth of a second.
pub(super) const MAX_RULES: usize = 20_000;

/// A level that is not shown, and why.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    name: &'static str,
    why: String,
}

/// The levels of generalisation, and those that are too large to be shown.
pub(super) fn levels(graph: &Graph<'_>) -> Result<(Vec<Level>, Vec<LeftOut>), watershed_policy::Error> {
    let accepted = graph.accepted().count();
    if accepted > MAX_DEPENDENCIES {
        let why = format!(
            "{accepted} dependencies are more than the {MAX_DEPENDENCIES} that rules are mined of for a page: ask for a shorter period"
        );
        let left_out = |level: MinedLevel| LeftOut { name: level.as_str(), why: why.clone() };
        return Ok((Vec::new(), MinedLevel::ALL.map(left_out).into()));
    }
    let census = Census::of(graph.accepted(), &[])?;
    let (mut levels, mut left_out) = (Vec::new(), Vec::new());
    for level in MinedLevel::ALL {
        let plan = mine(&census, level);
        if plan.rules.len() > MAX_RULES {
            let rules = plan.rules.len();
            let why = format!(
                "its {rules} rules are more than the {MAX_RULES} that a page shows: rules export writes them"
            );
            left_out.push(LeftOut { name: level.as_str(), why });
        } else {
            levels.push(one(graph, &census, &plan));
        }
    }
    Ok((levels, left_out))
}

fn one(graph: &Graph<'_>, census: &Census, plan: &Plan) -> Level {
    let allowing = Allowing::of(census, plan);
    let mut edges = vec![Vec::new(); plan.rules.len()];
    let (mut allowed, mut outside) = (Vec::new(), Vec::new());
    for (index, (edge, _)) in graph.edges().enumerate() {
        let told = allowing.edge(edge);
        match told.outcome {
            Outcome::Allowed => allowed.push(index),
            Outcome::Outside => outside.push(index),
            Outcome::Denied => {}
        }
        told.rules.into_iter().for_each(|rule| edges[rule as usize].push(index));
    }
    let rules = plan.rules.iter().zip(edges);
    let rules = rules.map(|(rule, edges)| LevelRule::new(rule, Some(rule.direction), edges));
    Level {
        name: plan.level.as_str(),
        price: plan.price(),
        rules: rules.collect(),
        allowed: runs(&allowed),
        outside: runs(&outside),
        proof: None,
    }
}

/// First and last of each run of consecutive numbers, which are in order.
pub(super) fn runs(numbers: &[usize]) -> Vec<usize> {
    let mut runs: Vec<usize> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some(last) if *last + 1 == number => *last = number,
            _ => runs.extend([number, number]),
        }
    }
    runs
}
