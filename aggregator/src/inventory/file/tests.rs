//! What a user's inventory file gives, and what they are told when it is wrong.

use proptest::prelude::*;
use watershed_model::{Timestamp, Workload, WorkloadKind};

use super::*;

fn yaml(text: &str) -> Result<FileInventory, InventoryProblems> {
    FileInventory::parse("hosts.yaml", FileFormat::Yaml, text.as_bytes())
}

fn csv(text: &str) -> Result<FileInventory, InventoryProblems> {
    FileInventory::parse("hosts.csv", FileFormat::Csv, text.as_bytes())
}

fn who<'a>(inventory: &'a FileInventory, address: &str) -> Option<&'a Workload> {
    inventory.identify_at(address.parse().unwrap(), Timestamp::default()).map(AsRef::as_ref)
}

#[track_caller]
fn told(result: Result<FileInventory, InventoryProblems>, expected: &[&str]) {
    let problems: Vec<String> = result.unwrap_err().problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expected);
}

const SHOP: &str = "\
# the shop
- name: web
  namespace: shop
  addresses: [10.20.0.11, 10.20.0.12, '2001:db8::11']
  labels: {role: web, app: shop, env: lab, loc: site-a, tier: 1}
- address: 10.20.0.0/16
  name: site-a
";

#[test]
fn both_formats_give_the_same_workloads() {
    let from_csv = csv("\
address,name,namespace,role,app,env,loc,tier
# two machines
10.20.0.11,web,shop,web,shop,lab,site-a,1
10.20.0.12 , web, shop, web, shop, lab, site-a, 1

2001:db8::11,web,shop,web,shop,lab,site-a,1
10.20.0.0/16,site-a,,,,,,
")
    .unwrap();
    let from_yaml = yaml(SHOP).unwrap();
    assert_eq!(from_csv.history().workloads(), from_yaml.history().workloads());
    for inventory in [&from_csv, &from_yaml] {
        let web = who(inventory, "10.20.0.12").unwrap();
        assert_eq!((web.to_string().as_str(), web.kind), ("shop/web", WorkloadKind::Host));
        assert_eq!(web.labels.get("tier").map(String::as_str), Some("1"));
        assert_eq!(who(inventory, "2001:db8::11"), Some(web));
        let site = who(inventory, "10.20.0.13").unwrap();
        assert_eq!((site.name.as_str(), site.kind), ("site-a", WorkloadKind::Network));
        assert_eq!(who(inventory, "10.21.0.13"), None);
    }
}

#[test]
fn what_lies_inside_another_entry_is_reported() {
    let overlaps: Vec<String> = yaml(SHOP).unwrap().overlaps().iter().map(ToString::to_string).collect();
    assert_eq!(
        overlaps,
        [
            "line 4: 10.20.0.11/32 (web) lies in 10.20.0.0/16 (site-a) of line 6; the longer prefix wins",
            "line 4: 10.20.0.12/32 (web) lies in 10.20.0.0/16 (site-a) of line 6; the longer prefix wins",
        ]
    );
}

#[test]
fn every_wrong_line_of_a_yaml_file_is_told() {
    told(
        yaml(
            "\
- name: a
  adress: 10.0.0.1
- name: b
  address: 10.0.0.300
- name: c
  address: 10.0.0.5/24
- address: 10.0.0.6
- name: d
  address: 10.0.0.7
  role: web
- name: e
  address: 10.0.0.7
- name: e
  address: 10.0.0.8
  labels: {env: lab}
- just text
- name: f
  name: g
  address: [10.0.0.9]
",
        ),
        &[
            "line 1, column 3: `a` has no address; add one, such as 192.0.2.1 or 192.0.2.0/24",
            "line 2, column 3: unknown key `adress`; known are name, namespace, address, addresses, ports, valid_from, valid_to and labels; a label goes under `labels`",
            "line 4, column 12: `10.0.0.300` is no address and no network; write it like 192.0.2.1, 2001:db8::1 or 192.0.2.0/24",
            "line 6, column 12: `10.0.0.5/24` has bits set behind its prefix; write 10.0.0.0/24 for the network, or 10.0.0.5 for the host",
            "line 7, column 3: this entry has no name; add one, such as `web1`",
            "line 10, column 3: unknown key `role`; known are name, namespace, address, addresses, ports, valid_from, valid_to and labels; a label goes under `labels`",
            "line 12, column 12: 10.0.0.7 is `e` here and `d` in line 9; keep one of them",
            "line 13, column 9: `e` has other labels here than in line 11; give both the same labels, or different names",
            "line 16, column 3: expected an entry, found a single value; write `- name: ...` with `address: ...` below",
            "line 17, column 3: `f` has no address; add one, such as 192.0.2.1 or 192.0.2.0/24",
            "line 18, column 3: `name` is there twice, first in line 17; take one out",
            "line 19, column 12: `address` must be a single value, found a list",
        ],
    );
}

#[test]
fn what_is_no_inventory_is_told() {
    let empty = "line 1, column 1: there are no entries; add one, or leave the inventory out";
    for text in ["", "# nothing yet\n", "---\n", "[]"] {
        told(yaml(text), &[empty]);
    }
    told(csv(""), &[empty]);
    told(csv("address,name\n\n"), &[empty]);
    told(
        yaml("web: 10.0.0.1\n"),
        &["line 1, column 1: expected a list of entries, found a mapping; start each entry with `- `"],
    );
    told(
        yaml("- name: a\n\taddress: 10.0.0.1\n"),
        &["line 2, column 1: a tab indents this line, which YAML does not allow; use spaces"],
    );
    told(
        yaml("- name: a\n  address: &x 10.0.0.1\n"),
        &[
            "line 2, column 12: anchors (`&`), aliases (`*`) and tags (`!`) are not supported; write the value out, or put it in quotes",
        ],
    );
    told(
        yaml("- name: a\n  address: 10.0.0.1\n---\n- name: b\n"),
        &["line 3, column 1: a second document starts here; keep one, without `---` in between"],
    );
    let latin1 = FileInventory::parse("x", FileFormat::Yaml, b"- name: a\n- name: caf\xe9\n");
    told(latin1, &["line 2, column 12: this is not UTF-8; save the file as UTF-8"]);
}

#[test]
fn every_wrong_line_of_a_csv_file_is_told() {
    told(
        csv(
            "# hosts\r\n\r\naddress,name,role\r\n10.0.0.1,a\r\n# a comment\r\n\r\n10.0.0.0/33,b,web\r\n,c,\r\n10.0.0.2,,db\r\n",
        ),
        &[
            "line 4, column 1: this row has 2 fields and the header has 3; write one for each column, empty where there is none",
            "line 7, column 1: `10.0.0.0/33` is no address and no network; write it like 192.0.2.1, 2001:db8::1 or 192.0.2.0/24",
            "line 8, column 1: `c` has no address; add one, such as 192.0.2.1 or 192.0.2.0/24",
            "line 9, column 1: this entry has no name; add one, such as `web1`",
        ],
    );
    told(
        csv("address;name\n10.0.0.1;a\n"),
        &[
            "line 1, column 1: there is no column `address`; separate columns by commas, not by `;`",
            "line 1, column 1: there is no column `name`; separate columns by commas, not by `;`",
        ],
    );
    told(
        csv("address,name,role,role,labels\n10.0.0.1,a,b,c,d\n"),
        &[
            "line 1, column 4: column `role` is there twice; take one out",
            "line 1, column 5: unknown column `labels`; give each label a column of its own, such as `role`",
        ],
    );
}

#[test]
fn many_problems_are_cut_short() {
    let rows: String = (0..50).map(|n| format!("10.0.0.{n}/8,host{n}\n")).collect();
    let problems = csv(&format!("address,name\n{rows}")).unwrap_err();
    assert_eq!((problems.problems.len(), problems.omitted), (20, 29));
    let text = problems.to_string();
    assert!(
        text.starts_with("cannot use inventory hosts.csv: 49 problems\n  line 3, column 1: `10.0.0.1/8`"),
        "{text}"
    );
    assert!(text.ends_with("\n  and 29 more"), "{text}");
}

#[test]
fn files_are_read_by_their_extension() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.YML");
    std::fs::write(&path, SHOP).unwrap();
    assert_eq!(FileInventory::load(&path).unwrap().history().workloads().len(), 2);
    let missing = FileInventory::load(&folder.path().join("none.csv")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read inventory ") && missing.contains("none.csv"), "{missing}");
    let unknown = FileInventory::load(Path::new("hosts.txt")).unwrap_err().to_string();
    assert_eq!(unknown, "cannot use inventory hosts.txt: its name must end in .yaml, .yml or .csv");
}

#[test]
fn nesting_without_end_is_an_error() {
    for deep in ["[".repeat(100_000), "- ".repeat(20_000), "{a: ".repeat(20_000), "? ".repeat(20_000)] {
        assert!(yaml(&deep).is_err());
    }
}

const HANDED_OVER: &str = "\
address,name,valid_from,valid_to,version
10.0.0.5,old,,2026-01-31T08:00:00Z,1
10.0.0.5,new,2026-01-31T08:00:02Z,2026-02-01,1
10.0.0.5,new,2026-02-01,,2
10.0.0.0/24,dmz,,,
";

#[test]
fn an_address_belongs_to_whom_it_belonged_to_then() {
    let inventory = csv(HANDED_OVER).unwrap();
    let during = |start: &str, end: &str| {
        let during = TimeRange { start: start.parse().unwrap(), end: end.parse().unwrap() };
        let Identity { workload, handed_over } = inventory.identify("10.0.0.5".parse().unwrap(), during);
        let workload = workload.unwrap();
        let version = workload.labels.get("version").map_or("", String::as_str);
        (format!("{workload}{version}"), handed_over)
    };
    assert_eq!(during("2026-01-31T07:59:59", "2026-01-31T07:59:59"), ("old1".to_owned(), false));
    assert_eq!(during("2026-01-31T07:59:59", "2026-01-31T08:00:01"), ("old1".to_owned(), false));
    assert_eq!(during("2026-01-31T07:59:59", "2026-01-31T08:00:02"), ("old1".to_owned(), true));
    assert_eq!(during("2026-01-31T08:00:01", "2026-01-31T08:00:05"), ("new1".to_owned(), false));
    assert_eq!(during("2026-01-31T08:00:00", "2026-01-31T08:00:01"), ("dmz".to_owned(), false));
    assert_eq!(during("2026-02-02", "2026-02-03"), ("new2".to_owned(), false));

    let tenures: Vec<String> = inventory
        .history()
        .tenures("10.0.0.5".parse().unwrap())
        .map(|tenure| format!("{} {}", tenure.prefix, tenure.workload))
        .collect();
    assert_eq!(tenures, ["10.0.0.5/32 old", "10.0.0.5/32 new", "10.0.0.5/32 new", "10.0.0.0/24 dmz"]);
}

#[test]
fn times_that_cannot_be_are_told() {
    told(
        yaml(
            "\
- {name: a, address: 10.0.0.1, valid_from: soon}
- {name: b, address: 10.0.0.2, valid_from: 2026-02-01, valid_to: 2026-01-01}
- {name: c, address: 10.0.0.3, valid_to: 2026-02-01}
- {name: d, address: 10.0.0.3, valid_from: 2026-01-01}
- {name: c, address: 10.0.0.3, valid_from: 2026-01-01, valid_to: 2026-03-01}
",
        ),
        &[
            "line 1, column 44: `soon` is no time; write a time such as 2026-01-31 or 2026-01-31T08:00:00Z",
            "line 2, column 66: it ends at 2026-01-01T00:00:00Z, not after it starts at 2026-02-01T00:00:00Z; swap the two, or mend one",
            "line 4, column 22: 10.0.0.3 is `d` here and `c` in line 3; keep one of them, or let them hold one after the other",
            "line 5, column 22: 10.0.0.3 is `c` in line 3 for part of this time; make it one entry",
        ],
    );
}

proptest! {
    #![proptest_config(crate::testing::seeded(500))]

    #[test]
    fn no_text_makes_it_panic(text in "[-a-c0-2:{}\\[\\],.'\"&*!|>#?/ \n\t]{0,60}") {
        let _ = yaml(&text);
        let _ = csv(&format!("address,name,role\n{text}"));
        let _ = csv(&text);
    }
}

#[test]
fn declared_ports_are_read_from_both_formats_and_a_wrong_one_is_told_once() {
    let from_yaml =
        yaml("- name: web\n  addresses: [10.0.0.1, 10.0.0.2]\n  ports: [50051, UDP/53]\n").unwrap();
    let from_csv =
        csv("address,name,ports\n10.0.0.1,web,50051 udp/53\n10.0.0.2,web,tcp/50051 udp/53\n").unwrap();
    let ends: Vec<String> = from_yaml.declared().iter().map(|change| format!("{:?}", change.front)).collect();
    assert_eq!(ends.len(), 4, "{ends:?}");
    assert_eq!(from_yaml.declared(), from_csv.declared());
    let wrong = "- name: web\n  addresses: [10.0.0.1, 10.0.0.2]\n  ports: [0, icmp/8]\n- name: net\n  address: 10.1.0.0/16\n  ports: [80]\n";
    told(
        yaml(wrong),
        &[
            "line 3, column 11: `0` is no port; write it like 443, tcp/443, udp/53 or sctp/3868",
            "line 3, column 14: `icmp/8` is no port; write it like 443, tcp/443, udp/53 or sctp/3868",
            "line 5, column 12: `10.1.0.0/16` is a network, of which no ports can be declared; give its hosts entries of their own, or take `ports` out",
        ],
    );
    told(
        yaml("- name: web\n  address: 10.0.0.1\n  ports: 80\n"),
        &["line 3, column 10: `ports` must be a list, found a single value; write `ports: [443, udp/53]`"],
    );
}
