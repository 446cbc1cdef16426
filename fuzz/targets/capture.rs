//! Arbitrary bytes as a capture file: nothing panics, memory stays bounded, every packet is accounted for.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use watershed_collector::sink::Memory;
use watershed_collector::source::{self, SourceConfig};
use watershed_collector::{CollectorConfig, run};

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("watershed-fuzz-{}.capture", std::process::id())));

fuzz_target!(|input: &[u8]| {
    std::fs::write(&*FILE, input).expect("a temporary folder that can be written");
    let Ok(mut source) = source::open(&SourceConfig { captures: vec![FILE.clone()] }) else { return };
    let mut sink = Memory::default();
    let report = run(&mut source, &mut sink, &CollectorConfig::default(), |_| {}).expect("memory takes all");
    assert!(report.counters.balanced(), "{:?}", report.counters);
});
