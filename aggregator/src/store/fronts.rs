//! Where Services led, as tables have it: the same columns on a disk and on a server.

use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{Protocol, Timestamp, Workload};

use crate::inventory::Source;
use crate::inventory::fronts::{Backend, Front, FrontChange, Server};

/// The columns of a change but for the workload, whose number each store gives itself. What there is none of is empty
/// or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// Empty: of every node.
    pub(super) address: String,
    pub(super) protocol: u8,
    pub(super) port: u16,
    pub(super) at: i64,
    pub(super) service: String,
    /// The address that is nobody's, or the name of the source that declares the port of whoever has the front's address.
    /// Empty, and with no workload either: the front leads to nobody.
    pub(super) server: String,
    pub(super) server_port: u16,
    pub(super) rewritten: bool,
}

impl Columns {
    pub(super) fn of(change: &FrontChange) -> Self {
        let (address, protocol, port) = match change.front {
            Front::Address(address, protocol, port) => (address.to_string(), protocol.0, port),
            Front::EveryNode(protocol, port) => (String::new(), protocol.0, port),
        };
        let key = Self { address, protocol, port, at: change.at.as_nanos(), ..Self::default() };
        let Some(backend) = &change.backend else { return key };
        Self {
            service: backend.service.as_deref().unwrap_or_default().to_owned(),
            server: match &backend.server {
                Server::Workload(_) => String::new(),
                Server::Address(address) => address.to_string(),
                Server::Declared(source) => source.as_str().to_owned(),
            },
            server_port: backend.port.unwrap_or(0),
            rewritten: backend.rewritten,
            ..key
        }
    }

    /// The change, or what of it makes no sense.
    pub(super) fn into_change(self, workload: Option<Arc<Workload>>) -> Result<FrontChange, &'static str> {
        let parse = |text: &str| text.parse::<IpAddr>().map_err(|_| "an address of a front makes no sense");
        let protocol = Protocol(self.protocol);
        let front = match self.address.as_str() {
            "" => Front::EveryNode(protocol, self.port),
            address => Front::Address(parse(address)?, protocol, self.port),
        };
        let server = match (workload, self.server.as_str()) {
            (Some(workload), _) => Some(Server::Workload(workload)),
            (None, "") => None,
            (None, name) => Some(match Source::named(name) {
                Some(source) => Server::Declared(source),
                None => Server::Address(parse(name)?),
            }),
        };
        let backend = server.map(|server| {
            Arc::new(Backend {
                service: Some(self.service.as_str()).filter(|name| !name.is_empty()).map(Arc::from),
                server,
                port: Some(self.server_port).filter(|&port| port > 0),
                rewritten: self.rewritten,
            })
        });
        Ok(FrontChange { at: Timestamp::from_nanos(self.at), front, backend })
    }
}

/// The workload that a front leads to.
pub(super) fn workload(change: &FrontChange) -> Option<&Arc<Workload>> {
    match &change.backend.as_deref()?.server {
        Server::Workload(workload) => Some(workload),
        Server::Address(_) | Server::Declared(_) => None,
    }
}
