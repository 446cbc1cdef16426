//! What was seen that says which end is the client, and whether the server answered.

use bitflags::bitflags;

bitflags! {
    /// What was seen in a flow that says who is its client, and whether its server answered.
    ///
    /// Each flag speaks for the direction that the record states, except [`Evidence::CONTRADICTED`],
    /// [`Evidence::HANDED_OVER`], [`Evidence::VIA_SERVICE`] and [`Evidence::PORT_UNKNOWN`].
    /// The verdict is the record's order of endpoints; this is why.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Evidence: u32 {
        /// The client sent a SYN without ACK.
        const SYN = 1 << 0;
        /// The server sent a SYN with ACK.
        const SYN_ACK = 1 << 1;
        /// The client's acknowledgement completed the three-way handshake.
        const HANDSHAKE = 1 << 2;
        /// The client sent the first packet that was captured.
        const FIRST_PACKET = 1 << 3;
        /// The server's port is a well-known service and the client's is not.
        const WELL_KNOWN_PORT = 1 << 4;
        /// The client sent a TLS ClientHello.
        const TLS_CLIENT_HELLO = 1 << 5;
        /// The client sent an HTTP request.
        const HTTP_REQUEST = 1 << 6;
        /// The client sent a DNS query.
        const DNS_QUERY = 1 << 7;
        /// The server sent a DNS response.
        const DNS_RESPONSE = 1 << 8;
        /// The client sent a QUIC Initial that holds a ClientHello.
        const QUIC_CLIENT_HELLO = 1 << 9;
        /// The server sent at least one packet.
        const SERVER_REPLIED = 1 << 10;
        /// An ICMP unreachable named this flow as the one it could not deliver.
        const ICMP_UNREACHABLE = 1 << 11;
        /// The client sent an SCTP INIT.
        const SCTP_INIT = 1 << 12;
        /// The server sent an SCTP INIT ACK.
        const SCTP_INIT_ACK = 1 << 13;
        /// Something that was seen speaks for the opposite direction.
        const CONTRADICTED = 1 << 14;
        /// The server's port is lower than the client's.
        const LOWER_PORT = 1 << 15;
        /// The client's port is of a range that systems give to clients, and the server's is not.
        const EPHEMERAL_CLIENT = 1 << 16;
        /// An agent on the server's host saw a socket that listens on the server's port.
        const LISTENING = 1 << 17;
        /// An end's address went from one workload to another during the flow, so that whose it was is not sure;
        /// says nothing of the direction.
        const HANDED_OVER = 1 << 18;
        /// The client used the address of a service that hands connections on: who the server is and the server's port
        /// are those that it hands them to; says nothing of the direction.
        const VIA_SERVICE = 1 << 19;
        /// The port is that of a tunnel or of a service with several, so which port of the server was used is not
        /// known; says nothing of the direction.
        const PORT_UNKNOWN = 1 << 20;
        /// An inventory says that the server offers something on its port: a container's port, the target of a
        /// Service, a Service's own port, or what somebody wrote into a file.
        const DECLARED_PORT = 1 << 21;
        /// A DNS SRV record named the server's address and port.
        const SRV_RECORD = 1 << 22;
    }
}

impl Evidence {
    /// How many flags there are.
    pub const COUNT: usize = 23;
    /// Flags that settle the direction: the transport's own handshake.
    pub const HANDSHAKES: Self =
        Self::SYN.union(Self::SYN_ACK).union(Self::SCTP_INIT).union(Self::SCTP_INIT_ACK);

    /// The flags' names in snake case, in order of their bits: `syn`, `syn_ack`, ...
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter().map(|flag| NAMES[flag.bits().trailing_zeros() as usize])
    }
}

const NAMES: [&str; Evidence::COUNT] = [
    "syn",
    "syn_ack",
    "handshake",
    "first_packet",
    "well_known_port",
    "tls_client_hello",
    "http_request",
    "dns_query",
    "dns_response",
    "quic_client_hello",
    "server_replied",
    "icmp_unreachable",
    "sctp_init",
    "sctp_init_ack",
    "contradicted",
    "lower_port",
    "ephemeral_client",
    "listening",
    "handed_over",
    "via_service",
    "port_unknown",
    "declared_port",
    "srv_record",
];

/// In how many connections each kind of [`Evidence`] was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceCounts([u32; Evidence::COUNT]);

impl EvidenceCounts {
    /// Counts one connection's evidence; each count saturates.
    pub fn add(&mut self, evidence: Evidence) {
        for flag in evidence.iter() {
            let count = &mut self.0[flag.bits().trailing_zeros() as usize];
            *count = count.saturating_add(1);
        }
    }

    /// Counts so many connections that had this flag, a single one; the count saturates.
    pub fn add_many(&mut self, flag: Evidence, count: u32) {
        if let Some(mine) = self.0.get_mut(flag.bits().trailing_zeros() as usize) {
            *mine = mine.saturating_add(count);
        }
    }

    /// Adds the counts of `other`; each count saturates.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// In how many connections this flag was seen; `flag` is a single flag.
    #[must_use]
    pub fn of(&self, flag: Evidence) -> u32 {
        self.0.get(flag.bits().trailing_zeros() as usize).copied().unwrap_or(0)
    }

    /// Names and counts of the kinds seen, in order of their bits.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        NAMES.iter().copied().zip(self.0).filter(|&(_, count)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_has_a_name_and_a_count() {
        assert_eq!(Evidence::all().iter().count(), Evidence::COUNT);
        let mut counts = EvidenceCounts::default();
        counts.add(Evidence::SYN | Evidence::CONTRADICTED);
        counts.add(Evidence::SYN);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [("syn", 2), ("contradicted", 1)]);
        assert_eq!(counts.of(Evidence::SYN), 2);
    }
}
