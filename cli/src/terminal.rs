//! How text stands out on a terminal.

use std::io::{self, IsTerminal as _};

use crate::settings::{ColorChoice, Environment};

/// Whether and how to colour standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    color: bool,
}

impl Style {
    /// No colours: for files.
    pub(crate) const PLAIN: Self = Self { color: false };

    /// As wished, and as standard output is.
    pub(crate) fn of(choice: ColorChoice, environment: &Environment) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => io::stdout().is_terminal() && !environment.no_color(),
        };
        Self { color }
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What may be overlooked.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is as it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What needs a look.
    pub(crate) fn alert(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// `code` is an SGR parameter (ECMA-48, 8.3.117).
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
