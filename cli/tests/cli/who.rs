//! `who`: whose an address was, by the inventory and by a store.

use std::fs;

use crate::{capture, folder, stderr, stdout, watershed};

const HOSTS: &str = "\
address,name,role,valid_from,valid_to
10.0.0.1,old-web,web,,2026-01-01
10.0.0.1,web,web,2026-01-01,
";

#[test]
fn an_address_is_whose_it_was_then() {
    let folder = folder();
    fs::write(folder.path().join("hosts.csv"), HOSTS).unwrap();
    let who = |more: &[&str]| {
        let mut command = watershed(&folder);
        stdout(&command.args(["who", "10.0.0.1", "-i", "hosts.csv"]).args(more).assert().success())
    };
    let told = who(&["--at", "2025-12-31T23:59:59"]);
    assert!(told.contains("At 2025-12-31T23:59:59Z: old-web\n"), "{told}");
    assert!(told.contains("2026-01-01 00:00:00  now                  web       role=web"), "{told}");
    let json = who(&["--at", "2026-01-01", "--format", "json"]);
    assert!(json.contains("\"workload\":\"web\""), "{json}");
}

#[test]
fn a_store_tells_as_what_an_address_was_seen() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let store = ["--store", "sqlite:edges.db"];
    watershed(&folder).args(["discover", "shop.pcap"]).args(store).assert().success();
    let told = stdout(&watershed(&folder).args(["who", "10.0.0.1"]).args(store).assert().success());
    assert!(told.contains("Seen in sqlite:edges.db\n") && told.contains("client"), "{told}");
    let never = stdout(&watershed(&folder).args(["who", "192.0.2.1"]).args(store).assert().success());
    assert!(never.ends_with("\n  never\n"), "{never}");
}

#[test]
fn somebody_must_be_asked() {
    let told = stderr(&watershed(&folder()).args(["who", "10.0.0.1"]).assert().code(2));
    assert!(told.contains("name an inventory (--inventory FILE) or a store"), "{told}");
    let told = stderr(&watershed(&folder()).args(["who", "web1"]).assert().code(2));
    assert!(told.contains("invalid value 'web1'"), "{told}");
}

#[test]
fn labels_are_derived_and_explained() {
    let folder = folder();
    let hosts = "address,name,app.kubernetes.io/part-of\n10.0.0.0/8,site,\n10.0.0.1,web-01.prod.fra,shop\n";
    fs::write(folder.path().join("hosts.csv"), hosts).unwrap();
    fs::write(folder.path().join("clouds.txt"), "10.0.0.0/16 cloud\n").unwrap();
    let who = |more: &[&str]| {
        let mut command = watershed(&folder);
        command.args(["who", "10.0.0.1", "-i", "hosts.csv", "--set", "ranges.files=clouds.txt", "--why"]);
        stdout(&command.args(more).assert().success())
    };
    let told = who(&["--set", "labels.names={role}-{#}.{env}.{loc}"]);
    for line in [
        "  web-01.prod.fra: file has it by 10.0.0.1/32\n",
        "  not site: file has it by 10.0.0.0/8, which is shorter\n",
        "  not cloud: ranges has it by 10.0.0.1/32, ranges are asked last\n",
        "  role=web: from its name by {role}-{#}.{env}.{loc}\n",
        "  app=shop: from its label app.kubernetes.io/part-of\n",
    ] {
        assert!(told.contains(line), "{line}{told}");
    }
    let json: serde_json::Value = serde_json::from_str(&who(&["--format", "json"])).unwrap();
    assert_eq!(
        json["why"][3],
        serde_json::json!({
            "label": "loc",
            "value": "fra",
            "why": "from its name by {role}-{#}.{env:prod|production|stage|staging|test|dev|qa|uat|lab}.{loc}",
        })
    );
    let wrong = ["who", "10.0.0.1", "-i", "hosts.csv", "--set", "labels.names={rule}"];
    let told = stderr(&watershed(&folder).args(wrong).assert().code(2));
    assert!(told.contains("{rule} stands for nothing; write {role}, {app}, {env}"), "{told}");
}

/// An address that is somebody else's from the second run on: what was kept tells who it was when, and joins the
/// packets of the first time as they were joined then.
#[test]
fn a_store_tells_whose_an_address_was_and_what_became_different() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let store = ["--store", "sqlite:run.db"];
    for hosts in
        ["address,name\n10.0.0.1,office\n10.0.0.2,web\n", "address,name\n10.0.0.1,office\n10.0.0.2,shop\n"]
    {
        fs::write(folder.path().join("hosts.csv"), hosts).unwrap();
        let run = ["run", "shop.pcap", "-i", "hosts.csv", "--set", "metrics.listen=none"];
        watershed(&folder).args(run).args(store).assert().success();
    }
    let who = |arguments: &[&str]| {
        stdout(&watershed(&folder).arg("who").args(arguments).args(store).assert().success())
    };
    let told = who(&["10.0.0.2", "--at", "2024-01-01", "--why"]);
    assert!(
        told.contains("At 2024-01-01T00:00:00Z: web\n") && told.contains("  web: file has it by"),
        "{told}"
    );
    assert!(who(&["10.0.0.2", "--at", "2100-01-01"]).contains("At 2100-01-01T00:00:00Z: shop\n"));

    let told = who(&["--changes", "--from", "2024-01-01"]);
    assert!(told.contains(": 1 new, 1 gone, 0 labelled otherwise, 1 addresses used again soon"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&who(&["--changes", "--format", "json"])).unwrap();
    assert_eq!(
        (&json["new"][0]["workload"], &json["new"][2]["workload"]),
        (&"office".into(), &"shop".into())
    );
    assert_eq!(
        (&json["gone"][0]["workload"], &json["reused"][0]["entry"]),
        (&"web".into(), &"10.0.0.2/32".into())
    );

    let edges = |inventory: &str| {
        let line = ["edges", "shop.pcap", "--format", "json", "-i", inventory];
        stdout(&watershed(&folder).args(line).assert().success())
    };
    let (kept, now) = (edges("sqlite:run.db"), edges("hosts.csv"));
    assert!(kept.contains("web") && !kept.contains("\"shop\"") && now.contains("\"shop\""), "{kept}");
}

#[test]
fn what_goes_together_is_asked_for() {
    for (line, told) in [
        (&["--changes"][..], "--store <STORE>"),
        (&[], "<ADDRESS>"),
        (&["10.0.0.1", "--changes", "--store", "sqlite:a.db"], "cannot be used with"),
        (&["10.0.0.1", "--since", "7d", "-i", "x.csv"], "--since, --from and --to go with --changes"),
    ] {
        let run = watershed(&folder()).arg("who").args(line).assert().code(2);
        assert!(stderr(&run).contains(told), "{line:?}: {}", stderr(&run));
    }
}
