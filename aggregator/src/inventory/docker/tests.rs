//! An engine on a socket, served by the test: what it says is known, and when it stops answering that stays.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use watershed_model::Timestamp;

use super::*;
use crate::Inventory as _;

/// How often to look whether something has come about, and how many times: half a minute.
const LOOK: (Duration, u32) = (Duration::from_millis(10), 3_000);

/// What the engine does: lists an address for the container, or what no engine says.
fn answer(mut stream: UnixStream, turn: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let now = turn.load(Ordering::SeqCst);
    if first.contains("/events") {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
        while turn.load(Ordering::SeqCst) == now {
            thread::sleep(LOOK.0);
        }
        let event = "{\"Type\":\"container\",\"Action\":\"start\"}\n";
        write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
        while turn.load(Ordering::SeqCst) == now + 1 {
            thread::sleep(LOOK.0);
        }
        return Ok(());
    }
    let body = match now {
        0 | 1 => format!(
            r#"[{{"Id":"a","Names":["/web"],"State":"running","NetworkSettings":{{"Networks":{{"bridge":{{"IPAddress":"172.17.0.{}"}}}}}}}}]"#,
            now + 2
        ),
        _ => "{\"message\": 7".to_owned(),
    };
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn what_an_engine_says_is_known_and_stays_when_it_stops_making_sense() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let turn = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&turn);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let turn = Arc::clone(&shared);
            // Whoever hangs up has heard enough.
            thread::spawn(move || drop(answer(stream, &turn)));
        }
    });
    let mut inventory = OpenInventory::default();
    let watch = DockerWatch::start(&socket, &mut inventory, || Timestamp::from_parts(100, 0)).unwrap();
    let mut until = |what: &str, holds: &dyn Fn(&OpenInventory, &DockerStatus) -> bool| {
        for _ in 0..LOOK.1 {
            inventory.catch_up();
            if holds(&inventory, &watch.status()) {
                return;
            }
            thread::sleep(LOOK.0);
        }
        panic!("waited in vain until {what}: {:?}", watch.status());
    };
    let who = |inventory: &OpenInventory, ip: &str| {
        inventory.identify_at(ip.parse().unwrap(), Timestamp::from_parts(100, 0)).map(ToString::to_string)
    };
    let web = || Some("web".to_owned());
    until("the container is known", &|inventory, _| who(inventory, "172.17.0.2") == web());
    turn.store(1, Ordering::SeqCst);
    until("its new address is known", &|inventory, _| {
        who(inventory, "172.17.0.3") == web() && who(inventory, "172.17.0.2").is_none()
    });
    turn.store(2, Ordering::SeqCst);
    until("the lie is counted", &|inventory, status| {
        status.failures > 0 && status.failing.is_some() && who(inventory, "172.17.0.3") == web()
    });
}
