//! Watershed against answers that other tools gave for the same captures.
//!
//! The captures are not part of this project: `WATERSHED_ORACLES` names the folder they are in. Where it is
//! unset, each test says so and passes without having tested anything.

mod support;

mod zeek;

mod ndpi;

mod malformed;

mod policy;

mod synthesis;

mod direction;

mod groups;
