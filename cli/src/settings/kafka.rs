//! How to reach Kafka, for whoever writes to it and whoever reads from it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Where Kafka is and how to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KafkaSettings {
    /// `host:port,...`; empty: none.
    pub(crate) brokers: String,
    /// The topic of batches.
    pub(crate) topic: String,
    /// Its partitions and copies, where it is made.
    pub(crate) partitions: usize,
    pub(crate) replication: usize,
    pub(crate) security: Security,
    /// Certificates of the authorities to trust; `None`: the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// This client's certificate and its key.
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) mechanism: Mechanism,
    pub(crate) user: String,
    /// Holds the password: settings are printed, passwords are not.
    pub(crate) password_file: Option<PathBuf>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            topic: watershed_collector::sink::kafka::TOPIC.into(),
            partitions: 12,
            replication: 1,
            security: Security::Plaintext,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            mechanism: Mechanism::ScramSha512,
            user: String::new(),
            password_file: None,
        }
    }
}

/// Whether the connection is encrypted, and whether the client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plaintext,
    Tls,
    Sasl,
    SaslTls,
}

impl Security {
    pub(super) const ALL: [(&str, Self); 4] = [
        ("plaintext", Self::Plaintext),
        ("tls", Self::Tls),
        ("sasl", Self::Sasl),
        ("sasl_tls", Self::SaslTls),
    ];

    const fn protocol(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "ssl",
            Self::Sasl => "sasl_plaintext",
            Self::SaslTls => "sasl_ssl",
        }
    }
}

/// How the client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl Mechanism {
    pub(super) const ALL: [(&str, Self); 3] =
        [("PLAIN", Self::Plain), ("SCRAM-SHA-256", Self::ScramSha256), ("SCRAM-SHA-512", Self::ScramSha512)];
}

impl KafkaSettings {
    /// The properties of librdkafka that these settings stand for. One of them may be the password: they are for
    /// the client, and are never printed.
    ///
    /// # Errors
    ///
    /// Settings contradict each other, or the password cannot be read.
    pub(crate) fn connection(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut properties = vec![("security.protocol", self.security.protocol().to_owned())];
        let tls = matches!(self.security, Security::Tls | Security::SaslTls);
        for (key, property, file) in [
            ("ca_file", "ssl.ca.location", &self.ca_file),
            ("certificate_file", "ssl.certificate.location", &self.certificate_file),
            ("key_file", "ssl.key.location", &self.key_file),
        ] {
            let Some(file) = file else { continue };
            if !tls {
                bail!(
                    "setting kafka.{key} is for a connection with TLS: set kafka.security to tls or sasl_tls"
                );
            }
            properties.push((property, file.display().to_string()));
        }
        if matches!(self.security, Security::Sasl | Security::SaslTls) {
            let Some(file) = self.password_file.as_deref().filter(|_| !self.user.is_empty()) else {
                bail!("SASL needs a user and a password: set kafka.user and kafka.password_file");
            };
            let name = super::value::name_of(self.mechanism, &Mechanism::ALL);
            properties.push(("sasl.mechanisms", name.to_owned()));
            properties.push(("sasl.username", self.user.clone()));
            properties.push(("sasl.password", password(file)?));
        }
        Ok(properties.into_iter().map(|(property, value)| (property.to_owned(), value)).collect())
    }
}

/// The password in a file, without the end of its line.
fn password(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| {
        format!("cannot read the password in {} (setting kafka.password_file)", file.display())
    })?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("{} (setting kafka.password_file) is empty", file.display());
    }
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
        properties.iter().find(|(property, _)| property == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn plain_connections_need_nothing() {
        let properties = KafkaSettings::default().connection().unwrap();
        assert_eq!(properties, [("security.protocol".to_owned(), "plaintext".to_owned())]);
    }

    #[test]
    fn passwords_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let settings = KafkaSettings {
            security: Security::SaslTls,
            user: "agent".into(),
            password_file: Some(file.clone()),
            ca_file: Some("/ca.pem".into()),
            ..KafkaSettings::default()
        };
        assert!(settings.connection().unwrap_err().to_string().contains("kafka.password_file"));
        fs::write(&file, "\n").unwrap();
        assert!(settings.connection().unwrap_err().to_string().contains("is empty"));
        fs::write(file, "secret \n").unwrap();
        let properties = settings.connection().unwrap();
        assert_eq!(value(&properties, "sasl.password"), Some("secret "));
        assert_eq!(value(&properties, "sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(value(&properties, "ssl.ca.location"), Some("/ca.pem"));
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn contradictions_are_told() {
        let tls = KafkaSettings { ca_file: Some("ca.pem".into()), ..KafkaSettings::default() };
        assert!(tls.connection().unwrap_err().to_string().contains("kafka.security"));
        let sasl = KafkaSettings { security: Security::Sasl, ..KafkaSettings::default() };
        assert!(sasl.connection().unwrap_err().to_string().contains("kafka.user"));
    }
}
