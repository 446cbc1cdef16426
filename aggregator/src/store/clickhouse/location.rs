//! Where a ClickHouse server is, as people write it.

use std::fmt;

/// Ports of ClickHouse's HTTP interface.
const HTTP: u16 = 8123;
const HTTPS: u16 = 8443;

/// User and database where none are named.
const USER: &str = "default";
const DATABASE: &str = "watershed";

/// `clickhouse://USER@HOST:PORT/DATABASE`, or `clickhouse+https://...` for TLS. It holds no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickHouseLocation {
    /// Whether over TLS.
    pub secure: bool,
    /// Who asks; `default` unless named.
    pub user: String,
    /// The server's name or address; an IPv6 address in brackets.
    pub host: String,
    /// Its HTTP port; 8123 unless named, over TLS 8443.
    pub port: u16,
    /// The database, letters, digits and underscores; `watershed` unless named.
    pub database: String,
}

/// Why a text is no location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoLocation {
    /// It has a password, which then stands in process lists and logs.
    Password,
    /// It does not begin as one, or a part makes no sense.
    Other,
}

impl ClickHouseLocation {
    /// Reads it.
    pub(crate) fn parse(text: &str) -> Result<Self, NoLocation> {
        let (secure, rest) =
            match (text.strip_prefix("clickhouse://"), text.strip_prefix("clickhouse+https://")) {
                (Some(rest), _) => (false, rest),
                (None, Some(rest)) => (true, rest),
                (None, None) => return Err(NoLocation::Other),
            };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, DATABASE));
        let (user, server) = authority.rsplit_once('@').unwrap_or((USER, authority));
        if user.contains(':') {
            return Err(NoLocation::Password);
        }
        let (host, port) = match server.rsplit_once(':') {
            // What stands in brackets is an address, with colons of its own.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (server, Some(if secure { HTTPS } else { HTTP })),
        };
        let named = |text: &str, also: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        };
        let is_address = host.starts_with('[') && host.ends_with(']') && named(host, "[]:.");
        match port {
            Some(port)
                if named(user, "_.-@") && (named(host, ".-_") || is_address) && named(database, "_") =>
            {
                let [user, host, database] = [user, host, database].map(str::to_owned);
                Ok(Self { secure, user, host, port, database })
            }
            _ => Err(NoLocation::Other),
        }
    }

    /// The address of the HTTP interface.
    pub(super) fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

/// As it is written, with all its parts.
impl fmt::Display for ClickHouseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secure, user, host, port, database } = self;
        let scheme = if *secure { "clickhouse+https" } else { "clickhouse" };
        write!(f, "{scheme}://{user}@{host}:{port}/{database}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default() {
        for (text, whole) in [
            ("clickhouse://db.example", "clickhouse://default@db.example:8123/watershed"),
            ("clickhouse+https://me@db:1/w_1", "clickhouse+https://me@db:1/w_1"),
            ("clickhouse+https://[2001:db8::1]", "clickhouse+https://default@[2001:db8::1]:8443/watershed"),
            ("clickhouse://[::1]:99/x", "clickhouse://default@[::1]:99/x"),
        ] {
            assert_eq!(ClickHouseLocation::parse(text).unwrap().to_string(), whole);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, why) in [
            ("http://db", NoLocation::Other),
            ("clickhouse://me:secret@db/x", NoLocation::Password),
            ("clickhouse://", NoLocation::Other),
            ("clickhouse://db:port", NoLocation::Other),
            ("clickhouse://db/", NoLocation::Other),
            ("clickhouse://db/x/y", NoLocation::Other),
            ("clickhouse://db/x?y", NoLocation::Other),
            ("clickhouse://a b/x", NoLocation::Other),
            ("clickhouse://[::1/x", NoLocation::Other),
        ] {
            assert_eq!(ClickHouseLocation::parse(text), Err(why), "{text}");
        }
    }
}
