//! How a connection went, in Zeek's words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a connection went, as Zeek's `conn_state` says it.
///
/// Source: the description of `conn_state` in Zeek's `base/protocols/conn/main.zeek`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum ConnState {
    /// Attempt seen, no reply. For UDP: only the client sent.
    S0,
    /// Established, not (yet) terminated.
    S1,
    /// Normal establishment and termination. For UDP: both sides sent.
    Sf,
    /// Attempt rejected.
    Rej,
    /// Established, close attempt by the client seen, no reply from the server.
    S2,
    /// Established, close attempt by the server seen, no reply from the client.
    S3,
    /// Established, the client aborted (sent a RST).
    Rsto,
    /// The server sent a RST.
    Rstr,
    /// The client sent a SYN followed by a RST; no SYN-ACK from the server seen.
    Rstos0,
    /// The server sent a SYN-ACK followed by a RST; no SYN from the client seen.
    Rstrh,
    /// The client sent a SYN followed by a FIN; no SYN-ACK from the server seen.
    Sh,
    /// The server sent a SYN-ACK followed by a FIN; no SYN from the client seen. For UDP: only the server sent.
    Shr,
    /// No SYN seen: midstream traffic, or a protocol without connections.
    Oth,
}

impl ConnState {
    /// Every state, in declaration order.
    pub const ALL: [Self; 13] = [
        Self::S0,
        Self::S1,
        Self::Sf,
        Self::Rej,
        Self::S2,
        Self::S3,
        Self::Rsto,
        Self::Rstr,
        Self::Rstos0,
        Self::Rstrh,
        Self::Sh,
        Self::Shr,
        Self::Oth,
    ];

    /// How the same connection went with client and server turned round.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::S2 => Self::S3,
            Self::S3 => Self::S2,
            Self::Rsto => Self::Rstr,
            Self::Rstr => Self::Rsto,
            Self::Rstos0 => Self::Rstrh,
            Self::Rstrh => Self::Rstos0,
            Self::Sh => Self::Shr,
            Self::Shr => Self::Sh,
            Self::S0 | Self::S1 | Self::Sf | Self::Rej | Self::Oth => self,
        }
    }

    /// Zeek's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::Sf => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::Rstos0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }
}

impl fmt::Display for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
