//! Errors of the collector.

use std::path::PathBuf;
use std::{fmt, io};

/// Why a packet source could not be read, or not to its end.
///
/// Everything before the place that an error names has been handed out.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refuses to open it.
    #[error("cannot open {capture}: {error}")]
    Open {
        /// The capture.
        capture: String,
        /// The operating system's reason.
        error: io::Error,
    },
    /// It is a directory.
    #[error("cannot read {capture}: it is a directory; name the capture files in it")]
    Directory {
        /// The directory.
        capture: String,
    },
    /// More captures than can be told apart.
    #[error("cannot read {given} captures at once: at most {limit} can be merged; merge some of them first")]
    TooManyCaptures {
        /// How many were given.
        given: usize,
        /// How many are possible.
        limit: usize,
    },
    /// It holds nothing.
    #[error("cannot read {capture}: it is empty; a capture without packets has at least a file header")]
    Empty {
        /// The capture.
        capture: String,
    },
    /// It starts like no format that can be read.
    #[error(
        "cannot read {place}: not a capture: it starts with {first_bytes}{}; pcap and pcapng can be read, \
         plain or compressed with gzip or zstd", guess(.looks_like)
    )]
    NotACapture {
        /// The capture.
        place: Place,
        /// Its first octets, in hexadecimal.
        first_bytes: String,
        /// What it may be instead, and what to do with it.
        looks_like: Option<&'static str>,
    },
    /// It is of a version that cannot be read.
    #[error(
        "cannot read {place}: version {major}.{minor} of {format} is not supported; rewrite the capture with \
         a current tool"
    )]
    Version {
        /// Where the version was found.
        place: Place,
        /// The format.
        format: &'static str,
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The operating system fails to read on.
    #[error("cannot read on at {place}: {error}; everything before is kept")]
    Read {
        /// Where.
        place: Place,
        /// The operating system's reason.
        error: io::Error,
    },
    /// The compressed data is damaged.
    #[error(
        "cannot decompress on at {place}: {error}; everything before is kept, get a sound copy for the rest"
    )]
    Decompress {
        /// Where, in the decompressed data.
        place: Place,
        /// The decompressor's reason.
        error: io::Error,
    },
    /// It ends in the middle of a packet.
    #[error(
        "{place}: the capture is cut in the middle of a packet or header that starts here: {reason}; \
         everything before is kept, get a complete copy for the rest"
    )]
    Cut {
        /// Where the packet, block or header starts that is cut.
        place: Place,
        /// What is missing.
        reason: String,
    },
    /// It contradicts itself.
    #[error("{place}: the capture is damaged: {found}; everything before is kept, the rest is not read")]
    Corrupt {
        /// Where the packet or block starts that is damaged.
        place: Place,
        /// What was found.
        found: String,
    },
    /// This build cannot capture.
    #[error(
        "cannot capture on {interface}: this build reads files only; install libpcap's headers (Debian: apt \
         install libpcap-dev; Fedora: dnf install libpcap-devel) and build with: cargo build --release \
         --features live --bin watershed"
    )]
    LiveDisabled {
        /// What was asked for.
        interface: String,
    },
    /// There is no such interface.
    #[error("cannot capture on {interface}: there is no such interface; up are: {known}")]
    NoInterface {
        /// What was asked for.
        interface: String,
        /// What there is.
        known: String,
    },
    /// The interface cannot be opened.
    #[error(
        "cannot capture on {interface}: {reason}; capturing needs root, or the capability: setcap \
         cap_net_raw+ep watershed; and the interface has to be up"
    )]
    Interface {
        /// The interface.
        interface: String,
        /// libpcap's reason.
        reason: String,
    },
    /// The kernel does not share the interface's packets out to several threads.
    #[error(
        "cannot share {interface} out to several threads (PACKET_FANOUT): {reason}; capture with one thread \
         (capture.threads = 1)"
    )]
    Group {
        /// The interface.
        interface: String,
        /// The kernel's reason.
        reason: String,
    },
    /// Threads that captured are gone before their end.
    #[error(
        "{unfinished} threads that captured have stopped by a defect; what they had not handed out is lost"
    )]
    Thread {
        /// How many.
        unfinished: usize,
    },
    /// The filter is none.
    #[error("cannot filter {interface} by `{filter}`: {reason}; the language is that of pcap-filter(7)")]
    Filter {
        /// The filter as given.
        filter: String,
        /// The interface, whose link type decides what can be filtered by.
        interface: String,
        /// libpcap's reason.
        reason: String,
    },
    /// Waiting for packets failed.
    #[error("cannot wait for packets: {error}; everything before is kept")]
    Wait {
        /// The operating system's reason.
        error: io::Error,
    },
    /// The kernel keeps privileges from being dropped.
    #[error("cannot drop privileges: {reason}; nothing was captured")]
    Privileges {
        /// The operating system's reason.
        reason: String,
    },
    /// The process may not become another user.
    #[error(
        "cannot become user {uid}: {reason}; start as root with CAP_SETUID and CAP_SETGID, or as that user with \
         CAP_NET_RAW"
    )]
    User {
        /// Whom it was to become.
        uid: u32,
        /// The operating system's reason.
        reason: String,
    },
}

impl SourceError {
    /// Whether the source merely ends too early, as captures do that are still being written or whose disk
    /// was full. What is there is sound.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }
}

fn guess(looks_like: &Option<&'static str>) -> String {
    looks_like.map_or_else(String::new, |what| format!(" and looks like {what}"))
}

/// A place in a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The capture's path, or `standard input`.
    pub capture: String,
    /// Octets before the place.
    pub offset: u64,
    /// Whether the octets are counted after decompression.
    pub decompressed: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capture, offset, decompressed } = self;
        match decompressed {
            false => write!(f, "{capture}, byte {offset}"),
            true => write!(f, "{capture}, byte {offset} of the decompressed data"),
        }
    }
}

/// Why batches could not be shipped.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Whoever took them is gone.
    #[error("cannot ship a batch: its receiver has stopped")]
    Gone,
    /// This build cannot ship to Kafka.
    #[error(
        "cannot ship to Kafka at {brokers}: this build has no Kafka in it; install OpenSSL's headers (Debian: \
         apt install libssl-dev; Fedora: dnf install openssl-devel) and build with: cargo build --release \
         --features kafka --bin watershed"
    )]
    KafkaDisabled {
        /// What was asked for.
        brokers: String,
    },
    /// The settings for Kafka contradict each other, or name files that cannot be read.
    #[error("cannot ship to Kafka at {brokers}: {reason}")]
    Kafka {
        /// The brokers.
        brokers: String,
        /// The client library's reason.
        reason: String,
    },
    /// The spool's directory cannot be used.
    #[error(
        "cannot use the spool directory {}: {error}; name one that this user may write to with --spool",
        directory.display()
    )]
    Spool {
        /// The directory.
        directory: PathBuf,
        /// The operating system's reason.
        error: io::Error,
    },
    /// Another agent has it.
    #[error(
        "cannot use the spool directory {}: another process uses it; give each agent its own with --spool",
        directory.display()
    )]
    SpoolInUse {
        /// The directory.
        directory: PathBuf,
    },
}

/// Why collecting stopped before its source ended.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// A batch could not be shipped.
    #[error(transparent)]
    Sink(#[from] SinkError),
}
