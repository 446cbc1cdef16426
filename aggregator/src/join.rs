//! Who both ends of each connection were, and by which names.

use watershed_model::{Batch, Evidence, Loss, LossEntry, TimeRange};

use crate::block::{Block, Join};
use crate::memory::Memory;
use crate::names::asker;
use crate::{AggregatorConfig, Inventory, ledger, reach};

/// Finds out about each record of a batch who both ends were at the time, and by which name the client went.
pub(crate) fn join<'a>(
    mut batch: Batch,
    mut loss: Vec<LossEntry>,
    config: &AggregatorConfig,
    inventory: &'a impl Inventory,
    memory: &mut Memory,
) -> Block<'a> {
    let (agent, room) = memory.agent(&batch, config);

    // Names: answers first, since they come before the flows that follow from them.
    for answer in &batch.names {
        let client = asker(answer.client, inventory.identify_at(answer.client, answer.seen));
        agent.names.learn(client, answer, config, room.names);
    }

    let mut names = Vec::new();
    let mut joins = Vec::with_capacity(batch.records.len());
    for record in &mut batch.records {
        // Identity: who both were at the time of the flow.
        let (from, to, at) = (record.client.address, record.server.address, record.first_seen);
        let during = TimeRange { start: at, end: record.last_seen };
        let (client, server) = (inventory.identify(from, during), inventory.identify(to, during));
        if client.handed_over || server.handed_over {
            record.add_evidence(Evidence::HANDED_OVER);
        }

        // Names: what the client called the server when it connected; later parts are the same connection. A
        // summary has those of its first.
        let start = names.len();
        if record.begins() && !agent.names.is_empty() {
            agent.names.find((asker(from, client.workload), to), at, config, &mut names);
        }

        // Reach: who was behind the address; only now, since the connection is known by what it was called on the wire.
        let answered = agent.answers.first_in(record, room.unanswered);
        let reached = inventory.reach(record.server, record.protocol, server.workload, at);
        let server = reach::follow(record, reached, server.workload, &mut names);
        let client = client.workload;
        joins.push(Join { client, server, answered, names: start..names.len() });
    }

    // Ledger: what the joins had no room for.
    let refused = [
        (Loss::EdgesRefused, agent.answers.take_refused()),
        (Loss::NamesRefused, agent.names.take_refused()),
    ];
    let refused = refused.into_iter().filter(|&(_, count)| count > 0);
    loss.extend(refused.map(|(kind, count)| ledger::entry(&batch, kind, count)));
    memory.settle(&batch);
    Block::new(batch, joins, names, loss)
}
