//! Arbitrary bytes as an inventory, in YAML and in CSV: nothing panics, and what loads can be asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_aggregator::Inventory;
use watershed_aggregator::inventory::{FileFormat, FileInventory};
use watershed_model::Timestamp;

fuzz_target!(|input: &[u8]| {
    for format in [FileFormat::Yaml, FileFormat::Csv] {
        if let Ok(inventory) = FileInventory::parse("inventory", format, input) {
            let _ = inventory.overlaps();
            let _ = inventory.identify_at([10, 0, 0, 1].into(), Timestamp::default());
        }
    }
});
