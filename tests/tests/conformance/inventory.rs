//! Inventories: who an address was, and that nobody is made up.

use std::fmt::Write as _;

use watershed_aggregator::inventory::{FileFormat, FileInventory};
use watershed_aggregator::{Inventory, OpenInventory};
use watershed_model::{Timestamp, WorkloadKind};

/// Address or network, namespace, name, role.
type Entry = (&'static str, &'static str, &'static str, &'static str);

const ENTRIES: [Entry; 7] = [
    ("10.20.0.11", "shop", "web", "web"),
    ("10.20.0.12", "shop", "web", "web"),
    ("2001:db8::11", "shop", "web", "web"),
    ("10.20.0.0/16", "", "site-a", ""),
    ("10.20.0.0/28", "", "dmz", ""),
    ("2001:db8::/32", "", "site-b", ""),
    ("10.30.0.1", "bank", "web", "api"),
];

/// Whose an address is: the longest prefix, and nothing where there is none.
const WHOSE: [(&str, Option<(&str, WorkloadKind)>); 11] = [
    ("10.20.0.11", Some(("shop/web", WorkloadKind::Host))),
    ("10.20.0.12", Some(("shop/web", WorkloadKind::Host))),
    ("2001:db8::11", Some(("shop/web", WorkloadKind::Host))),
    ("10.20.0.13", Some(("dmz", WorkloadKind::Network))),
    ("10.20.0.16", Some(("site-a", WorkloadKind::Network))),
    ("10.20.255.255", Some(("site-a", WorkloadKind::Network))),
    ("2001:db8::12", Some(("site-b", WorkloadKind::Network))),
    ("10.30.0.1", Some(("bank/web", WorkloadKind::Host))),
    ("10.30.0.2", None),
    ("2001:db9::", None),
    ("::ffff:10.20.0.11", None),
];

/// Knows each address of the table, at any time; another name of the same workload is the same workload.
fn knows_whose_an_address_is(inventory: &impl Inventory) {
    for time in [Timestamp::MIN, Timestamp::default(), Timestamp::MAX] {
        for (address, whose) in WHOSE {
            let found = inventory.identify_at(address.parse().unwrap(), time);
            let told = found.map(|workload| (workload.to_string(), workload.kind));
            assert_eq!(told, whose.map(|(name, kind)| (name.to_owned(), kind)), "{address}");
        }
    }
    let who = |address: &str| inventory.identify_at(address.parse().unwrap(), Timestamp::default()).unwrap();
    assert_eq!(who("10.20.0.11"), who("2001:db8::11"));
    assert_eq!(who("10.20.0.11").labels.get("role").map(String::as_str), Some("web"));
    assert_eq!(who("10.30.0.1").labels.get("role").map(String::as_str), Some("api"));
    assert!(who("10.20.0.13").labels.is_empty());
}

fn yaml() -> String {
    let mut text = String::new();
    for (address, namespace, name, role) in ENTRIES {
        writeln!(text, "- address: '{address}'\n  name: {name}").unwrap();
        if !namespace.is_empty() {
            writeln!(text, "  namespace: {namespace}").unwrap();
        }
        if !role.is_empty() {
            writeln!(text, "  labels: {{role: {role}}}").unwrap();
        }
    }
    text
}

fn csv() -> String {
    let row = |(address, namespace, name, role): Entry| format!("{address},{name},{namespace},{role}\n");
    ENTRIES.map(row).into_iter().fold("address,name,namespace,role\n".to_owned(), |text, row| text + &row)
}

#[test]
fn files_conform_in_every_order() {
    for (format, text) in [(FileFormat::Yaml, yaml()), (FileFormat::Csv, csv())] {
        let inventory = FileInventory::parse("hosts", format, text.as_bytes()).unwrap();
        knows_whose_an_address_is(&inventory);
        knows_whose_an_address_is(&OpenInventory::from(inventory));
    }
    let (header, rows) = csv().split_once('\n').map(|(h, r)| (h.to_owned(), r.to_owned())).unwrap();
    let reversed: Vec<&str> = rows.lines().rev().collect();
    let text = format!("{header}\n{}\n", reversed.join("\n"));
    knows_whose_an_address_is(&FileInventory::parse("hosts", FileFormat::Csv, text.as_bytes()).unwrap());
}

#[test]
fn an_empty_inventory_knows_nobody() {
    for (address, _) in WHOSE {
        assert!(
            OpenInventory::default().identify_at(address.parse().unwrap(), Timestamp::default()).is_none()
        );
    }
}
