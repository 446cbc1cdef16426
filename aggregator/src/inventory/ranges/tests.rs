//! Lists and databases that name networks, right ones and wrong ones.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::InventoryConfig;
use crate::inventory::{FileFormat, FileInventory, Inventory as _, OpenInventory, open};

fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn who(ranges: &Ranges, address: &str) -> Option<String> {
    let workload = ranges.find(address.parse().unwrap())?;
    assert_eq!(workload.kind, WorkloadKind::Network);
    let labels = workload.labels.iter().map(|(key, value)| format!(" {key}={value}"));
    Some(format!("{}{}", workload.name, labels.collect::<String>()))
}

const LIST: &str = "\
# what they publish
198.51.100.0/24 Example Cloud
198.51.100.128/25, Example CDN  # the inner one
2001:db8::/32;\"Example Cloud\"
203.0.113.7
";

#[test]
fn a_list_names_networks() {
    let folder = tempfile::tempdir().unwrap();
    let ranges = Ranges::load(&[write(&folder, "partners.txt", LIST)]).unwrap();
    assert_eq!(who(&ranges, "198.51.100.1").as_deref(), Some("Example Cloud"));
    assert_eq!(who(&ranges, "198.51.100.129").as_deref(), Some("Example CDN"));
    assert_eq!(who(&ranges, "2001:db8::1").as_deref(), Some("Example Cloud"));
    assert_eq!(who(&ranges, "203.0.113.7").as_deref(), Some("partners"), "called as the file is");
    assert_eq!(who(&ranges, "203.0.113.8"), None);
}

#[test]
fn wrong_lines_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "cloud.csv", "198.51.100.1/24 x\n\nexample.com\n");
    let told = Ranges::load(&[path]).unwrap_err().to_string();
    assert!(told.contains("cloud.csv: 2 problems"), "{told}");
    assert!(told.contains("line 1, column 1: `198.51.100.1/24` has bits set behind its prefix"), "{told}");
    assert!(told.contains("line 3, column 1: `example.com` is no address and no network"), "{told}");
    let told = Ranges::load(&[write(&folder, "none.txt", "# nothing\n")]).unwrap_err().to_string();
    assert!(told.ends_with("there are no networks; write one a line, such as 192.0.2.0/24"), "{told}");
    let told = Ranges::load(&[folder.path().join("missing.txt")]).unwrap_err().to_string();
    assert!(told.starts_with("cannot read inventory ") && told.contains("missing.txt"), "{told}");
}

#[test]
fn a_database_names_networks_by_who_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let system = map(&[
        ("autonomous_system_number", unsigned(64_500)),
        ("autonomous_system_organization", text("Example Net")),
    ]);
    let country = map(&[("country", map(&[("iso_code", text("DE"))]))]);
    let other = map(&[("connection_type", text("Cable"))]);
    let bytes = database(&[(0, system), (1, country), (3, other)]);
    let ranges = Ranges::load(&[write(&folder, "asn.mmdb", &bytes)]).unwrap();
    assert_eq!(who(&ranges, "10.0.0.1").as_deref(), Some("Example Net asn=AS64500"));
    assert_eq!(who(&ranges, "64.0.0.1").as_deref(), Some("DE country=DE"));
    assert_eq!((who(&ranges, "128.0.0.1"), who(&ranges, "192.0.0.1")), (None, None));
    assert_eq!(who(&ranges, "2001:db8::1"), None);

    let nameless = database(&[(0, map(&[("connection_type", text("Cable"))]))]);
    for (bytes, told) in
        [(&nameless[..], "use a database by autonomous system"), (b"no database", "cannot use ranges")]
    {
        let error = Ranges::load(&[write(&folder, "other.mmdb", bytes)]).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn ranges_are_asked_last_and_the_first_file_first() {
    let folder = tempfile::tempdir().unwrap();
    let config = InventoryConfig {
        file: Some(write(&folder, "hosts.csv", "address,name\n10.0.0.0/8,site\n")),
        ranges: vec![
            write(&folder, "ours.txt", "10.0.0.1 never\n192.0.2.0/24 partner\n"),
            write(&folder, "theirs.txt", "192.0.2.1 other\n198.51.100.0/24 cloud\n"),
        ],
        ..InventoryConfig::default()
    };
    let inventory = open(&config).unwrap();
    let who = |address: &str| {
        inventory.identify_at(address.parse().unwrap(), Default::default()).map(ToString::to_string)
    };
    assert_eq!(who("10.0.0.1").as_deref(), Some("site"));
    assert_eq!(who("192.0.2.1").as_deref(), Some("partner"));
    assert_eq!(who("198.51.100.1").as_deref(), Some("cloud"));
    assert_eq!(who("203.0.113.1"), None);
    let told = inventory.tenures("198.51.100.1".parse().unwrap());
    assert_eq!((told.len(), told[0].source, told[0].workload.name.as_str()), (1, None, "cloud"));
    let plain = FileInventory::parse("x", FileFormat::Csv, b"address,name\n10.0.0.1,a\n").unwrap();
    assert!(OpenInventory::from(plain).tenures("198.51.100.1".parse().unwrap()).is_empty());
}

proptest! {
    #![proptest_config(crate::testing::seeded(300))]

    #[test]
    fn no_bytes_make_it_panic(
        text in "[-a-c0-2:./,;# \n\"]{0,60}",
        (at, octet) in (any::<prop::sample::Index>(), any::<u8>()),
        cut in any::<prop::sample::Index>(),
    ) {
        let _ = list(&text, "x");
        let mut bytes = database(&[(0, map(&[("isp", self::text("Example"))]))]);
        let place = at.index(bytes.len());
        bytes[place] = octet;
        let _ = mmdb::read(bytes.clone());
        bytes.truncate(cut.index(bytes.len()));
        let _ = mmdb::read(bytes);
    }
}

/// A string as the format has it, of up to 284 octets.
fn text(text: &str) -> Vec<u8> {
    let (short, more) = (text.len().min(29), text.len().checked_sub(29));
    let more: Vec<u8> = more.into_iter().map(|more| more as u8).collect();
    [&[0x40 | short as u8], &more[..], text.as_bytes()].concat()
}

fn unsigned(number: u32) -> Vec<u8> {
    [&[0xc4][..], &number.to_be_bytes()].concat()
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs_in_order = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()]);
    [vec![0xe0 | pairs.len() as u8], pairs_in_order.collect::<Vec<_>>().concat()].concat()
}

/// An IPv4 database of the four networks 0.0.0.0/2, 64.0.0.0/2 ..., by their numbers: three nodes with records of 24
/// bits, the data, and the metadata.
fn database(networks: &[(usize, Vec<u8>)]) -> Vec<u8> {
    const NODES: u32 = 3;
    let mut data = Vec::new();
    let mut leaves = [NODES; 4];
    for (number, value) in networks {
        leaves[*number] = NODES + 16 + data.len() as u32;
        data.extend(value);
    }
    let records = [1, 2, leaves[0], leaves[1], leaves[2], leaves[3]];
    let tree: Vec<u8> = records.iter().flat_map(|record| record.to_be_bytes()[1..].to_vec()).collect();
    let metadata = map(&[
        ("binary_format_major_version", vec![0xa1, 2]),
        ("binary_format_minor_version", vec![0xa1, 0]),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", text("Example")),
        ("description", map(&[])),
        ("ip_version", vec![0xa1, 4]),
        ("languages", vec![0x00, 0x04]),
        ("node_count", unsigned(NODES)),
        ("record_size", vec![0xa1, 24]),
    ]);
    [tree, vec![0; 16], data, b"\xab\xcd\xefMaxMind.com".to_vec(), metadata].concat()
}
