//! Agents that start again, and whose interfaces go away: what of it is loss, and that it counts once.

use watershed_model::{Batch, Loss, Timestamp};

use super::{kept, losses, told};
use crate::testing::{batch, record};
use crate::{Aggregator, AggregatorConfig, Delivery, DeliveryToken, FlowStore, OpenInventory};

/// Batch `sequence` of the run of an agent that began at `started`, with a packet half a second after `seen`.
fn of_run(started: i64, sequence: u64, seen: u64, interfaces: u64) -> Batch {
    let mut batch = batch("a", sequence, vec![record("10.0.0.1", "10.0.0.9", 443, seen)]);
    batch.started = Timestamp::from_parts(started, 0);
    batch.counters.records = sequence + 1;
    batch.counters.interfaces = interfaces;
    batch
}

/// Three runs on so many interfaces: between them lie an hour and more, and most of a minute.
fn three_runs(interfaces: u64) -> Vec<Batch> {
    [(0, 0, 10), (0, 1, 3_000), (7_210, 0, 7_220), (7_210, 1, 7_230), (7_300, 0, 7_310)]
        .map(|(started, sequence, seen)| of_run(started, sequence, seen, interfaces))
        .into()
}

pub(in crate::store) fn a_restart_is_loss_and_counts_once<S: FlowStore>(new: impl Fn() -> S) {
    let expected = [
        (Loss::AgentDown, 600),
        (Loss::AgentDown, 3_600),
        (Loss::AgentRestarted, 2),
        (Loss::AgentDown, 10 + 70),
    ];
    let once = told(new(), three_runs(1));
    assert_eq!(losses(&once), expected);
    let twice = three_runs(1).into_iter().flat_map(|batch| [batch.clone(), batch]);
    assert_eq!(told(new(), twice), once);

    // A new aggregator for each batch, as after a crash, and all of it again.
    let mut store = new();
    for batch in three_runs(1).into_iter().chain(three_runs(1)) {
        store = kept(store, OpenInventory::default(), [batch]);
    }
    assert_eq!(store.snapshot(None).unwrap(), once);

    // All in one delivery, of which nothing is in the store yet, and again after a crash.
    let mut store = new();
    for _ in 0..2 {
        let token = DeliveryToken("flows/0/0-5".into());
        let delivery = Delivery { token, batches: three_runs(1), resumed: true };
        let mut source = super::Again(vec![delivery]);
        let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
        crate::run(&mut source, &mut aggregator, |_| ()).unwrap();
        store = aggregator.finish().unwrap();
    }
    assert_eq!(store.snapshot(None).unwrap(), once);
}

pub(in crate::store) fn captures_read_one_after_the_other_are_no_restart<S: FlowStore>(new: impl Fn() -> S) {
    assert_eq!(losses(&told(new(), three_runs(0))), []);
    // Interfaces after captures are a first start: nobody was down before it.
    let after = three_runs(0).into_iter().chain([of_run(9_000, 0, 9_001, 1)]);
    assert_eq!(losses(&told(new(), after)), []);
    // Another agent's start is its own.
    let mut other = of_run(9_000, 0, 9_001, 1);
    other.agent = "b".into();
    assert_eq!(losses(&told(new(), [of_run(0, 0, 10, 1), other])), []);
}

pub(in crate::store) fn an_interface_that_went_away_is_loss_and_counts_once<S: FlowStore>(
    new: impl Fn() -> S,
) {
    let mut batches: Vec<_> = (0..4).map(|n| of_run(0, n, 10 + n, 2)).collect();
    for (batch, times) in batches.iter_mut().zip([0, 1, 1, 3]) {
        batch.counters.interfaces_away = times;
    }
    let again = batches.iter().chain(&batches).cloned();
    assert_eq!(losses(&told(new(), again)), [(Loss::InterfaceAway, 3)]);
}
