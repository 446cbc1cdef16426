//! Conversations without connections: a request and its response over UDP or ICMP.

use std::net::IpAddr;
use std::time::Duration;

use watershed_model::{Endpoint, Timestamp};

use super::Packet;
use super::ip::{self, Echo};

/// A UDP request at `time`, and its response one `pace` later where there is one.
#[must_use]
pub fn udp(
    (client, server): (Endpoint, Endpoint),
    (time, pace): (Timestamp, Duration),
    request: &[u8],
    response: Option<&[u8]>,
) -> Vec<Packet> {
    let packet = |time, from: Endpoint, to: Endpoint, payload| {
        let mut bytes = Vec::new();
        ip::udp(&mut bytes, from, to, payload);
        Packet { time, from: from.address, to: to.address, bytes }
    };
    let answer = response.map(|payload| packet(time.plus(pace), server, client, payload));
    [packet(time, client, server, request)].into_iter().chain(answer).collect()
}

/// A ping at `time` and, where `answered`, the reply one `pace` later.
#[must_use]
pub fn ping(
    (client, server): (IpAddr, IpAddr),
    (time, pace): (Timestamp, Duration),
    sequence: u16,
    answered: bool,
) -> Vec<Packet> {
    const IDENTIFIER: u16 = 77;
    const PAYLOAD: [u8; 56] = [0; 56];
    let packet = |time, from, to, echo| {
        let mut bytes = Vec::new();
        ip::echo(&mut bytes, from, to, echo, (IDENTIFIER, sequence), &PAYLOAD);
        Packet { time, from, to, bytes }
    };
    let reply = answered.then(|| packet(time.plus(pace), server, client, Echo::Reply));
    [packet(time, client, server, Echo::Request)].into_iter().chain(reply).collect()
}
