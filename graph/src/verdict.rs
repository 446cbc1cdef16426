//! May this edge become a rule? Wrong rules start here.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use watershed_model::{ConnState, Edge, Evidence, Party, Protocol};

use crate::direction::{Direction, handed_over};
use crate::ports::{Service, is_one_way};

/// What an edge is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The server answered and it is clear who the client is: may become a rule.
    Accepted,
    /// Real traffic, but something is doubtful: a person decides.
    NeedsPerson(Doubt),
    /// To a multicast or broadcast address: one-way by nature, and no server to name in a rule.
    Group,
    /// The network's own signals, such as ICMP errors and neighbour discovery: no service is used.
    Control,
    /// Nothing came back. In the scan ledger.
    Unanswered,
    /// The server, or the network for it, said no. In the scan ledger.
    Refused,
    /// The server was there, but nothing was done with it. In the scan ledger.
    Probe,
}

/// Why an edge needs a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// Too little says who the client is.
    NoEvidence,
    /// As much speaks for the opposite direction.
    Contradicted,
    /// The server also uses a service of the client, and this may be that service's replies.
    Mirrored,
    /// Both sides were seen, but only from the middle of connections, and data at most one way.
    Midstream,
    /// Only one side's packets were captured.
    OneSided,
    /// Nothing came back, as is usual for this service: logs, samples, tunnels.
    OneWay,
    /// The client is a scanner, and this host or port is among what it scanned.
    Scanner,
    /// Whenever it was seen, an end's address was going from one workload to another.
    HandedOver,
    /// Whenever it was seen, it was in a tunnel or through a service of several ports: which port is used is not known.
    PortUnknown,
}

impl Verdict {
    /// Its name in snake case; the same for every doubt.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NeedsPerson(_) => "needs_person",
            Self::Group => "group",
            Self::Control => "control",
            Self::Unanswered => "unanswered",
            Self::Refused => "refused",
            Self::Probe => "probe",
        }
    }

    /// Whether the edge belongs in the scan ledger.
    #[must_use]
    pub const fn is_attempt(self) -> bool {
        matches!(self, Self::Unanswered | Self::Refused | Self::Probe)
    }

    /// Why, for a person: `nothing came back`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Accepted => "answered, and the direction is clear",
            Self::NeedsPerson(doubt) => doubt.describe(),
            Self::Group => "to a multicast or broadcast address",
            Self::Control => "a signal of the network itself",
            Self::Unanswered => "nothing came back",
            Self::Refused => "refused",
            Self::Probe => "the server was there but nothing was done with it",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Doubt {
    /// Every doubt, in declaration order.
    pub const ALL: [Self; 9] = [
        Self::NoEvidence,
        Self::Contradicted,
        Self::Mirrored,
        Self::Midstream,
        Self::OneSided,
        Self::OneWay,
        Self::Scanner,
        Self::HandedOver,
        Self::PortUnknown,
    ];

    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoEvidence => "no_evidence",
            Self::Contradicted => "contradicted",
            Self::Mirrored => "mirrored",
            Self::Midstream => "midstream",
            Self::OneSided => "one_sided",
            Self::OneWay => "one_way",
            Self::Scanner => "scanner",
            Self::HandedOver => "handed_over",
            Self::PortUnknown => "port_unknown",
        }
    }

    /// The doubt in words, for a person.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::NoEvidence => "no handshake, request or known port says who the client is",
            Self::Contradicted => "as much speaks for the opposite direction",
            Self::Mirrored => "may be the replies of a connection the other way",
            Self::Midstream => "seen only from the middle, with data at most one way",
            Self::OneSided => "only one side's packets were captured",
            Self::OneWay => "one-way, as is usual for this service",
            Self::Scanner => "the client is a scanner, and this is what it scanned",
            Self::HandedOver => "seen only while an address changed hands",
            Self::PortUnknown => "seen only in a tunnel, so which port is used is not known",
        }
    }
}

/// More packets than this per TCP connection are no attempt: hosts give up after seven SYNs
/// (Linux `tcp_syn_retries` = 6).
const MAX_ATTEMPT_PACKETS: u64 = 8;

/// The same where no SYN was seen: stealth scans send one packet and at most repeat it.
const MAX_STEALTH_PACKETS: u64 = 3;

/// Up to so many packets without an answer are a probe even on a one-way service's port: a UDP scan sends
/// one and repeats it once.
const MAX_UDP_PROBE_PACKETS: u64 = 2;

/// The verdict on one edge, before scanners are known (see [`crate::scan`]). The first condition that
/// holds decides; `direction` is how sure it is who the client is, and `threshold` how sure it must be.
///
/// 1. An end is a multicast or broadcast address: `Group`.
/// 2. ICMP that is no request (errors, redirects, neighbour and router discovery): `Control`.
/// 3. The client was never seen sending: half a conversation, or backscatter of a forged source:
///    `NeedsPerson(OneSided)`.
/// 4. A connection was answered: `Accepted` if the direction is sure, it was not only seen while an address
///    changed hands, and the port is that of the server, else `NeedsPerson`.
/// 5. TCP or SCTP of which no opening was seen, so the capture came late or somebody probes stealthily:
///    5.1 they may be late packets of a service that the server uses, which would look like a scan of its
///    clients: `NeedsPerson(Mirrored)`;
///    5.2 more packets than a probe has, or packets from the server that reset nothing:
///    `NeedsPerson(Midstream)`, or `NeedsPerson(OneSided)` if none came from the server.
/// 6. TCP without a packet from the server, but with a request, a close or more packets than retries
///    explain: `NeedsPerson(OneSided)`.
/// 7. A reset or an ICMP unreachable came back, and no SYN-ACK: `Refused`.
/// 8. The server sent something (a SYN-ACK that nobody completed): `Probe`.
/// 9. A service that never answers, with more packets than a probe has: `NeedsPerson(OneWay)`.
/// 10. Otherwise `Unanswered`.
pub(crate) fn verdict(edge: &Edge, direction: &Direction, threshold: f64) -> Verdict {
    let Edge { key, states, evidence, .. } = edge;
    let connected = matches!(key.protocol, Protocol::TCP | Protocol::SCTP);
    let sent_at_most = |packets: u64, limit: u64| packets <= limit.saturating_mul(edge.connections.max(1));
    let reset = states.of(ConnState::Rej) + states.of(ConnState::Rstr) > 0;
    let opened = evidence.of(Evidence::SYN_ACK) + evidence.of(Evidence::SCTP_INIT_ACK) > 0;
    let (sent, received) = (edge.to_server.packets, edge.to_client.packets);

    if is_to_group(edge) {
        return Verdict::Group;
    }
    if is_control(Service { protocol: key.protocol, port: key.port }) {
        return Verdict::Control;
    }
    if sent == 0 {
        return Verdict::NeedsPerson(Doubt::OneSided);
    }
    if edge.answered > 0 {
        return doubt(edge, direction, threshold).map_or(Verdict::Accepted, Verdict::NeedsPerson);
    }
    if connected && strongest(edge, Evidence::HANDSHAKES) == 0 {
        if direction.reversed.is_some() {
            return Verdict::NeedsPerson(Doubt::Mirrored);
        }
        if received > 0 && (!reset || !sent_at_most(sent.max(received), MAX_STEALTH_PACKETS)) {
            return Verdict::NeedsPerson(Doubt::Midstream);
        }
        if !sent_at_most(sent, MAX_STEALTH_PACKETS) {
            return Verdict::NeedsPerson(Doubt::OneSided);
        }
    }
    if connected && received == 0 {
        let went_on = strongest(edge, REQUESTS) > 0 || states.of(ConnState::Sh) > 0;
        if went_on || !sent_at_most(sent, MAX_ATTEMPT_PACKETS) {
            return Verdict::NeedsPerson(Doubt::OneSided);
        }
    }
    if !opened && (reset || evidence.of(Evidence::ICMP_UNREACHABLE) > 0) {
        return Verdict::Refused;
    }
    if received > 0 {
        return Verdict::Probe;
    }
    if is_one_way(Service { protocol: key.protocol, port: key.port }) && sent > MAX_UDP_PROBE_PACKETS {
        return Verdict::NeedsPerson(Doubt::OneWay);
    }
    Verdict::Unanswered
}

/// Messages that only one of the two sides sends.
const REQUESTS: Evidence = Evidence::TLS_CLIENT_HELLO
    .union(Evidence::HTTP_REQUEST)
    .union(Evidence::DNS_QUERY)
    .union(Evidence::DNS_RESPONSE)
    .union(Evidence::QUIC_CLIENT_HELLO);

/// Why the direction of an answered edge is not sure enough, if it is not.
fn doubt(edge: &Edge, direction: &Direction, threshold: f64) -> Option<Doubt> {
    let always = |flag| edge.connections > 0 && u64::from(edge.evidence.of(flag)) >= edge.connections;
    // Whichever of the answered ones those were, one that is surely between these two must be left.
    let handed_over = handed_over(edge);
    if handed_over > 0 && handed_over >= edge.answered {
        return Some(Doubt::HandedOver);
    }
    if always(Evidence::PORT_UNKNOWN) {
        return Some(Doubt::PortUnknown);
    }
    if direction.log_odds >= threshold {
        return None;
    }
    Some(if direction.reversed.is_some() {
        Doubt::Mirrored
    } else if edge.evidence.of(Evidence::CONTRADICTED) > 0 {
        Doubt::Contradicted
    } else {
        Doubt::NoEvidence
    })
}

/// Connections that showed the most frequent of `flags`: one connection may show several.
fn strongest(edge: &Edge, flags: Evidence) -> u32 {
    flags.iter().map(|flag| edge.evidence.of(flag)).max().unwrap_or(0)
}

/// Multicast and limited broadcast, of either IP version.
pub(crate) fn is_group(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn is_to_group(edge: &Edge) -> bool {
    let all = |party: &Party, addresses: &BTreeSet<IpAddr>, is: fn(IpAddr) -> bool| match party {
        Party::Address(address) => is(*address),
        Party::Workload(_) => !addresses.is_empty() && addresses.iter().all(|&a| is(a)),
    };
    let silent = edge.key.protocol != Protocol::TCP && edge.to_client.packets == 0;
    all(&edge.key.server, &edge.server_addresses, is_group)
        || all(&edge.key.client, &edge.client_addresses, is_group)
        || (silent && all(&edge.key.server, &edge.server_addresses, is_directed_broadcast))
}

/// Whether it looks like the last address of a network. Masks are not on the wire, so this is asked only
/// of silent destinations, which become no rule either way.
fn is_directed_broadcast(address: IpAddr) -> bool {
    matches!(address.to_canonical(), IpAddr::V4(v4) if v4.octets()[3] == 255)
}

/// ICMP types that ask no host for anything (IANA's ICMP and ICMPv6 parameters; RFC 4443, RFC 4861, RFC 3810).
fn is_control(service: Service) -> bool {
    match service.protocol {
        Protocol::ICMP => !matches!(service.port, 8 | 13 | 15 | 17),
        Protocol::ICMPV6 => !matches!(service.port, 128 | 139),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
