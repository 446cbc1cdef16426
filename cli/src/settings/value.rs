//! Values of settings, to and from text.

use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use toml::Value;
use watershed_model::Labels;

pub(super) fn integer(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn parse_integer(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| range.contains(n));
    number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

/// `5m`, `100ms`, `1h 30m`.
pub(super) fn duration(duration: Duration) -> Value {
    Value::String(SignedDuration::try_from(duration).map_or_else(|_| "never".into(), |d| format!("{d:#}")))
}

/// A duration above zero.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    // A day has 24 hours: times are UTC.
    let days = || text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let parsed = text.parse().or_else(|_| days()).ok().filter(SignedDuration::is_positive);
    let duration = parsed.and_then(|signed| Duration::try_from(signed).ok());
    duration.ok_or_else(|| "write a duration with its unit, such as 90s, 5m, 1h or 7d".to_owned())
}

pub(super) fn networks(networks: &[IpNet]) -> Value {
    Value::Array(networks.iter().map(|network| Value::String(network.to_string())).collect())
}

/// Networks separated by commas.
pub(super) fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse_network).collect()
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let network: IpNet =
        text.parse().map_err(|_| format!("`{text}` is no network: write them as 10.0.0.0/8, fc00::/7"))?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        Err(format!("`{text}` has bits set beyond its prefix: did you mean {}?", network.trunc()))
    }
}

/// The name of one of several choices.
pub(super) fn name_of<T: Copy + PartialEq>(chosen: T, all: &[(&'static str, T)]) -> &'static str {
    all.iter().find(|(_, choice)| *choice == chosen).map_or("", |(name, _)| name)
}

/// One of several choices.
pub(super) fn choice<T: Copy + PartialEq>(chosen: T, all: &[(&'static str, T)]) -> Value {
    Value::String(name_of(chosen, all).into())
}

/// What the word stands for.
pub(super) fn parse_choice<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == text).map(|&(_, choice)| choice);
    let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("write one of {}", names()))
}

pub(super) fn list<T: ToString>(items: &[T]) -> Value {
    Value::Array(items.iter().map(|item| Value::String(item.to_string())).collect())
}

/// Texts separated by commas.
pub(super) fn parse_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

pub(super) fn labels(labels: &Labels) -> Value {
    Value::Array(labels.iter().map(|(key, value)| Value::String(format!("{key}={value}"))).collect())
}

/// Labels as `key=value`, separated by commas.
pub(super) fn parse_labels(text: &str) -> Result<Labels, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let label = |part: &str| {
        let (key, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` is no label: write key=value"))?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    parts.map(label).collect()
}

/// A number from 0 to 1.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a number from 0 to 1".to_owned())
}

/// `host:port`, several separated by commas.
pub(super) fn parse_brokers(text: &str) -> Result<String, String> {
    let is_broker = |broker: &str| {
        let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
            && broker.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-:[]".contains(letter))
    };
    let brokers: Vec<_> = text.split(',').map(str::trim).filter(|broker| !broker.is_empty()).collect();
    match brokers.iter().find(|broker| !is_broker(broker)) {
        Some(wrong) => {
            Err(format!("`{wrong}` is no broker: write host:port, such as kafka1:9092,kafka2:9092"))
        }
        None => Ok(brokers.join(",")),
    }
}

/// A name that Kafka takes for a topic.
pub(super) fn parse_topic(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let fits = (1..=249).contains(&text.len()) && text.chars().all(allowed) && text != "." && text != "..";
    fits.then(|| text.to_owned()).ok_or_else(|| "write 1 to 249 letters, digits, dots, dashes".to_owned())
}

/// A name that people read; empty: none.
pub(super) fn parse_agent(text: &str) -> Result<String, String> {
    let fits = text.len() <= 255 && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| "write at most 255 octets without control characters".to_owned())
}

/// Reads how sure something must be; less than even odds is no knowledge.
pub(super) fn parse_probability(text: &str) -> Result<f64, String> {
    let probability = text.parse().ok().filter(|probability| (0.5..=1.0).contains(probability));
    probability.ok_or_else(|| "write a number from 0.5 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse_duration("1w 2d"), Ok(Duration::from_secs(9 * 86_400)));
        assert_eq!(duration(Duration::from_secs(300)), Value::String("5m".into()));
        for wrong in ["", "5", "-5m", "0s", "1 fortnight", "1mo"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn brokers_have_a_port() {
        assert_eq!(parse_brokers(" a:9092, [::1]:9 ,"), Ok("a:9092,[::1]:9".into()));
        assert_eq!(parse_brokers(""), Ok(String::new()));
        for wrong in ["a", "a:", ":1", "a:0", "a:70000", "a b:1", "a:1;b:2"] {
            assert!(parse_brokers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn topics_are_what_kafka_takes() {
        assert!(parse_topic("watershed.flows.v1").is_ok());
        for wrong in ["", ".", "a b", "a/b", "\u{e4}"] {
            assert!(parse_topic(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_have_no_host_bits() {
        assert_eq!(parse_networks("10.0.0.0/8, fc00::/7").map(|n| n.len()), Ok(2));
        let error = parse_networks("10.0.0.1/8").unwrap_err();
        assert_eq!(error, "`10.0.0.1/8` has bits set beyond its prefix: did you mean 10.0.0.0/8?");
    }
}
