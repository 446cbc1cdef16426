//! Who both ends of each connection were, which of them is the server, and by which names.

use watershed_model::{Batch, Endpoint, Evidence, Loss, LossEntry, TimeRange};

use crate::block::{Block, Join};
use crate::declared::{self, Ends};
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
        let at = record.first_seen;
        let during = TimeRange { start: at, end: record.last_seen };
        let identify = |end: Endpoint| inventory.identify(end.address, during);
        let (client, server) = (identify(record.client), identify(record.server));
        if client.handed_over || server.handed_over {
            record.add_evidence(Evidence::HANDED_OVER);
        }

        // Direction: whose port was declared is the server.
        let Ends { client, server, reached } =
            declared::settle(record, inventory, (client.workload, server.workload));

        // Names: what the client called the server when it connected; later parts are the same connection. A
        // summary has those of its first.
        let start = names.len();
        if record.begins() && !agent.names.is_empty() {
            let (from, to) = (record.client.address, record.server.address);
            agent.names.find((asker(from, client), to), at, config, &mut names);
        }

        // Reach: who was behind the address; only now, since the connection is known by what it was called on the wire.
        let answered = agent.answers.first_in(record, room.unanswered);
        let server = reach::follow(record, reached, server, &mut names);
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
