//! The kernel's tables of sockets, which everybody may read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

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
    sockets: Vec<Socket>,
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) protocol: Protocol,
    /// Unspecified where it listens on every address of the host: `::` on those of IPv4, too.
    address: IpAddr,
    port: u16,
    /// The number of the user who opened it.
    pub(super) user: u32,
    /// By which processes' open files know it.
    pub(super) inode: u64,
}

/// An address, and a port of it.
pub(super) type End = (IpAddr, Protocol, u16);

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
            let Some((socket, state)) = socket(line, protocol) else { continue };
            // What asks without being connected looks as what is asked; only the port tells.
            if state != wanted || (protocol == Protocol::UDP && socket.port >= EPHEMERAL) {
                continue;
            }
            let address = Some(socket.address).filter(|ip| !ip.is_unspecified());
            self.listening.insert((protocol, address, socket.port));
            self.sockets.push(socket);
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

    /// The listening sockets, in the order of the tables.
    pub(super) fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Which sockets get what comes to each end that others may reach: to a port of an address those that are bound to
    /// that address, else those of every address of its family, else those of all.
    pub(super) fn ends(&self) -> BTreeMap<End, Vec<Socket>> {
        let mut ports: BTreeMap<(Protocol, u16), Vec<Socket>> = BTreeMap::new();
        for socket in &self.sockets {
            ports.entry((socket.protocol, socket.port)).or_default().push(*socket);
        }
        let mut ends = BTreeMap::new();
        for ((protocol, port), sockets) in ports {
            let bound =
                sockets.iter().map(|socket| socket.address).filter(|address| !address.is_unspecified());
            let addresses: BTreeSet<IpAddr> = self.addresses.iter().copied().chain(bound).collect();
            for address in addresses.into_iter().filter(is_reached_by_others) {
                let nearest = sockets.iter().filter_map(|socket| socket.distance(address)).min();
                let gets = |socket: &Socket| nearest.is_some() && socket.distance(address) == nearest;
                let getting: Vec<Socket> = sockets.iter().copied().filter(gets).collect();
                if !getting.is_empty() {
                    ends.insert((address, protocol, port), getting);
                }
            }
        }
        ends
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

impl Socket {
    /// How far from what it is bound to an address is; `None` where it gets nothing that comes there.
    fn distance(&self, address: IpAddr) -> Option<u8> {
        match self.address {
            own if own == address => Some(0),
            own if !own.is_unspecified() => None,
            all if all.is_ipv4() == address.is_ipv4() => Some(1),
            all => all.is_ipv6().then_some(2),
        }
    }
}

/// Not those that mean something on one host, or one link, only.
fn is_reached_by_others(address: &IpAddr) -> bool {
    let on_link = matches!(address, IpAddr::V6(six) if six.is_unicast_link_local());
    !address.is_loopback() && !on_link
}

/// The socket and its state of a line of the kernel's tables: `0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 33 0 4711`,
/// where the address is words in the order of the processor, 33 the user and 4711 the inode.
fn socket(line: &str, protocol: Protocol) -> Option<(Socket, u8)> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let (user, inode) = (fields.nth(3)?.parse().ok()?, fields.nth(1)?.parse().ok()?);
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
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((Socket { protocol, address, port, user, inode }, u8::from_str_radix(state, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 11 1 0 100 0 0 10 0
   1: 00000000:C351 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 0A4D0002:C352 0A4D0001:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
";
    const TCP6: &str = "head\n   0: 0000000000000000FFFF00000200000A:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 12 x\n";
    const UDP: &str = "head\n   0: 00000000:0035 00000000:0000 07 0:0 00:0 0 0 0 13 x\n   1: 00000000:9C40 00000000:0000 07 0:0 00:0 0 0 0 14 x\n";
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
            "\n0: 7F:1 x 0A b c 0 0 0 1\n0: 0100007F\n0: ü000007F:1F90 a 0A b c 0 0 0 1\n0: é100007:1F90 a 0A b c 0 0 0 1\n\
            0: 0100007F:1F90 a 0A b c 0 -1 0 1\n0: 0100007F:1F90 a 0A b c 0 0 0\n",
            Protocol::TCP,
            LISTEN,
        );
        assert_eq!(sockets, Sockets::default());
    }

    /// What is bound to an address comes before what is bound to all, and what is of one family before what is of both.
    #[test]
    fn an_end_is_its_nearest_sockets() {
        let socket = |address: &str, inode| Socket {
            protocol: Protocol::TCP,
            address: address.parse().unwrap(),
            port: 80,
            user: 0,
            inode,
        };
        let addresses = ["127.0.0.1", "10.77.0.2", "10.77.0.3", "fd00::2", "fe80::1", "::1"];
        let ends = |bound: &[(&str, u64)]| {
            let sockets = Sockets {
                addresses: addresses.map(|address| address.parse().unwrap()).into(),
                sockets: bound.iter().map(|&(address, inode)| socket(address, inode)).collect(),
                ..Sockets::default()
            };
            let inodes = |sockets: Vec<Socket>| sockets.iter().map(|socket| socket.inode).collect::<Vec<_>>();
            let ends = sockets.ends().into_iter();
            ends.map(|((address, ..), sockets)| (address.to_string(), inodes(sockets))).collect::<Vec<_>>()
        };
        let told = |ends: &[(&str, &[u64])]| {
            ends.iter().map(|(address, inodes)| ((*address).to_owned(), inodes.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(ends(&[("127.0.0.1", 1), ("::1", 2), ("fe80::1", 3)]), [], "nobody else gets there");
        assert_eq!(ends(&[("::", 1)]), told(&[("10.77.0.2", &[1]), ("10.77.0.3", &[1]), ("fd00::2", &[1])]));
        assert_eq!(ends(&[("0.0.0.0", 1)]), told(&[("10.77.0.2", &[1]), ("10.77.0.3", &[1])]));
        assert_eq!(
            ends(&[("::", 1), ("0.0.0.0", 2), ("0.0.0.0", 3), ("10.77.0.3", 4)]),
            told(&[("10.77.0.2", &[2, 3]), ("10.77.0.3", &[4]), ("fd00::2", &[1])])
        );
    }
}
