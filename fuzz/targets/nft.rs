//! Arbitrary text as an nftables ruleset: nothing panics, and what is read can be asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_policy::nft::Ruleset;

fuzz_target!(|input: &str| {
    let _ = Ruleset::read([("rules.nft", input)]);
});
