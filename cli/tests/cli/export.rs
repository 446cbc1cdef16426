//! `watershed rules export`: from a store to policies that the other half of the tool agrees with.

use std::fs;

use crate::{capture, folder, stderr, stdout, watershed};

const INVENTORY: &str = "
- {name: browser, address: 10.0.0.1, namespace: shop, labels: {app: browser}}
- {name: web, address: 10.0.0.2, namespace: shop, labels: {app: web}}
- {name: dns, address: 10.0.0.53, namespace: infra, labels: {app: dns}}
";

/// A folder with a store that holds the capture.
fn stored() -> tempfile::TempDir {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    fs::write(folder.path().join("hosts.yaml"), INVENTORY).unwrap();
    let arguments = ["discover", "shop.pcap", "-i", "hosts.yaml", "--store", "sqlite:edges.db"];
    watershed(&folder).args(arguments).assert().success();
    folder
}

const EXPORT: [&str; 4] = ["rules", "export", "--store", "sqlite:edges.db"];

#[test]
fn exported_policies_deny_nothing_that_was_observed() {
    let folder = stored();
    for level in ["nano", "service", "ring-fence"] {
        let arguments = ["--to", "k8s", "--level", level, "--out", level];
        let printed = stdout(&watershed(&folder).args(EXPORT).args(arguments).assert().success().stderr(""));
        let row = printed.lines().find(|line| line.ends_with("<- exported")).unwrap();
        assert!(row.trim_start().starts_with(level), "{printed}");
        assert!(printed.contains("Proven on the written text: 2 dependencies allowed"), "{printed}");
        for file in ["kustomization.yaml", "default-deny/in-shop.yaml", "default-deny-revert/in-shop.yaml"] {
            assert!(folder.path().join(level).join(file).is_file(), "{file}");
        }
        let (allow, deny) = (format!("{level}/allow"), format!("{level}/default-deny"));
        let check = ["rules", "check", &allow, &deny, "-i", "hosts.yaml", "--capture", "shop.pcap"];
        let told = stdout(&watershed(&folder).args(check).assert().code(0));
        assert!(told.contains("2 dependencies observed: 2 allowed, 0 denied"), "{told}");
    }
}

/// Dialects beside NetworkPolicy.
const DIALECTS: [&str; 3] = ["calico", "calico-staged", "istio"];

#[test]
fn policies_of_other_dialects_are_checked_as_they_were_proven() {
    let folder = stored();
    for dialect in DIALECTS {
        let arguments = ["--to", dialect, "--out", dialect];
        let printed = stdout(&watershed(&folder).args(EXPORT).args(arguments).assert().success().stderr(""));
        assert!(printed.contains("Proven on the written text: "), "{printed}");
        let (allow, deny) = (format!("{dialect}/allow"), format!("{dialect}/default-deny"));
        let check = ["rules", "check", &allow, &deny, "-i", "hosts.yaml", "--capture", "shop.pcap"];
        let told = stdout(&watershed(&folder).args(check).assert().code(0));
        assert!(told.contains("2 dependencies observed: 2 allowed, 0 denied"), "{told}");
        let check = ["rules", "check", &deny, "-i", "hosts.yaml", "--capture", "shop.pcap"];
        watershed(&folder).args(check).assert().code(1);
    }
}

#[test]
fn files_of_rules_that_are_gone_are_removed_unless_somebody_changed_them() {
    let folder = stored();
    let export = |dialect| {
        stdout(&watershed(&folder).args(EXPORT).args(["--to", dialect, "--out", "out"]).assert().success())
    };
    assert!(!export("nftables").contains("Removed"));
    fs::write(folder.path().join("out/rules.nft"), "mine").unwrap();
    fs::write(folder.path().join("out/notes.txt"), "mine").unwrap();
    let printed = export("k8s");
    assert!(printed.contains("Removed 11 files of an earlier export"), "{printed}");
    assert!(printed.contains("rules.nft is of an earlier export but was changed since"), "{printed}");
    assert!(
        !folder.path().join("out/default-deny.nft").exists() && !folder.path().join("out/hosts").exists()
    );
    assert!(folder.path().join("out/rules.nft").exists() && folder.path().join("out/notes.txt").exists());
    let printed = export("nftables");
    assert!(printed.contains("Removed "), "{printed}");
    assert!(!folder.path().join("out/allow").exists(), "folders that are empty go too");
}

#[test]
fn nftables_rules_have_no_level() {
    let folder = stored();
    let arguments = ["--to", "nftables", "--level", "ring-fence", "--out", "o"];
    let told = stderr(&watershed(&folder).args(EXPORT).args(arguments).assert().code(2));
    assert!(
        told.contains("are always exact, so there is no level ring-fence of them; leave --level out"),
        "{told}"
    );
}

#[test]
fn the_default_level_is_service() {
    let folder = stored();
    let printed =
        stdout(&watershed(&folder).args(EXPORT).args(["--to", "csv", "--out", "o"]).assert().success());
    assert!(
        printed.lines().any(|line| line.contains("service") && line.ends_with("<- exported")),
        "{printed}"
    );
}

#[test]
fn other_languages_have_their_files() {
    let folder = stored();
    for (dialect, file, holds) in [
        ("json", "mined.json", "\"schema_version\": 1"),
        ("csv", "mined.csv", "rule,subject,direction,peer,ports"),
        ("nftables", "rules.nft", "table inet watershed"),
    ] {
        watershed(&folder).args(EXPORT).args(["--to", dialect, "--out", "out"]).assert().success().stderr("");
        let text = fs::read_to_string(folder.path().join("out").join(file)).unwrap();
        assert!(text.contains(holds), "{text}");
    }
}

#[test]
fn a_dialect_that_nobody_knows_is_wrong_usage() {
    let folder = stored();
    let told =
        stderr(&watershed(&folder).args(EXPORT).args(["--to", "abacus", "--out", "o"]).assert().code(2));
    assert!(told.contains("k8s") && told.contains("nftables"), "{told}");
}

const BROWSER: &str = "{namespace: shop, labels: {app: browser}}";

const DNS: &str = "{namespace: infra, labels: {app: dns}}";

/// Writes `decisions.yaml`.
fn decide(folder: &tempfile::TempDir, text: &str) {
    fs::write(folder.path().join("decisions.yaml"), format!("version: 1\n{text}")).unwrap();
}

#[test]
fn decisions_outlive_an_export_and_a_second_export_tells_the_difference() {
    let folder = stored();
    let export = |more: &[&str]| {
        let arguments = ["--to", "k8s", "-i", "hosts.yaml", "--out", "out"];
        stdout(&watershed(&folder).args(EXPORT).args(arguments).args(more).assert().success().stderr(""))
    };
    let first = export(&[]);
    assert!(!first.contains("earlier export"), "{first}");
    let written =
        |path: &str| fs::metadata(folder.path().join("out").join(path)).unwrap().modified().unwrap();
    let before = ["mined.json", "kustomization.yaml", "certificate.json"].map(written);
    assert!(export(&[]).contains("Nothing else is allowed than by the earlier export"));
    assert_eq!(
        ["mined.json", "kustomization.yaml", "certificate.json"].map(written),
        before,
        "nothing is touched"
    );

    decide(
        &folder,
        &format!(
            "exclude:\n- {{client: {BROWSER}, server: {{namespace: shop, labels: {{app: web}}}}, comment: moved}}\nallow:\n- {{client: {{namespace: shop, labels: {{app: web}}}}, server: {DNS}, ports: [tcp/9153]}}\n"
        ),
    );
    let changed = export(&["--decisions", "decisions.yaml"]);
    assert!(changed.contains("observed dependencies are denied by decision"), "{changed}");
    assert!(changed.contains("  + shop/web -> infra/dns: tcp/9153\n"), "{changed}");
    assert!(changed.contains("  - shop/browser -> shop/web: tcp/"), "{changed}");
    let listed = fs::read_to_string(folder.path().join("out/not-expressed.txt")).unwrap();
    assert!(listed.contains("denied by decision: ") && listed.contains("moved"), "{listed}");
    let again = export(&["--set", "rules.decisions=decisions.yaml"]);
    assert!(again.contains("Nothing else is allowed than by the earlier export"), "{again}");
}

#[test]
fn what_people_allow_is_in_nftables_by_the_addresses_of_the_inventory() {
    let folder = stored();
    // The web server moved since; the vault was never seen, and nobody knows of a printer.
    let known =
        format!("{INVENTORY}- {{name: vault, address: 10.0.7.0/28}}\n").replace("10.0.0.2,", "10.0.0.22,");
    fs::write(folder.path().join("hosts.yaml"), known).unwrap();
    decide(
        &folder,
        "allow:\n- {client: {namespace: shop, labels: {app: web}}, server: {name: vault}, ports: [tcp/8200], comment: yearly}\n- {client: {name: printer}, server: {name: vault}, ports: [tcp/9100]}\n",
    );
    let arguments = ["--to", "nftables", "-i", "hosts.yaml", "--decisions", "decisions.yaml", "--out", "out"];
    let told = stdout(&watershed(&folder).args(EXPORT).args(arguments).assert().success().stderr(""));
    assert!(told.contains("2 rules made by hand are among these\n"), "{told}");
    assert!(
        told.contains("but printer -> vault: tcp/9100 allows nothing: no address is known of printer; "),
        "{told}"
    );
    let text = fs::read_to_string(folder.path().join("out/rules.nft")).unwrap();
    let (_, sets) = text.split_once("by-hand").unwrap();
    assert!(sets.contains("\t\t\t10.0.0.22,\n") && sets.contains("\t\t\t10.0.7.0/28,\n"), "{text}");
    assert!(!sets.contains("\t\t\t10.0.0.2,\n"), "an address that it had before:\n{text}");
    let certificate = fs::read_to_string(folder.path().join("out/certificate.json")).unwrap();
    assert!(certificate.contains("\"rules_by_hand\": 2"), "{certificate}");
    let rules = fs::read_to_string(folder.path().join("out/rules.json")).unwrap();
    let rules: serde_json::Value = serde_json::from_str(&rules).unwrap();
    let vault = &rules["by_hand"][0];
    assert_eq!(vault["servers"], serde_json::json!(["10.0.7.0/28"]), "{vault}");
    assert_eq!(vault["said"]["comment"], "yearly");

    // Exported again, what changed is told, and nothing else.
    let again = || stdout(&watershed(&folder).args(EXPORT).args(arguments).assert().success());
    let told = again();
    assert!(told.contains("Nothing else is allowed than by the earlier export"), "{told}");
    fs::create_dir(folder.path().join("before")).unwrap();
    fs::copy(folder.path().join("out/rules.json"), folder.path().join("before/rules.json")).unwrap();
    // The printer's rule allows nothing, and so does its being gone; the web server may do less and more.
    decide(
        &folder,
        "allow:\n- {client: {namespace: shop, labels: {app: web}}, server: {name: vault}, ports: [tcp/8201]}\n",
    );
    let changes = "1 newly allowed, 1 no longer allowed\n  + shop/app=web -> vault: tcp/8201\n  - shop/app=web -> vault: tcp/8200\n";
    let told = again();
    assert!(told.contains(&format!("Against the earlier export: {changes}")), "{told}");
    let told = stdout(&watershed(&folder).args(["rules", "diff", "before", "out"]).assert().success());
    assert!(told.contains(&format!("Against the old rules: {changes}")), "{told}");
    fs::copy(folder.path().join("out/rules.json"), folder.path().join("before/mined.json")).unwrap();
    let told = stderr(&watershed(&folder).args(["rules", "diff", "before", "out"]).assert().code(2));
    assert!(told.contains("before has both mined.json and rules.json"), "{told}");
}

#[test]
fn a_file_of_decisions_may_be_missing_where_the_settings_name_it_and_not_where_a_flag_does() {
    let folder = stored();
    let line = ["--to", "k8s", "-i", "hosts.yaml", "--out", "out"];
    let not_yet = ["--set", "rules.decisions=decisions.yaml"];
    let told = stderr(&watershed(&folder).args(EXPORT).args(line).args(not_yet).assert().success());
    assert!(told.contains("nothing is decided yet: there is no decisions.yaml"), "{told}");
    let slip = ["--decisions", "decision.yaml"];
    let told = stderr(&watershed(&folder).args(EXPORT).args(line).args(slip).assert().code(2));
    assert!(told.contains("there are no decisions in decision.yaml; name the file that has them"), "{told}");
}

#[test]
fn two_exports_are_compared_by_what_they_allow() {
    let folder = stored();
    decide(&folder, &format!("allow:\n- {{client: {BROWSER}, server: {DNS}, ports: [tcp/9153]}}\n"));
    for (decisions, out) in [(&[][..], "old"), (&["--decisions", "decisions.yaml"][..], "new")] {
        let arguments = ["--to", "json", "--level", "nano", "-i", "hosts.yaml", "--out", out];
        watershed(&folder).args(EXPORT).args(arguments).args(decisions).assert().success();
    }
    let told =
        stdout(&watershed(&folder).args(["rules", "diff", "old", "new/mined.json"]).assert().success());
    assert!(told.contains("1 newly allowed, 0 no longer allowed"), "{told}");
    assert!(told.contains("  + shop/browser -> infra/dns: tcp/9153\n"), "{told}");
    let same = stdout(&watershed(&folder).args(["rules", "diff", "new", "new"]).assert().success());
    assert_eq!(same, "\nNothing else is allowed than by the old rules\n");
    let missing = stderr(&watershed(&folder).args(["rules", "diff", "old", "gone"]).assert().code(2));
    assert!(missing.contains("cannot read rules gone"), "{missing}");
}

#[test]
fn a_broken_file_of_decisions_is_told_before_anything_is_written() {
    let folder = stored();
    decide(&folder, "rules:\n- {id: allow-x, decision: perhaps}\n");
    let arguments = ["--to", "k8s", "--decisions", "decisions.yaml", "--out", "out"];
    let told = stderr(&watershed(&folder).args(EXPORT).args(arguments).assert().code(2));
    assert!(
        told.contains(
            "decisions.yaml:3:27: `decision` must be approved or rejected, found the text `perhaps`"
        ),
        "{told}"
    );
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_workload_of_the_inventory_that_was_silent_has_names_and_default_deny_too() {
    let folder = stored();
    let silent = format!(
        "{INVENTORY}- {{name: batch, address: 10.0.9.9, namespace: night, labels: {{app: batch}}}}\n"
    );
    fs::write(folder.path().join("hosts.yaml"), silent).unwrap();
    let arguments = ["--to", "k8s", "-i", "hosts.yaml", "--out", "out"];
    watershed(&folder).args(EXPORT).args(arguments).assert().success();
    assert!(folder.path().join("out/default-deny/in-night.yaml").is_file());
    let rules: String = fs::read_dir(folder.path().join("out/allow/night"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(rules.contains("53"), "the DNS of its namespace: {rules}");
}
