//! Values of settings, to and from text.

use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use toml::Value;

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

/// One of several words.
pub(super) fn choice<T: Copy + PartialEq>(chosen: T, all: &[(&str, T)]) -> Value {
    Value::String(all.iter().find(|(_, choice)| *choice == chosen).map_or("", |(name, _)| name).into())
}

/// What the word stands for.
pub(super) fn parse_choice<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == text).map(|&(_, choice)| choice);
    let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("write one of {}", names()))
}

/// A number from 0 to 1.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a number from 0 to 1".to_owned())
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
    fn networks_have_no_host_bits() {
        assert_eq!(parse_networks("10.0.0.0/8, fc00::/7").map(|n| n.len()), Ok(2));
        let error = parse_networks("10.0.0.1/8").unwrap_err();
        assert_eq!(error, "`10.0.0.1/8` has bits set beyond its prefix: did you mean 10.0.0.0/8?");
    }
}
