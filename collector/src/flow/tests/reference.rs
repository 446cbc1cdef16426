//! A flow table without hashes, wheel, slots or batches, and the packets on which both must agree.
//!
//! What it has in common with the real one is how a single TCP connection is followed.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use watershed_model::{FlowRecord, Protocol};

use super::super::direction::first_sender_is_client;
use super::super::key::FlowKey;
use super::super::tcp::{self, Ends, Side, SideDetail, TcpSegment, TcpState};
use super::*;
use crate::decode::{Segment, Transport};

/// Timeouts short enough to be met in a few packets.
pub(super) fn hasty(active_report: Option<u64>, max_flows: usize) -> FlowConfig {
    FlowConfig {
        max_flows,
        tcp_idle: Duration::from_secs(8),
        idle: Duration::from_secs(3),
        after_close: Duration::from_secs(1),
        active_report: active_report.map(Duration::from_secs),
        ..FlowConfig::default()
    }
}

/// What a record says that does not depend on when the end of its flow was noticed.
pub(super) fn summary(record: &FlowRecord) -> String {
    let FlowRecord { client, server, protocol, first_seen, last_seen, to_server, to_client, part, .. } =
        record;
    let sent = [to_server, to_client].map(|side| format!("{}/{}", side.packets, side.ip_bytes)).join(" ");
    format!("{protocol} {client} {server} {first_seen} {last_seen} part {part}: {sent} {}", record.state)
}

struct Open {
    low_is_originator: bool,
    sides: [Side; 2],
    details: [SideDetail; 2],
    /// Who sent at all, in this part or one before it.
    sent: [bool; 2],
    over: bool,
    times: Option<(Timestamp, Timestamp)>,
    last: Timestamp,
    part: u32,
}

/// Open connections by key, each looked at whenever its next packet comes.
pub(super) struct Reference {
    config: FlowConfig,
    open: HashMap<FlowKey, Open>,
    pub(super) summaries: Vec<String>,
}

impl Reference {
    pub(super) fn new(config: &FlowConfig) -> Self {
        Self { config: config.clone(), open: HashMap::new(), summaries: Vec::new() }
    }

    pub(super) fn observe(&mut self, segments: &Segments<'_>) {
        segments.as_slice().iter().for_each(|segment| self.follow(segment));
    }

    pub(super) fn finish(&mut self) {
        for (key, open) in std::mem::take(&mut self.open) {
            self.write(&key, &open);
        }
    }

    fn follow(&mut self, segment: &Segment<'_>) {
        let tcp = tcp_segment(segment);
        let known = self.open.remove(&segment.key);
        let known = known.and_then(|mut open| {
            let reused = tcp.is_some_and(|tcp| tcp::is_reuse(&open.sides, &open.details, &tcp));
            let silent = segment.time.since(open.last) > self.timeout(segment.key.protocol(), &open);
            if silent || reused {
                self.write(&segment.key, &open);
                return None;
            }
            let report = self.config.active_report;
            if let (Some(report), Some((first, _))) = (report, open.times)
                && segment.time >= first.plus(report)
            {
                self.write(&segment.key, &open);
                Ends { sides: &mut open.sides, details: &mut open.details }.start_part(tcp.is_some());
                (open.part, open.times) = (open.part + 1, None);
            }
            Some(open)
        });
        let mut open = known.unwrap_or_else(|| Open {
            low_is_originator: segment.from_low == first_sender_is_client(segment),
            sides: Default::default(),
            details: Default::default(),
            sent: [false; 2],
            over: false,
            times: None,
            last: segment.time,
            part: 0,
        });
        let from = usize::from(segment.from_low != open.low_is_originator);
        if let Some(tcp) = tcp {
            let mut ends = Ends { sides: &mut open.sides, details: &mut open.details };
            open.over = tcp::update(&mut ends, from, &tcp).over;
        }
        open.sent[from] = true;
        open.sides[from].packets += 1;
        open.sides[from].ip_bytes += u64::from(segment.ip_bytes);
        let (first, last) = open.times.unwrap_or((segment.time, segment.time));
        open.times = Some((first.min(segment.time), last.max(segment.time)));
        open.last = open.last.max(segment.time);
        self.open.insert(segment.key, open);
    }

    fn timeout(&self, protocol: Protocol, open: &Open) -> Duration {
        let shaking_hands = open
            .sides
            .iter()
            .all(|side| matches!(side.state, TcpState::Inactive | TcpState::SynSent | TcpState::SynAckSent));
        match protocol {
            Protocol::TCP if open.over => self.config.after_close,
            Protocol::TCP if !shaking_hands => self.config.tcp_idle,
            _ => self.config.idle,
        }
    }

    fn write(&mut self, key: &FlowKey, open: &Open) {
        let Some((first, last)) = open.times else { return };
        let (client, server) = (key.endpoint(open.low_is_originator), key.endpoint(!open.low_is_originator));
        let sent = open.sides.each_ref().map(|side| format!("{}/{}", side.packets, side.ip_bytes)).join(" ");
        let (protocol, part) = (key.protocol(), open.part);
        let state = match (protocol, open.sent) {
            (Protocol::TCP, _) => tcp::conn_state(&open.sides).as_str(),
            (Protocol::UDP, [true, true]) => "SF",
            (Protocol::UDP, [true, false]) => "S0",
            (Protocol::UDP, _) => "SHR",
            _ => "OTH",
        };
        self.summaries
            .push(format!("{protocol} {client} {server} {first} {last} part {part}: {sent} {state}"));
    }
}

fn tcp_segment(segment: &Segment<'_>) -> Option<TcpSegment> {
    let Transport::Tcp { sequence, acknowledgement, flags } = segment.transport else { return None };
    Some(TcpSegment { sequence, acknowledgement, flags, payload_length: segment.payload_length })
}

/// Packets between so few endpoints that they meet in every way, `gaps` seconds apart.
pub(super) fn packets(gaps: &'static [f64], most: usize) -> impl Strategy<Value = Vec<Sent>> {
    let address = |v6: bool, last: u8| match v6 {
        false => IpAddr::from([10, 0, 0, last]),
        true => IpAddr::from([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]),
    };
    let hosts = (prop::bool::weighted(0.2), 1..4_u8, 1..4_u8);
    let hosts = hosts.prop_map(move |(v6, a, b)| (address(v6, a), address(v6, b)));
    let ports = (select(&[80, 40_000, 40_001][..]), select(&[80, 5000][..]), any::<bool>());
    let flags = select(&[0x02, 0x12, 0x10, 0x18, 0x11, 0x11, 0x04, 0x14, 0x00, 0x29][..]);
    let numbers = select(&[0, 1, 100, 101, 5000, 1 << 31, u32::MAX][..]);
    let tcp = (flags, numbers.clone(), numbers);
    let tcp = tcp.prop_map(|(flags, sequence, acknowledgement)| {
        Some(Tcp { flags: TcpFlags::from_bits_retain(flags), sequence, acknowledgement })
    });
    let what = prop_oneof![5 => tcp, 2 => Just(None)];
    let packet = (select(gaps), hosts, ports, what, select(&[0, 1, 100][..]), 0..20_u8);
    prop::collection::vec(packet, 1..most).prop_map(|packets| {
        let mut now = 1000.0;
        let sent = |(gap, (a, b), (p, q, swap), what, length, rare): (f64, _, _, _, usize, u8)| {
            now += gap;
            let (from, to) = if swap { ((b, q), (a, p)) } else { ((a, p), (b, q)) };
            let payload = vec![0; length];
            match (rare, what) {
                (0, _) => Sent::icmp(now, a, b, if a.is_ipv4() { 8 } else { 128 }, 0, &payload),
                (_, Some(tcp)) => Sent::tcp(now, from, to, tcp, &payload),
                (_, None) => Sent::udp(now, from, to, &payload),
            }
        };
        packets.into_iter().map(sent).collect()
    })
}
