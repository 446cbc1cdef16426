//! Arbitrary text as policies of any dialect, and as what people decided about rules: nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_policy::decisions::Decisions;
use watershed_policy::k8s::Manifests;

fuzz_target!(|input: &str| {
    let _ = Manifests::read([("policies.yaml", input)], "default");
    let _ = Decisions::read("decisions.yaml", input);
});
