//! What deploy/ holds, read by the programs that it is for: Helm and the types of Kubernetes' API, Compose, systemd.
//! Nothing is started: `--test path` runs what the Compose file does, and `make image-test` runs the image and the file by
//! a container engine. Every setting and every flag that is written there is one that Watershed has.

#![expect(clippy::unwrap_used, reason = "a test that cannot read deploy/ may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use watershed_tests::binary;
use watershed_tests::deploy::{judge, judged, root};

/// The most that `systemd-analyze security` may say of a unit, tenths; from 0 (nothing is exposed) to 100.
const MAX_EXPOSURE: &str = "20";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The chart rendered with these files of values.
fn rendered(values: &[&str]) -> Vec<Value> {
    let chart = ["helm", "deploy/helm/watershed", "observe"];
    judged(&chart.iter().chain(values).copied().collect::<Vec<_>>())
}

fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let wanted = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(wanted).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn words(value: &Value) -> Vec<&str> {
    list(value).iter().map(|word| word.as_str().unwrap()).collect()
}

/// The variables that settings are read from.
fn variables() -> BTreeSet<String> {
    let example = read("config/watershed.toml");
    example
        .lines()
        .filter_map(|line| line.strip_prefix("# WATERSHED_"))
        .map(|rest| format!("WATERSHED_{rest}"))
        .collect()
}

/// Is every variable a setting, and every flag one of the command?
fn is_understood(arguments: &[&str], environment: &[&str]) {
    let known = variables();
    for name in environment.iter().filter(|name| name.starts_with("WATERSHED_")) {
        assert!(known.contains(*name), "{name} is no setting");
    }
    let watershed = binary::watershed().unwrap_or_else(|error| panic!("{error}"));
    let help = Command::new(watershed).args([arguments[0], "--help"]).output().unwrap();
    assert!(help.status.success(), "{}", arguments[0]);
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in arguments.iter().filter(|argument| argument.starts_with("--")) {
        assert!(help.contains(&format!("{flag} ")), "{} has no {flag}", arguments[0]);
    }
}

fn container(workload: &Value) -> &Value {
    let pod = &workload["spec"]["template"]["spec"];
    let container = &list(&pod["containers"])[0];
    let environment: Vec<&str> =
        list(&container["env"]).iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    is_understood(&words(&container["args"]), &environment);
    assert_eq!(environment.iter().collect::<BTreeSet<_>>().len(), environment.len(), "{environment:?}");
    let asks = words(&container["args"]).contains(&"--kubernetes");
    assert_eq!(pod["automountServiceAccountToken"], asks);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    container
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let found = list(&container["env"]).iter().find(|variable| variable["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))["value"].as_str().unwrap()
}

#[test]
fn the_chart_renders_and_asks_for_no_more_than_it_needs() {
    for (values, asks) in [
        (&[][..], false),
        (&["deploy/helm/watershed/values-hardened.yaml"], true),
        (&["deploy/helm/watershed/values-large.yaml"], true),
    ] {
        let objects = rendered(values);
        let capabilities = json!(["NET_RAW", "SETUID", "SETGID", "CHOWN", "SETPCAP"]);
        let agent = container(object(&objects, "DaemonSet", "test-watershed-agent"));
        let context = &agent["securityContext"];
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"], "add": capabilities}));
        assert_eq!(variable(agent, "WATERSHED_CAPTURE_USER"), "964:964");
        let aggregator = object(&objects, "Deployment", "test-watershed-aggregator");
        let pod = &aggregator["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["automountServiceAccountToken"], asks);
        let aggregator = container(aggregator);
        assert_eq!(aggregator["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        for context in [context, &aggregator["securityContext"]] {
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["privileged"], false);
        }
        // Nothing else speaks to the cluster's API, so nothing else may.
        let roles = objects.iter().filter(|object| object["kind"].as_str().unwrap().contains("Role"));
        assert_eq!(roles.count(), if asks { 2 } else { 0 });
        let policy = object(&objects, "NetworkPolicy", "test-watershed-aggregator");
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        for object in &objects {
            let whole = object["kind"].as_str().unwrap().starts_with("Cluster");
            assert_eq!(object["metadata"]["namespace"], if whole { Value::Null } else { json!("observe") });
        }
    }
}

#[test]
fn aggregators_that_ask_the_cluster_may_look_and_nothing_else() {
    let objects = rendered(&["deploy/helm/watershed/values-hardened.yaml"]);
    let name = "observe-test-watershed-inventory";
    let role = object(&objects, "ClusterRole", name);
    let written = judged(&["objects", "deploy/kubernetes/rbac.yaml"]);
    assert_eq!(role["rules"], object(&written, "ClusterRole", "watershed-inventory")["rules"]);
    for rule in list(&role["rules"]) {
        assert_eq!(rule["verbs"], json!(["list", "watch"]));
    }
    let binding = object(&objects, "ClusterRoleBinding", name);
    assert_eq!(binding["roleRef"]["name"], name);
    let account = object(&objects, "ServiceAccount", "test-watershed-aggregator");
    assert_eq!(list(&binding["subjects"]).len(), 1);
    assert_eq!(binding["subjects"][0]["name"], account["metadata"]["name"]);
    let policy = object(&objects, "NetworkPolicy", "test-watershed-aggregator");
    let api = list(&policy["spec"]["egress"]).last().unwrap();
    assert_eq!(api["ports"], json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]));
}

#[test]
fn the_map_is_on_loopback_unless_people_have_tokens() {
    assert!(
        rendered(&[]).iter().all(|object| !object["metadata"]["name"].as_str().unwrap().ends_with("-serve"))
    );
    let of = |values: &str| {
        let objects = rendered(&[values]);
        let serve = container(object(&objects, "Deployment", "test-watershed-serve"));
        let service = objects.iter().any(|object| {
            object["kind"] == "Service" && object["metadata"]["name"] == "test-watershed-serve"
        });
        let policy = object(&objects, "NetworkPolicy", "test-watershed-serve");
        let listens =
            words(&serve["args"]).into_iter().skip_while(|word| *word != "--listen").nth(1).unwrap();
        assert_eq!(serve["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(serve["securityContext"]["readOnlyRootFilesystem"], true);
        (listens.to_owned(), service, list(&policy["spec"]["ingress"]).len())
    };
    assert_eq!(of("deploy/helm/watershed/values-large.yaml"), ("127.0.0.1:9465".to_owned(), false, 0));
    assert_eq!(of("deploy/helm/watershed/values-hardened.yaml"), ("0.0.0.0:9465".to_owned(), true, 1));
}

#[test]
fn agents_answer_on_loopback_unless_they_are_to_be_scraped() {
    let listens = |values: &[&str]| {
        let objects = rendered(values);
        variable(container(object(&objects, "DaemonSet", "test-watershed-agent")), "WATERSHED_METRICS_LISTEN")
            .to_owned()
    };
    assert_eq!(listens(&[]), "127.0.0.1:9464");
    assert_eq!(listens(&["deploy/helm/watershed/values-large.yaml"]), "0.0.0.0:9464");
}

#[test]
fn the_hardened_values_keep_secrets_in_files_and_the_image_by_its_digest() {
    let objects = rendered(&["deploy/helm/watershed/values-hardened.yaml"]);
    for (kind, name) in [("DaemonSet", "test-watershed-agent"), ("Deployment", "test-watershed-aggregator")] {
        let container = container(object(&objects, kind, name));
        assert!(container["image"].as_str().unwrap().contains("@sha256:"));
        assert_eq!(variable(container, "WATERSHED_KAFKA_PASSWORD_FILE"), "/run/secrets/kafka/password");
        let mounts = list(&container["volumeMounts"]);
        assert!(mounts.iter().any(|mount| mount["mountPath"] == "/run/secrets/kafka"));
    }
    let policy = object(&objects, "NetworkPolicy", "test-watershed-aggregator");
    for rule in list(&policy["spec"]["egress"]).iter().skip(1) {
        assert!(!list(&rule["to"]).is_empty(), "{rule}");
    }
}

#[test]
fn the_large_values_bring_the_alert_rules_and_every_dashboard() {
    let objects = rendered(&["deploy/helm/watershed/values-large.yaml"]);
    let rules = object(&objects, "PrometheusRule", "test-watershed");
    let alerts =
        list(&rules["spec"]["groups"]).iter().map(|group| list(&group["rules"]).len()).sum::<usize>();
    assert_eq!(alerts, read("dashboards/alerts.yaml").matches("- alert: ").count());
    for file in fs::read_dir(root().join("dashboards/grafana")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let held = objects.iter().find_map(|object| object["data"][name].as_str()).expect(name);
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(held), read(&fs::read_to_string(&path).unwrap()), "{name}");
    }
    let agent = container(object(&objects, "DaemonSet", "test-watershed-agent"));
    assert_eq!(variable(agent, "WATERSHED_FLOW_MAX_FLOWS"), "4194304");
}

#[test]
fn wrong_values_are_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    for (values, says) in [
        ("agent: {interface: eth0}", "interface"),
        ("store: {url: 'clickhouse://me:secret@ch/watershed'}", "store"),
        ("kafka: {security: sasl_tls}", "kafka"),
        ("agent: {capabilities: [NET_RAW, SYS_ADMIN]}", "capabilities"),
        ("agent: {user: '964:964', capabilities: [NET_RAW]}", "capabilities"),
        ("agent: {user: watershed}", "user"),
        ("serve: {enabled: true, decisionsClaim: decisions}", "serve.tokensSecret"),
        ("kubernetes: {enabled: true, ports: []}", "ports"),
        ("serviceMonitor: {enabled: true}", "agent.metrics.expose"),
    ] {
        let file = folder.path().join("values.yaml");
        fs::write(&file, values).unwrap();
        let output = judge(&["helm", "deploy/helm/watershed", "observe", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{values}: {said}");
    }
}

#[test]
fn the_compose_file_is_one_and_opens_nothing_to_the_network() {
    let project = &judged(&["compose", "deploy/compose.yaml", "demo"])[0];
    let services = project["services"].as_object().unwrap();
    for (name, service) in services {
        for port in list(&service["ports"]) {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} publishes {port}");
        }
    }
    for (name, user) in [("agent", "0:0"), ("aggregator", ""), ("serve", "")] {
        let service = &services[name];
        let environment: Vec<&str> =
            service["environment"].as_object().unwrap().keys().map(String::as_str).collect();
        is_understood(&words(&service["command"]), &environment);
        assert_eq!(service["user"].as_str().unwrap_or_default(), user);
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
    }
    assert_eq!(services["agent"]["cap_add"], json!(["NET_RAW", "SETUID", "SETGID", "CHOWN", "SETPCAP"]));
    // What is on the host's network listens on its loopback.
    assert_eq!(services["serve"]["network_mode"], "host");
    assert!(words(&services["serve"]["command"]).contains(&"127.0.0.1:9466"));
    // Dashboards are held against the schema of the Grafana that shows them.
    let schema: Value = serde_json::from_str(&read("tests/support/grafana/package.json")).unwrap();
    let version = schema["dependencies"]["@grafana/schema"].as_str().unwrap();
    assert_eq!(services["grafana"]["image"], format!("grafana/grafana:{version}"));
}

#[test]
fn the_image_is_made_of_every_crate() {
    let (dockerfile, sent) = (read("deploy/Dockerfile"), read(".dockerignore"));
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let workspace = &manifest["workspace"];
    let toolchain = workspace["package"]["rust-version"].as_str().unwrap();
    assert!(dockerfile.contains(&format!("\nFROM rust:{toolchain}-bookworm AS build\n")));
    for member in workspace["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        assert!(dockerfile.contains(&format!("\nCOPY {member}/Cargo.toml {member}/\n")), "{member}");
        // Of the tests' crate the manifest is there, since the workspace names it, and nothing is built.
        let source = member != "tests";
        assert_eq!(dockerfile.contains(&format!("\nCOPY {member} {member}\n")), source, "{member}");
        let part = if source { member.to_owned() } else { format!("{member}/Cargo.toml") };
        assert!(sent.contains(&format!("\n!{part}\n")), "{part} is not sent to the engine");
    }
}

fn systemd_analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("cannot run systemd-analyze ({error}): run `make deps`"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    said.into_owned()
}

#[test]
fn the_units_are_understood_by_systemd_and_expose_little() {
    let folder = tempfile::tempdir().unwrap();
    let watershed = binary::watershed().unwrap_or_else(|error| panic!("{error}"));
    let defaults = read("deploy/debian/watershed.default");
    for command in ["run", "collect", "aggregate"] {
        let name = format!("watershed-{command}.service");
        let unit = read(&format!("deploy/systemd/{name}"));
        // The program of this build, as none is installed.
        let file = folder.path().join(&name);
        fs::write(&file, unit.replace("/usr/bin/watershed", watershed.to_str().unwrap())).unwrap();
        let file = file.to_str().unwrap();
        let said = systemd_analyze(&["verify", "--man=no", file]);
        assert!(!said.contains(&name), "{said}");
        systemd_analyze(&["security", "--offline=yes", "--no-pager", "--threshold", MAX_EXPOSURE, file]);

        let options = format!("{}_OPTIONS", command.to_uppercase());
        assert!(unit.contains(&format!("watershed {command} ${options}")), "{unit}");
        let options = defaults.lines().find_map(|line| line.strip_prefix(&format!("{options}="))).unwrap();
        let line = [command].into_iter().chain(options.trim_matches('"').split(' ')).collect::<Vec<_>>();
        is_understood(&line, &[]);
    }
}

/// The services of agents and aggregators read a file of their own each, which the package brings and keeps as it was
/// edited; the same files are in Compose's containers.
#[test]
fn the_annotated_settings_are_where_the_services_look() {
    let manifest: toml::Table = read("cli/Cargo.toml").parse().unwrap();
    let package = &manifest["package"]["metadata"]["deb"];
    let project = &judged(&["compose", "deploy/compose.yaml", "demo"])[0];
    for (command, name, service) in
        [("collect", "collector", "agent"), ("aggregate", "aggregator", "aggregator")]
    {
        let place = format!("/etc/watershed/{name}.toml");
        let unit = read(&format!("deploy/systemd/watershed-{command}.service"));
        assert!(unit.contains(&format!("\nEnvironment=WATERSHED_CONFIG={place}\n")), "{unit}");
        let brought = |asset: &toml::Value| {
            asset[0].as_str() == Some(&format!("../config/{name}.toml"))
                && asset[1].as_str() == Some(&place[1..])
        };
        assert!(package["assets"].as_array().unwrap().iter().any(brought), "{place}");
        let kept = package["conf-files"].as_array().unwrap().iter().any(|file| file.as_str() == Some(&place));
        assert!(kept, "{place} is no conf-file");
        let mounted = list(&project["services"][service]["volumes"]).iter().any(|volume| {
            let source = volume["source"].as_str().unwrap_or_default();
            source.ends_with(&format!("config/{name}.toml"))
                && volume["target"] == "/etc/watershed/watershed.toml"
        });
        assert!(mounted, "{service}: {}", project["services"][service]["volumes"]);
    }
}

#[test]
fn the_package_has_what_its_metadata_names() {
    let manifest: toml::Table = read("cli/Cargo.toml").parse().unwrap();
    let package = &manifest["package"]["metadata"]["deb"];
    for asset in package["assets"].as_array().unwrap() {
        let source = asset[0].as_str().unwrap();
        let made = source.starts_with("target/") || source.starts_with("../target/");
        let kept = source.split('*').next().unwrap();
        assert!(made || root().join("cli").join(kept).exists(), "{source}");
    }
    for unit in package["systemd-units"].as_array().unwrap() {
        let name = unit["unit-name"].as_str().unwrap();
        assert!(root().join(format!("deploy/systemd/{name}.service")).exists(), "{name}");
    }
}
