//! How a TCP client opens: with a TLS ClientHello or an HTTP request.

use watershed_model::Evidence;

use super::{Findings, Gathered, MAX_SEGMENTS_AHEAD, Payload, Side, behind};
use crate::names::assembly::Assembly;
use crate::names::{Reading, http, tls};

/// Octets with which Ethernet pads a TCP segment without payload (60 - 14 - 20 - 20). Some devices count
/// them into the IP length, and the stream's true octets come under the same sequence numbers.
const MAX_PADDING: usize = 6;

/// The first bytes that one side of a TCP connection sent.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Where the opening starts in the side's stream: behind a CONNECT request's head, else 0.
    start: u32,
    state: OpeningState,
}

#[derive(Debug, Default)]
enum OpeningState {
    /// No byte seen yet.
    #[default]
    Fresh,
    /// Waiting for more bytes.
    Partial(Box<Assembly>),
    /// It is no client's opening, or cannot be read.
    Closed,
}

impl Opening {
    /// Whether nothing more is to be found in it.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, OpeningState::Closed)
    }

    const fn is_fresh(&self) -> bool {
        matches!(self.state, OpeningState::Fresh)
    }

    /// Whether the client's opening has been read to its end.
    pub(super) fn read(
        &mut self,
        payload: &Payload<'_>,
        findings: &mut Findings,
        gathered: &mut Gathered,
    ) -> bool {
        let Some((offset, bytes)) = behind(self.start, payload) else {
            return false;
        };
        if offset == 0 && is_padding(bytes) {
            return false;
        }
        // Most streams are something else, and their first octet tells.
        let first = bytes[0];
        if offset == 0 && self.is_fresh() && !tls::may_begin_with(first) && !http::may_begin_with(first) {
            self.state = OpeningState::Closed;
            return false;
        }
        let mut waiting = match std::mem::replace(&mut self.state, OpeningState::Closed) {
            OpeningState::Closed => return false,
            OpeningState::Fresh if offset == 0 => None,
            OpeningState::Fresh => Some(Box::new(Assembly::new(MAX_SEGMENTS_AHEAD))),
            OpeningState::Partial(waiting) => Some(waiting),
        };
        let full = waiting.as_mut().is_some_and(|waiting| waiting.insert(offset, bytes).is_err());
        let stream = waiting.as_ref().map_or(bytes, |waiting| waiting.prefix());
        let skip = match self.look(stream, payload.from, findings) {
            Look::End => return true,
            Look::Other => return false,
            Look::Wait(_) if payload.cut && !stream.is_empty() => return true,
            Look::Wait(skip) => skip,
        };
        self.start = self.start.wrapping_add(u32::try_from(skip).unwrap_or(u32::MAX));
        if full || !self.wait(waiting, skip, bytes) {
            gathered.limited += 1;
        }
        false
    }

    /// Keeps what may be the start of an opening, behind the first `skip` octets; whether there is room.
    fn wait(&mut self, waiting: Option<Box<Assembly>>, skip: usize, first: &[u8]) -> bool {
        let waiting = if let Some(mut waiting) = waiting {
            waiting.advance(skip);
            waiting
        } else {
            let rest = &first[skip..];
            let mut waiting = Box::new(Assembly::new(MAX_SEGMENTS_AHEAD));
            if !rest.is_empty() && waiting.insert(0, rest).is_err() {
                return false;
            }
            waiting
        };
        self.state = if waiting.is_empty() { OpeningState::Fresh } else { OpeningState::Partial(waiting) };
        true
    }

    /// Reads the start of a stream; behind a CONNECT request also what runs in its tunnel.
    fn look(&self, stream: &[u8], from: Side, findings: &mut Findings) -> Look {
        let look = look(stream, from, findings);
        if self.start != 0 || look != Look::End || !http::is_connect(stream) {
            return look;
        }
        match http::head_length(stream) {
            None => Look::Wait(0),
            Some(length) if length == stream.len() => Look::Wait(length),
            Some(length) => match self::look(&stream[length..], from, findings) {
                Look::Wait(skip) => Look::Wait(length + skip),
                inside => inside,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// The client's opening has been read to its end.
    End,
    /// It is no client's opening.
    Other,
    /// More bytes are needed, behind the first so many.
    Wait(usize),
}

/// Reads the start of a stream as each protocol in turn.
fn look(stream: &[u8], from: Side, findings: &mut Findings) -> Look {
    let tls = tls::server_name(stream);
    if tls.recognised() {
        findings.client(from, Evidence::TLS_CLIENT_HELLO);
    }
    match tls {
        Reading::Name(name) => {
            findings.hints.tls_server_name.get_or_insert(name);
            return Look::End;
        }
        Reading::NoName => return Look::End,
        Reading::Partial | Reading::NeedMore => return Look::Wait(0),
        Reading::Other => {}
    }
    let http = http::host(stream);
    if http.recognised() {
        findings.client(from, Evidence::HTTP_REQUEST);
    }
    match http {
        Reading::Name(name) => {
            findings.hints.http_host.get_or_insert(name);
            Look::End
        }
        Reading::NoName => Look::End,
        Reading::Partial | Reading::NeedMore => Look::Wait(0),
        Reading::Other => Look::Other,
    }
}

/// Whether the start of a TCP stream looks like Ethernet padding; neither TLS nor HTTP starts with a zero.
fn is_padding(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_PADDING && bytes.iter().all(|&byte| byte == 0)
}
