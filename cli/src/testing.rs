//! What property tests of this crate have in common.

use proptest::test_runner::{Config, RngSeed};

/// So many cases of a property, the same ones every time.
pub(crate) fn seeded(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}
