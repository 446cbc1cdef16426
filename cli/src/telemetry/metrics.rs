//! Metrics by Prometheus' conventions: base units, `_total` for counters, every series there from the start.

mod capture;
mod keeping;
mod reading;
mod shipping;
mod watching;

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use watershed_model::Timestamp;

pub(crate) use self::capture::CaptureMetrics;
pub(crate) use self::keeping::KeepingMetrics;
pub(crate) use self::reading::ReadingMetrics;
pub(crate) use self::shipping::ShippingMetrics;
pub(crate) use self::watching::WatchingMetrics;

/// What stands before every name.
const PREFIX: &str = "watershed";

/// The process's metrics; clones share them. The methods that make a metric register it, once for each name.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Registry);

impl Metrics {
    /// Those of a process that runs `command`.
    pub(crate) fn new(command: &'static str) -> Self {
        let metrics = Self(Registry::new());
        let help = "Which version runs which command; always 1";
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("command", command)];
        let options = labels
            .iter()
            .fold(Opts::new("build_info", help).namespace(PREFIX), |o, (k, v)| o.const_label(*k, *v));
        metrics.register(IntGauge::with_opts(options)).set(1);
        metrics
    }

    /// The text format in which Prometheus reads them.
    pub(crate) fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(options(name, help)))
    }

    pub(crate) fn counters(&self, name: &str, help: &str, label: &str) -> IntCounterVec {
        self.register(IntCounterVec::new(options(name, help), &[label]))
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(options(name, help)))
    }

    pub(crate) fn gauges(&self, name: &str, help: &str, label: &str) -> IntGaugeVec {
        self.register(IntGaugeVec::new(options(name, help), &[label]))
    }

    /// A gauge of seconds since the Unix epoch.
    pub(crate) fn time(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::with_opts(options(name, help)))
    }

    /// A histogram of seconds.
    pub(crate) fn durations(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts { common_opts: options(name, help), buckets: buckets.to_vec() };
        self.register(Histogram::with_opts(options))
    }

    fn register<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("names and labels are constants that tests have seen");
        self.0.register(Box::new(metric.clone())).expect("each name is registered once");
        metric
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(PREFIX)
}

/// Lets a metric follow a counter that is kept elsewhere.
pub(crate) fn follow(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// A count as a gauge has it.
pub(crate) fn amount(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// A time as a gauge has it; nothing before the first packet.
pub(crate) fn tell_time(gauge: &Gauge, time: Timestamp) {
    if time > Timestamp::MIN {
        gauge.set(time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
