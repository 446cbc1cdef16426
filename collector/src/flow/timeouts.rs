//! The configured times in nanoseconds.

use std::time::Duration;

use super::FlowConfig;

/// The times of [`FlowConfig`], as the table compares them: nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) tcp_idle: i64,
    pub(super) idle: i64,
    pub(super) after_close: i64,
    pub(super) active_report: Option<i64>,
    /// A packet that comes sooner than this after the one before cannot be too late for anything.
    pub(super) shortest: i64,
}

impl Timeouts {
    pub(super) fn new(config: &FlowConfig) -> Self {
        let [tcp_idle, idle, after_close] = [config.tcp_idle, config.idle, config.after_close].map(nanos);
        Self {
            tcp_idle,
            idle,
            after_close,
            active_report: config.active_report.map(nanos),
            shortest: tcp_idle.min(idle).min(after_close),
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
