//! Flow sinks and the sources behind them: every batch arrives once, in order, and the end is told.

use std::thread;

use watershed_aggregator::FlowSource;
use watershed_aggregator::source::{QUEUE_BATCHES, channel};
use watershed_collector::sink::{self, FlowSink};
use watershed_model::{AgentId, Batch, Counters, Timestamp};

fn batch(agent: &str, sequence: u64) -> Batch {
    Batch {
        agent: AgentId::from(agent),
        started: Timestamp::from_parts(7, 8),
        sequence,
        now: Timestamp::from_parts(sequence as i64, 0),
        records: Vec::new(),
        names: Vec::new(),
        listeners: Vec::new(),
        counters: Counters { packets: sequence * 3, ..Counters::default() },
    }
}

/// What a source gives until its end, which stays the end.
fn drain(source: &mut impl FlowSource) -> Vec<Batch> {
    let batches =
        std::iter::from_fn(|| source.next().unwrap()).flat_map(|delivery| delivery.batches).collect();
    assert!(source.next().unwrap().is_none(), "a source that ended stays ended");
    batches
}

/// More batches than any queue holds, while they are taken out at the other end.
fn carries_every_batch_once_and_in_order<S, R>(open: impl Fn() -> (S, R))
where
    S: FlowSink + Send,
    R: FlowSource,
{
    let batches: Vec<Batch> = (0..10 * QUEUE_BATCHES as u64).map(|n| batch("a", n)).collect();
    let (mut sink, mut source) = open();
    let arrived = thread::scope(|scope| {
        scope.spawn(|| {
            // The sink is dropped with the thread, which is how the source learns of the end.
            let mut sink = sink;
            batches.iter().for_each(|batch| sink.send(batch.clone()).unwrap());
            drop(sink);
        });
        drain(&mut source)
    });
    assert_eq!(arrived, batches);

    (sink, source) = open();
    drop(sink);
    assert!(drain(&mut source).is_empty(), "no batch, no wait");
}

/// A sink whose source is gone says so instead of waiting.
fn tells_when_nobody_takes_batches<S: FlowSink, R>(open: impl Fn() -> (S, R)) {
    let (mut sink, source) = open();
    drop(source);
    let error = sink.send(batch("a", 0)).unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[test]
fn the_channel_conforms() {
    let open = || {
        let (sender, source) = channel();
        (sink::Channel(sender), source)
    };
    carries_every_batch_once_and_in_order(open);
    tells_when_nobody_takes_batches(open);
}

#[test]
fn memory_keeps_every_batch_once_and_in_order() {
    let mut memory = sink::Memory::default();
    let batches: Vec<Batch> = (0..3).map(|n| batch("a", n)).collect();
    batches.iter().for_each(|batch| memory.send(batch.clone()).unwrap());
    assert_eq!(memory.0, batches);
}
