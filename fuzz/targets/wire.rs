//! Batches from the wire: any octets are a batch or an error, and what was read is written as the same batch.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_model::wire;

fuzz_target!(|data: &[u8]| {
    let _ = wire::head(data);
    if let Ok(batch) = wire::decode(data) {
        let again = wire::decode(&wire::encode(&batch));
        assert_eq!(again.as_ref(), Ok(&batch));
    }
});
