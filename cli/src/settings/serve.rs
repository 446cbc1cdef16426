//! Who may read and decide over HTTP.

use std::path::PathBuf;

/// Who may do what on the map that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServeSettings {
    /// A file with a name and a token a line.
    pub(crate) tokens: Option<PathBuf>,
    /// Who may read.
    pub(crate) readers: Readers,
}

/// Who may read the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever asks on a loopback address; anybody else needs a token.
    #[default]
    Local,
    /// Whoever has a token.
    Tokens,
    /// Whoever reaches the address.
    Anyone,
}

impl Readers {
    pub(super) const ALL: [(&str, Self); 3] =
        [("local", Self::Local), ("tokens", Self::Tokens), ("anyone", Self::Anyone)];
}
