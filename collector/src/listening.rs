//! What this host listens on, as its kernel tells: who is the server of a connection that was met in the middle.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use watershed_model::{Endpoint, Protocol};

/// Sockets and addresses that are heeded, of each table; a host has tens.
const MAX_LINES: usize = 100_000;

/// Ports from here on are given to clients by Linux: a datagram's socket with one may be a client's.
const EPHEMERAL: u16 = 32768;

/// States of sockets in the kernel's tables (`net/tcp_states.h`).
const LISTEN: u8 = 0x0A;
const UNCONNECTED: u8 = 0x07;

/// What a host listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Ports of one address; of every address of the host where there is none.
    listening: HashSet<(Protocol, Option<IpAddr>, u16)>,
    addresses: HashSet<IpAddr>,
}

impl Sockets {
    /// Reads what the host that this runs on, or whose network namespace it runs in, listens on; `net` is
    /// `/proc/self/net`, which everybody may read. A table that there is not, as without IPv6, is empty.
    ///
    /// # Errors
    ///
    /// A table cannot be read.
    pub fn read(net: &Path) -> io::Result<Self> {
        let table = |name: &str| match fs::read_to_string(net.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        };
        let mut sockets = Self::default();
        for (name, protocol, state) in [
            ("tcp", Protocol::TCP, LISTEN),
            ("tcp6", Protocol::TCP, LISTEN),
            ("udp", Protocol::UDP, UNCONNECTED),
            ("udp6", Protocol::UDP, UNCONNECTED),
        ] {
            sockets.add_table(&table(name)?, protocol, state);
        }
        sockets.add_addresses(&table("fib_trie")?, &table("if_inet6")?);
        Ok(sockets)
    }

    fn add_table(&mut self, table: &str, protocol: Protocol, wanted: u8) {
        for line in table.lines().skip(1).take(MAX_LINES) {
            let Some((address, port, state)) = socket(line) else { continue };
            // What asks without being connected looks as what is asked; only the port tells.
            if state != wanted || (protocol == Protocol::UDP && port >= EPHEMERAL) {
                continue;
            }
            self.listening.insert((protocol, Some(address).filter(|ip| !ip.is_unspecified()), port));
        }
    }

    /// The host's addresses: those of IPv4 are where its routes end.
    fn add_addresses(&mut self, fib_trie: &str, if_inet6: &str) {
        let mut last = None;
        for line in fib_trie.lines().take(MAX_LINES).map(str::trim) {
            if let Some(address) = line.strip_prefix("|-- ") {
                last = address.parse::<Ipv4Addr>().ok();
            } else if line == "/32 host LOCAL" {
                self.addresses.extend(last.map(IpAddr::V4));
            }
        }
        let six = if_inet6.lines().take(MAX_LINES).filter_map(|line| line.split_whitespace().next());
        let six = six.filter_map(|digits| u128::from_str_radix(digits, 16).ok());
        self.addresses.extend(six.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))));
    }

    /// Whether the host listens on this end.
    #[must_use]
    pub fn has(&self, end: Endpoint, protocol: Protocol) -> bool {
        let (address, port) = (end.address.to_canonical(), end.port);
        !self.listening.is_empty()
            && (self.listening.contains(&(protocol, Some(address), port))
                || (self.listening.contains(&(protocol, None, port)) && self.addresses.contains(&address)))
    }
}

/// Address, port and state of a line of the kernel's tables: `  0: 0100007F:1F90 00000000:0000 0A ...`, where the address
/// is words in the order of the processor.
fn socket(line: &str) -> Option<(IpAddr, u16, u8)> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        Some(u32::from_be_bytes(word.to_ne_bytes()))
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from_bits(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bits = words.into_iter().fold(0, |bits, word| bits << 32 | u128::from(word));
            Ipv6Addr::from_bits(bits).to_canonical()
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?, u8::from_str_radix(state, 16).ok()?))
}

/// What the host listens on by now, shared between who looks and who captures. Empty where nobody looks.
#[derive(Clone, Debug, Default)]
pub struct Listening(Arc<RwLock<Arc<Sockets>>>);

impl Listening {
    /// Says what the host listens on from now on.
    pub fn set(&self, sockets: Sockets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sockets);
    }

    /// Whether anybody but who asks still heeds it.
    #[must_use]
    pub fn is_heeded(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// What the host listens on.
    #[must_use]
    pub fn get(&self) -> Arc<Sockets> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is seen by now is no setting: two that are set up alike are alike.
impl PartialEq for Listening {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Listening {}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:C351 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 0A4D0002:C352 0A4D0001:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
";
    const TCP6: &str =
        "head\n   0: 0000000000000000FFFF00000200000A:0050 00000000000000000000000000000000:0000 0A x\n";
    const UDP: &str =
        "head\n   0: 00000000:0035 00000000:0000 07 x\n   1: 00000000:9C40 00000000:0000 07 x\n";
    const FIB: &str = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.77.0.0\n        /24 link UNICAST\n     |-- 10.77.0.2\n        /32 host LOCAL\n";
    const SIX: &str = "fe800000000000000000000000000001 02 40 20 80     eth0\n";

    fn sockets(folder: &Path) -> Sockets {
        for (name, text) in [("tcp", TCP), ("tcp6", TCP6), ("udp", UDP), ("fib_trie", FIB), ("if_inet6", SIX)]
        {
            fs::write(folder.join(name), text).unwrap();
        }
        Sockets::read(folder).unwrap()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_host_listens_on_what_its_kernel_says() {
        let folder = tempfile::tempdir().unwrap();
        let sockets = sockets(folder.path());
        let has = |address: &str, port, protocol| {
            sockets.has(Endpoint { address: address.parse().unwrap(), port }, protocol)
        };
        assert!(has("127.0.0.1", 8080, Protocol::TCP) && !has("10.77.0.2", 8080, Protocol::TCP));
        assert!(has("10.77.0.2", 50_001, Protocol::TCP) && has("fe80::1", 50_001, Protocol::TCP));
        assert!(!has("10.77.0.1", 50_001, Protocol::TCP), "that is another host's");
        assert!(!has("10.77.0.2", 50_002, Protocol::TCP), "that is a connection");
        assert!(has("10.0.0.2", 80, Protocol::TCP) && has("::ffff:10.0.0.2", 80, Protocol::TCP));
        assert!(has("10.77.0.2", 53, Protocol::UDP) && !has("10.77.0.2", 40_000, Protocol::UDP));
    }

    #[test]
    fn what_is_no_table_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Sockets::read(folder.path()).unwrap(), Sockets::default());
        let mut sockets = Sockets::default();
        sockets.add_table(
            "\n0: 7F:1 x 0A\n0: 0100007F\n0: ü000007F:1F90 a 0A\n0: é100007:1F90 a 0A\n",
            Protocol::TCP,
            LISTEN,
        );
        assert_eq!(sockets, Sockets::default());
    }
}
