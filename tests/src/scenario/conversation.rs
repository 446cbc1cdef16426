//! One conversation of a scenario file, and its packets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use watershed_model::{Endpoint, TcpFlags, Timestamp};

use crate::synth::link::{self, Link, Vxlan};
use crate::synth::payload::{self, DnsAnswer};
use crate::synth::tcp::{Side, Tcp};
use crate::synth::{Packet, exchange};

/// What two hosts say to each other. `scenarios/README.md` explains each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// Who asks: a host's name.
    pub client: String,
    /// Who is asked: a host's name; for several, the conversation is had with each.
    pub server: OneOrMany<String>,
    /// How it goes.
    pub kind: Kind,
    /// The server's port; for several, the conversation is had on each.
    #[serde(default)]
    pub port: Option<OneOrMany<u16>>,
    /// The client's port; else the next unused one.
    #[serde(default)]
    pub client_port: Option<u16>,
    /// How often it is had.
    #[serde(default = "one")]
    pub repeat: u32,
    /// Time from one beginning to the next, seconds.
    #[serde(default = "tenth")]
    pub every: f64,
    /// Time from one packet to the next, seconds.
    #[serde(default = "millisecond")]
    pub pace: f64,

    /// TCP: requests, each with a response.
    #[serde(default = "one")]
    pub exchanges: u32,
    /// Payload of a request, octets.
    #[serde(default = "hundred")]
    pub request: usize,
    /// Payload of a response, octets; 0: none.
    #[serde(default = "hundred")]
    pub response: usize,
    /// TCP: the first request is a TLS ClientHello for this name.
    #[serde(default)]
    pub tls: Option<String>,
    /// TCP: the first request is an HTTP request to this host.
    #[serde(default)]
    pub http: Option<String>,
    /// TCP: each request's last segment is sent so many times more.
    #[serde(default)]
    pub retransmit: u32,
    /// TCP: how it ends.
    #[serde(default)]
    pub close: Close,

    /// DNS: the name asked for.
    #[serde(default)]
    pub name: Option<String>,
    /// DNS: hosts' names or addresses; anything else is an alias that the following answers are for.
    #[serde(default)]
    pub answers: Vec<String>,

    /// VLAN identifiers, outermost first.
    #[serde(default)]
    pub vlans: Vec<u16>,
    /// A tunnel around it.
    #[serde(default)]
    pub vxlan: Option<Tunnel>,
    /// Longest IP packet that is not fragmented, octets.
    #[serde(default)]
    pub mtu: Option<u16>,
}

/// How a conversation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A TCP connection from handshake to close.
    Tcp,
    /// A TCP connection whose beginning and end were not captured.
    Midstream,
    /// SYN, and a RST for an answer.
    Refused,
    /// SYN, and nothing.
    Unanswered,
    /// SYN and SYN-ACK, then the client's RST: how scanners ask.
    HalfOpen,
    /// A UDP request and its response.
    Udp,
    /// A DNS query over UDP and its response.
    Dns,
    /// An ICMP echo and its reply.
    Ping,
}

/// How a TCP connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Close {
    /// Both sides send FIN, the client first.
    #[default]
    Fin,
    /// The client sends RST.
    ClientReset,
    /// The server sends RST.
    ServerReset,
    /// It does not.
    Open,
}

/// A VXLAN tunnel between two hosts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// The host on the client's side.
    pub client_end: String,
    /// The host on the server's side.
    pub server_end: String,
    /// VXLAN network identifier.
    pub vni: u32,
}

/// A value, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// A value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

const fn one() -> u32 {
    1
}

const fn hundred() -> usize {
    100
}

const fn tenth() -> f64 {
    0.1
}

const fn millisecond() -> f64 {
    0.001
}

type Hosts<'a> = BTreeMap<&'a str, IpAddr>;

/// One run of a conversation: between whom, from when.
struct Run {
    client: Endpoint,
    server: Endpoint,
    start: Timestamp,
    pace: Duration,
}

impl Conversation {
    /// The frames of this conversation; takes the client's port from `client_port` and moves that on.
    pub(super) fn frames(
        &self,
        hosts: &Hosts<'_>,
        start: Timestamp,
        client_port: &mut u16,
    ) -> Result<Vec<Packet>, String> {
        let client = address(hosts, &self.client)?;
        let link = self.link(hosts)?;
        let every = seconds("every", self.every)?;
        let pace = seconds("pace", self.pace)?;

        let mut frames = Vec::new();
        let mut start = start;
        for server in self.server.as_slice() {
            let server = address(hosts, server)?;
            for port in self.ports()? {
                for _ in 0..self.repeat {
                    let run = Run {
                        client: Endpoint { address: client, port: self.client_port.unwrap_or(*client_port) },
                        server: Endpoint { address: server, port },
                        start,
                        pace,
                    };
                    let packets = self.packets(hosts, &run)?;
                    frames.extend(packets.iter().flat_map(|packet| link::frames(packet, &link, client)));
                    *client_port = client_port.wrapping_add(1);
                    start = start.plus(every);
                }
            }
        }
        Ok(frames)
    }

    fn packets(&self, hosts: &Hosts<'_>, run: &Run) -> Result<Vec<Packet>, String> {
        let Run { client, server, start, pace } = *run;
        let answered = self.response > 0;
        Ok(match self.kind {
            Kind::Udp => {
                let response = answered.then(|| payload::filler(self.response));
                let request = payload::filler(self.request);
                exchange::udp((client, server), (start, pace), &request, response.as_deref())
            }
            Kind::Dns => {
                let (query, response) = self.dns(hosts, client.port)?;
                let response = answered.then_some(response);
                exchange::udp((client, server), (start, pace), &query, response.as_deref())
            }
            Kind::Ping => exchange::ping((client.address, server.address), (start, pace), 1, answered),
            Kind::Tcp | Kind::Midstream | Kind::Refused | Kind::Unanswered | Kind::HalfOpen => {
                self.tcp(Tcp::new(client, server, start, pace)).into_packets()
            }
        })
    }

    fn tcp(&self, mut tcp: Tcp) -> Tcp {
        match self.kind {
            Kind::Refused => {
                tcp.syn();
                tcp.reset(Side::Server);
            }
            Kind::HalfOpen => {
                tcp.syn();
                tcp.syn_ack();
                tcp.send(Side::Client, TcpFlags::RST, &[]);
            }
            Kind::Midstream => self.talk(&mut tcp),
            Kind::Tcp => {
                tcp.handshake();
                self.talk(&mut tcp);
                match self.close {
                    Close::Fin => tcp.close(Side::Client),
                    Close::ClientReset => tcp.reset(Side::Client),
                    Close::ServerReset => tcp.reset(Side::Server),
                    Close::Open => {}
                }
            }
            _ => tcp.syn(),
        }
        tcp
    }

    fn talk(&self, tcp: &mut Tcp) {
        for turn in 0..self.exchanges {
            let request = match (&self.tls, &self.http) {
                (Some(name), _) if turn == 0 => payload::tls_client_hello(name),
                (None, Some(host)) if turn == 0 => payload::http_request(host),
                _ => payload::filler(self.request),
            };
            tcp.data_lost(Side::Client, &request, self.retransmit);
            tcp.data(Side::Server, &payload::filler(self.response));
        }
    }

    fn dns(&self, hosts: &Hosts<'_>, id: u16) -> Result<(Vec<u8>, Vec<u8>), String> {
        const TIME_TO_LIVE: u32 = 60;
        let name = self.name.as_deref().ok_or("a dns conversation needs the name asked for: add `name`")?;
        let answers: Vec<DnsAnswer> = self.answers.iter().map(|answer| dns_answer(hosts, answer)).collect();
        let v6 = answers.iter().any(|answer| matches!(answer, DnsAnswer::Address(IpAddr::V6(_))));
        let query = payload::dns_query(id, name, v6);
        Ok((query, payload::dns_response(id, name, v6, &answers, TIME_TO_LIVE)))
    }

    fn ports(&self) -> Result<Vec<u16>, String> {
        match (&self.port, self.kind) {
            (Some(ports), _) => Ok(ports.as_slice().to_vec()),
            (None, Kind::Dns) => Ok(vec![53]),
            (None, Kind::Ping) => Ok(vec![0]),
            (None, kind) => Err(format!("a conversation of kind {kind:?} needs a port: add `port`")),
        }
    }

    fn link(&self, hosts: &Hosts<'_>) -> Result<Link, String> {
        let vxlan = match &self.vxlan {
            Some(Tunnel { client_end, server_end, vni }) => Some(Vxlan {
                client_end: address(hosts, client_end)?,
                server_end: address(hosts, server_end)?,
                vni: *vni,
            }),
            None => None,
        };
        Ok(Link { vlans: self.vlans.clone(), vxlan, mtu: self.mtu })
    }
}

fn dns_answer(hosts: &Hosts<'_>, answer: &str) -> DnsAnswer {
    match hosts.get(answer).copied().or_else(|| answer.parse().ok()) {
        Some(address) => DnsAnswer::Address(address),
        None => DnsAnswer::Alias(answer.to_owned()),
    }
}

fn address(hosts: &Hosts<'_>, name: &str) -> Result<IpAddr, String> {
    hosts.get(name).copied().ok_or_else(|| format!("no host {name:?}: add it to `hosts`"))
}

fn seconds(key: &str, value: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value).map_err(|error| format!("`{key}` = {value}: {error}"))
}
