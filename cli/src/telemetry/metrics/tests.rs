//! The whole exposition, so that nobody renames a metric without seeing it, and its page in docs/.

use std::collections::BTreeMap;
use std::time::Duration;

use watershed_aggregator::inventory::docker::DockerStatus;
use watershed_aggregator::inventory::kubernetes::KubernetesStatus;
use watershed_aggregator::source::kafka::KafkaStatus;
use watershed_collector::listening::Look;
use watershed_collector::sink::kafka::ShippingStatus;
use watershed_collector::source::live::InterfaceStatus;
use watershed_model::Counters;

use super::*;
use crate::telemetry::log;

/// Everything that a process can tell.
fn all() -> Metrics {
    let metrics = Metrics::new("test");
    log::register(&metrics);
    let capture = CaptureMetrics::register(&metrics);
    let mut counters = Counters { packets: 10, in_flows: 7, kernel_dropped: 3, ..Counters::default() };
    counters.skip(watershed_model::SkipReason::Arp);
    capture.observe(&counters);
    let away = InterfaceStatus {
        name: "eth0".into(),
        received: 13,
        packets: 10,
        dropped: 3,
        ..InterfaceStatus::default()
    };
    capture.interfaces(&[&away]);
    capture.listening(&Look { listening: 9, unknown: 2, ..Look::default() });
    let status = ShippingStatus { acknowledged: 4, spooled_bytes: 77, ..ShippingStatus::default() };
    ShippingMetrics::register(&metrics, 1 << 20).observe(&status);
    let keeping = KeepingMetrics::register(&metrics, 1 << 20, 16);
    keeping.kept(0, &[], Duration::from_millis(30));
    keeping.kept_until(Timestamp::from_parts(1_700_000_000, 500_000_000));
    keeping.refusing(true);
    keeping.inventory_again(Err(()));
    let status = KafkaStatus { messages: 5, dead_letters: 1, lag: 2, ..KafkaStatus::default() };
    ReadingMetrics::register(&metrics).observe(&status);
    let status = KubernetesStatus { synced: true, events: 5, refused: 1, ..KubernetesStatus::default() };
    let watching = WatchingMetrics::register(&metrics);
    watching.kubernetes(&status);
    watching.docker(&DockerStatus { containers: 3, changes: 3, ..DockerStatus::default() });
    metrics
}

#[test]
fn the_exposition_is_as_it_was() {
    insta::assert_snapshot!(all().text().unwrap());
}

#[test]
fn what_goes_back_is_not_followed() {
    let metrics = Metrics::new("test");
    let counter = metrics.counter("test_total", "A test");
    for (to, expected) in [(3, 3), (2, 3), (7, 7)] {
        follow(&counter, to);
        assert_eq!(counter.get(), expected);
    }
}

/// Name, type and labels of each metric.
fn described(metrics: &Metrics) -> BTreeMap<String, (String, String)> {
    let families = metrics.0.gather().into_iter();
    let describe = |family: prometheus::proto::MetricFamily| {
        let labels = family.get_metric().iter().flat_map(prometheus::proto::Metric::get_label);
        let mut labels: Vec<_> = labels.map(|label| label.name().to_owned()).collect();
        labels.sort();
        labels.dedup();
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        (family.name().to_owned(), (kind, labels.join(", ")))
    };
    families.map(describe).collect()
}

#[test]
fn the_page_lists_every_metric_as_it_is() {
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `watershed_"));
    let listed: BTreeMap<String, (String, String)> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            (cells[1].clone(), (cells[2].clone(), cells[3].clone()))
        })
        .collect();
    for (name, described) in &described(&all()) {
        assert_eq!(listed.get(name), Some(described), "{name} in docs/metrics.md");
    }
    for name in listed.keys() {
        assert!(described(&all()).contains_key(name), "{name} is in docs/metrics.md and nowhere else");
    }
}

#[test]
fn alerts_are_about_metrics_that_there_are() {
    let known = described(&all());
    let alerts = include_str!("../../../../dashboards/alerts.yaml");
    let words = alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: Vec<_> = words.filter(|word| word.starts_with("watershed_")).collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        assert!(known.contains_key(name) || bare.is_some_and(|bare| known.contains_key(bare)), "{name}");
    }
}
