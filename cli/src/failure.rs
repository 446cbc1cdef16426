//! What went wrong, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use crate::output::text::plain;

/// Why a command did not do all that was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or configuration: nothing was read. Exit code 2.
    Usage(anyhow::Error),
    /// Failed at work: whatever was readable has been printed. Exit code 1.
    Work(anyhow::Error),
}

impl Failure {
    /// Wrong usage or configuration.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    /// The message, with its causes, and the exit code; nothing where the reader of standard output went
    /// away, as `head` does: then it has had what it wanted.
    pub(crate) fn report(&self) -> (Option<String>, ExitCode) {
        let (error, code) = match self {
            Self::Usage(error) => (error, ExitCode::from(2)),
            Self::Work(error) => (error, ExitCode::FAILURE),
        };
        if is_broken_pipe(error) {
            return (None, ExitCode::SUCCESS);
        }
        (Some(format!("watershed: {}", with_causes(error))), code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Work(error.into())
    }
}

/// The message and its causes, each once: some messages hold their cause already.
fn with_causes(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.ends_with(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    // Some messages have several lines, one for each mistake in a file.
    message.lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_message_carries_its_causes() {
        let io: Result<(), _> = Err(io::Error::new(io::ErrorKind::NotFound, "no such file"));
        let failure = Failure::from(io.context("cannot read hosts.yaml").expect_err("an error"));
        assert_eq!(failure.report().0.as_deref(), Some("watershed: cannot read hosts.yaml: no such file"));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let io: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        let failure = Failure::from(io.context("cannot write").expect_err("an error"));
        assert_eq!(failure.report().0, None);
    }
}
