//! Where DNS says that services are, as evidence of who is the server.
//!
//! An SRV record names a host and a port (RFC 2782); the host's addresses come with it or with a later answer. What was
//! named stays for as long as there is room: a client may go on using what it was told once, and a port says nothing
//! wrong of an address that has become a client's.

use std::collections::HashMap;
use std::net::IpAddr;

use watershed_model::{Endpoint, Protocol};

use super::dns::{Message, Service};

/// Ends and hosts that are remembered for sure, of each; twice as many at most. A large cluster's SRV records name some
/// thousands.
pub const MAX_NAMED: usize = 16_384;

/// Ports that are remembered of one host.
const MAX_PORTS: usize = 16;

/// The ends that SRV records named.
#[derive(Clone, Debug)]
pub struct Services {
    ends: Generations<(IpAddr, Protocol, u16), ()>,
    /// Ports by the name of a host, whose addresses may still be told.
    hosts: Generations<Box<str>, Vec<(Protocol, u16)>>,
}

impl Default for Services {
    fn default() -> Self {
        Self::with_room(MAX_NAMED)
    }
}

impl Services {
    fn with_room(room: usize) -> Self {
        Self { ends: Generations::new(room), hosts: Generations::new(room) }
    }

    /// Takes note of what a response says.
    pub fn learn(&mut self, message: &Message<'_>) {
        let services: Vec<Service> = message.services().collect();
        if services.is_empty() {
            return;
        }
        for Service { protocol, port, host } in services {
            let mut ports = self.hosts.get(&host).cloned().unwrap_or_default();
            if !ports.contains(&(protocol, port)) && ports.len() < MAX_PORTS {
                ports.push((protocol, port));
            }
            self.hosts.insert(host, ports);
        }
        // The addresses of the hosts come along, as a rule.
        for (name, address) in message.addresses() {
            self.resolved(&name, address);
        }
    }

    /// Takes note that a name has an address: it may be that of a service's host.
    pub fn resolved(&mut self, name: &str, address: IpAddr) {
        if self.hosts.is_empty() {
            return;
        }
        for &(protocol, port) in self.hosts.get(name).into_iter().flatten() {
            self.ends.insert((address, protocol, port), ());
        }
    }

    /// Whether an SRV record named this end.
    #[must_use]
    pub fn has(&self, end: Endpoint, protocol: Protocol) -> bool {
        !self.ends.is_empty() && self.ends.get(&(end.address, protocol, end.port)).is_some()
    }
}

/// The latest of what was inserted: when the newer half is full, the older one is forgotten.
#[derive(Clone, Debug)]
struct Generations<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
    room: usize,
}

impl<K: Eq + std::hash::Hash, V> Generations<K, V> {
    fn new(room: usize) -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), room }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.new.len() >= self.room && !self.new.contains_key(&key) {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, value);
    }

    fn get<Q: Eq + std::hash::Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.new.get(key).or_else(|| self.old.get(key))
    }

    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.old.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::dns::tests::{response, srv};

    fn learn(services: &mut Services, bytes: &[u8]) {
        services.learn(&Message::parse(bytes).expect("a sound message"));
    }

    fn has(services: &Services, address: &str, port: u16, protocol: Protocol) -> bool {
        services.has(Endpoint { address: address.parse().unwrap(), port }, protocol)
    }

    #[test]
    fn an_address_that_comes_along_and_one_that_comes_later_are_both_named() {
        let mut services = Services::default();
        learn(
            &mut services,
            &srv("_grpc._tcp.shop.example", 50_051, "API.shop.example", Some([10, 0, 0, 2])),
        );
        assert!(has(&services, "10.0.0.2", 50_051, Protocol::TCP));
        assert!(!has(&services, "10.0.0.2", 50_051, Protocol::UDP));
        assert!(!has(&services, "10.0.0.3", 50_051, Protocol::TCP));
        services.resolved("api.shop.example", "10.0.0.3".parse().unwrap());
        services.resolved("www.shop.example", "10.0.0.4".parse().unwrap());
        assert!(has(&services, "10.0.0.3", 50_051, Protocol::TCP));
        assert!(!has(&services, "10.0.0.4", 50_051, Protocol::TCP));
    }

    #[test]
    fn what_names_no_service_says_nothing() {
        let mut services = Services::default();
        for (owner, port, target) in [
            ("shop.example", 80, "a.example"),
            ("_http.shop.example", 80, "a.example"),
            ("_http._quic.shop.example", 80, "a.example"),
            ("_http._tcp.shop.example", 0, "a.example"),
            ("_http._tcp.shop.example", 80, ""),
        ] {
            learn(&mut services, &srv(owner, port, target, Some([10, 0, 0, 2])));
        }
        learn(&mut services, &response("a.example", [10, 0, 0, 2], 60));
        assert!(services.ends.is_empty() && services.hosts.is_empty());
    }

    #[test]
    fn what_was_named_last_is_remembered_whatever_comes() {
        let mut services = Services::with_room(4);
        for last in 0..100_u8 {
            learn(&mut services, &srv("_a._tcp.b", 80, &format!("h{last}"), Some([10, 0, 0, last])));
            assert!(has(&services, &format!("10.0.0.{last}"), 80, Protocol::TCP));
        }
        assert!(!has(&services, "10.0.0.9", 80, Protocol::TCP));
        assert!(services.ends.new.len() + services.ends.old.len() <= 8);
        assert!(services.hosts.new.len() + services.hosts.old.len() <= 8);
    }
}
