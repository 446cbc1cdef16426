//! Errors of the collector.
