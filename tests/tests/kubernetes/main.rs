//! The inventory from a real API server: what happens in a cluster, who was which address, where Services led.
//!
//! No controllers run here: the tests make the pods and EndpointSlices that a Deployment and a Service come with, and
//! tell of each pod what its kubelet would. The same server also says whether it takes what is exported.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]

mod cluster;

mod chart;

mod events;

mod rights;

mod lies;

mod outages;

mod many;

mod exports;

mod lab;
