//! Lists as an engine writes them (Docker Engine API v1.53, `GET /containers/json`), with made-up values, for what an
//! engine cannot be brought to say. What real engines say is tested in `tests/tests/live/engines.rs`.

use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_parts(second, 0)
}

fn web(id: &str, number: &str, ip: &str) -> Value {
    json!({"Id": id, "Names": [format!("/shop-web-{number}")], "Image": "nginx:1.27", "Created": 10, "State": "running",
        "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web",
            "com.docker.compose.container-number": number, "com.docker.compose.config-hash": "ab",
            "org.opencontainers.image.version": "1.27", "tier": "front"},
        "HostConfig": {"NetworkMode": "shop_default"},
        "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": ip, "GlobalIPv6Address": ""}}}})
}

fn told(containers: &mut Containers, listed: &[Value], now: i64) -> Vec<String> {
    let listed: Vec<ContainerSummary> =
        listed.iter().map(|value| serde_json::from_value(value.clone()).unwrap()).collect();
    let one = |change: Change| {
        let who = change.workload.map_or("nobody".to_owned(), |who| {
            let labels: Vec<_> = who.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{who} {}", labels.join(","))
        });
        format!("{} {} {who}", change.at.as_secs_f64(), change.prefix)
    };
    containers.take(&listed, at(now)).addresses.into_iter().map(one).collect()
}

#[test]
fn containers_of_a_compose_service_are_one_workload_and_an_address_is_whose_it_is() {
    let mut containers = Containers::default();
    let labels = "com.docker.compose.project=shop,com.docker.compose.service=web,tier=front";
    let (one, two) = (web("a", "1", "172.18.0.2"), web("b", "2", "172.18.0.3"));
    assert_eq!(
        told(&mut containers, &[one.clone(), two.clone()], 20),
        [format!("10 172.18.0.2/32 shop/web {labels}"), format!("10 172.18.0.3/32 shop/web {labels}")]
    );
    assert_eq!(told(&mut containers, &[two.clone(), one], 21), [""; 0]);
    let mut tool = json!({"Id": "c", "Names": ["/tool"], "Created": 25, "State": "running",
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::2"}}}});
    assert_eq!(
        told(&mut containers, &[two.clone(), tool.clone()], 30),
        ["25 172.18.0.2/32 tool ", "25 fd00::2/128 tool "],
        "taken over from a container that is gone"
    );
    // It moves to another network: the address is new now, not since it was made.
    tool["NetworkSettings"]["Networks"] = json!({"other": {"IPAddress": "172.19.0.2"}});
    assert_eq!(
        told(&mut containers, &[two, tool], 40),
        ["40 172.18.0.2/32 nobody", "40 172.19.0.2/32 tool ", "40 fd00::2/128 nobody"]
    );
    assert_eq!(told(&mut containers, &[], 50).len(), 2);
}

#[test]
fn what_makes_no_sense_is_left_out_and_what_was_known_stays() {
    let mut containers = Containers::default();
    let good = web("a", "1", "172.18.0.2");
    told(&mut containers, std::slice::from_ref(&good), 20);
    let mut lie = web("a", "1", "172.18.0.9");
    lie["Labels"]["x"] = json!("y".repeat(2_000));
    let nowhere = web("b", "2", "127.0.0.1");
    let on_host = json!({"Id": "d", "Names": ["/host"], "State": "running", "HostConfig": {"NetworkMode": "host"},
        "NetworkSettings": {"Networks": {"host": {"IPAddress": ""}}}});
    assert_eq!(told(&mut containers, &[lie, nowhere, on_host], 21), [""; 0]);
    assert_eq!(containers.refused(), 1);
    let mut over = good;
    over["State"] = json!("exited");
    assert_eq!(told(&mut containers, &[over], 30), ["30 172.18.0.2/32 nobody"]);
}

#[test]
fn exposed_ports_are_declared_at_the_containers_own_addresses_for_as_long_as_it_runs() {
    let mut containers = Containers::default();
    let mut dns = web("a", "1", "172.18.0.2");
    dns["Ports"] = json!([{"PrivatePort": 53, "Type": "udp"}, {"PrivatePort": 53, "PublicPort": 5353, "Type": "tcp", "IP": "0.0.0.0"},
        {"PrivatePort": 53, "PublicPort": 5353, "Type": "tcp", "IP": "::"}]);
    let mut told = |listed: &[Value], now: i64| -> Vec<String> {
        let listed: Vec<ContainerSummary> =
            listed.iter().map(|value| serde_json::from_value(value.clone()).unwrap()).collect();
        let one = |change: FrontChange| {
            let Front::Address(address, protocol, port) = change.front else {
                unreachable!("no engine has nodes")
            };
            let by = change.backend.map(|backend| backend.declared_by());
            format!("{} {address} {protocol}/{port} {by:?}", change.at.as_secs_f64())
        };
        containers.take(&listed, at(now)).fronts.into_iter().map(one).collect()
    };
    let declared = ["10 172.18.0.2 tcp/53 Some(Some(Docker))", "10 172.18.0.2 udp/53 Some(Some(Docker))"];
    assert_eq!(told(std::slice::from_ref(&dns), 20), declared);
    assert_eq!(told(&[dns], 21), [""; 0]);
    assert_eq!(told(&[], 30), ["30 172.18.0.2 tcp/53 None", "30 172.18.0.2 udp/53 None"]);
}
