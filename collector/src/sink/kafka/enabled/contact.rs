//! Whether the brokers can be reached, as the client library tells, and why not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What is known of the brokers. Clones share it: the library's threads tell, the shipping thread asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Contact(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Whether none of them can be reached.
    lost: bool,
    /// What went wrong last with one of them.
    reason: Option<String>,
}

impl Contact {
    /// A client has failed with one broker, or with the last that was left.
    ///
    /// Of several brokers some may be away without harm, so what is wrong with one is only remembered.
    pub(super) fn failed(&self, error: &KafkaError, reason: &str) {
        let mut known = self.lock();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => known.lost = true,
            Some(
                RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::BrokerTransportFailure,
            ) => known.reason = Some(reason.to_owned()),
            _ => {}
        }
    }

    /// A broker has done what it was asked for.
    pub(super) fn made(&self) {
        *self.lock() = Known::default();
    }

    /// Why none can be reached; `None` where one can, as far as is known.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        let known = self.lock();
        known.lost.then(|| known.reason.as_deref().unwrap_or("no broker answers").into())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // What is behind it is whole at all times.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::Global(code)
    }

    #[test]
    fn brokers_are_away_when_the_last_is_and_the_reason_is_what_was_wrong_with_it() {
        let contact = Contact::default();
        contact.failed(&error(RDKafkaErrorCode::Authentication), "a wrong password");
        assert_eq!(contact.lost(), None, "another broker may take it");
        contact.failed(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(contact.lost().as_deref(), Some("a wrong password"));
        contact.made();
        assert_eq!(contact.lost(), None);
        contact.failed(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(contact.lost().as_deref(), Some("no broker answers"));
    }
}
