//! Ports that somebody declared, as evidence of who is the server.
//!
//! What the inventory says of a port is seen by the record's joiner, not by who captured: so it is here that a
//! connection which was met in the middle, and whose order nobody could tell, is turned round.

use std::sync::Arc;

use watershed_model::{Evidence, FlowRecord, Protocol, Workload};

use crate::Inventory;
use crate::inventory::fronts::Backend;

/// Both ends of a record, in its order.
pub(crate) struct Ends<'a> {
    pub(crate) client: Option<&'a Arc<Workload>>,
    pub(crate) server: Option<&'a Arc<Workload>>,
    /// What is known of the server's port.
    pub(crate) reached: Option<&'a Backend>,
}

/// Kinds that say who is the client by more than a guess.
const TELLING: Evidence = Evidence::LISTENING
    .union(Evidence::TLS_CLIENT_HELLO)
    .union(Evidence::HTTP_REQUEST)
    .union(Evidence::DNS_QUERY)
    .union(Evidence::DNS_RESPONSE)
    .union(Evidence::QUIC_CLIENT_HELLO)
    .union(Evidence::SRV_RECORD)
    .union(Evidence::WELL_KNOWN_PORT)
    .union(Evidence::EPHEMERAL_CLIENT);

/// Notes in a record which end's port was declared; `client` and `server` are whose the addresses were.
///
/// 1. The server's, and not the client's: that speaks for the record's order.
/// 2. The client's, and not the server's, over TCP and SCTP: that speaks against it. Where nothing but the first packet
///    and the lower port speaks for it, the record is turned round. Datagrams are left as they are: who offers
///    something asks others from the same port.
/// 3. Both, or both ends have the same port: that says nothing.
///
/// A handshake settles it whatever is declared. A record that stands for several connections has no client's port.
pub(crate) fn settle<'a>(
    record: &mut FlowRecord,
    inventory: &'a impl Inventory,
    (client, server): (Option<&'a Arc<Workload>>, Option<&'a Arc<Workload>>),
) -> Ends<'a> {
    let (protocol, at) = (record.protocol, record.first_seen);
    let reached = inventory.reach(record.server, protocol, server, at);
    let told = record.evidence.intersects(Evidence::HANDSHAKES) || record.summary.is_some();
    let same = record.client.port == record.server.port;
    let ends = Ends { client, server, reached };
    let asking = match (told, same) {
        (true, _) => None,
        (false, true) => return ends,
        (false, false) => inventory.reach(record.client, protocol, client, at),
    };
    match (asking, reached) {
        (None, Some(_)) => record.add_evidence(Evidence::DECLARED_PORT),
        (Some(_), None) if matches!(protocol, Protocol::TCP | Protocol::SCTP) => {
            if record.evidence.intersects(TELLING) {
                record.add_evidence(Evidence::CONTRADICTED);
            } else {
                record.turn();
                record.add_evidence(Evidence::DECLARED_PORT);
                return Ends { client: server, server: client, reached: asking };
            }
        }
        _ => {}
    }
    ends
}

#[cfg(test)]
mod tests;
