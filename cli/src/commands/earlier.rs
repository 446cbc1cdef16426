//! What an earlier export left in the directory of `--out`: files of rules that are gone would be taken for
//! rules that are there.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::directory::Directory;
use crate::failure::Failure;

/// Where an export lists its files.
const CERTIFICATE: &str = "certificate.json";

/// The files of an earlier export, by its certificate.
pub(super) struct Earlier {
    folder: PathBuf,
    files: Vec<Listed>,
}

/// What became of the files that the new export does not have.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// How many are gone.
    pub(super) files: u64,
    /// Those that somebody changed since, which stay.
    pub(super) changed: Vec<String>,
}

#[derive(Deserialize)]
struct Certificate {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(alias = "name")]
    path: String,
    sha256: String,
}

impl Earlier {
    /// Reads the certificate in a folder; without one nothing is known of it, so nothing of it is removed.
    pub(super) fn of(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join(CERTIFICATE)).unwrap_or_default();
        let files = serde_json::from_str(&text).map_or_else(|_| Vec::new(), |found: Certificate| found.files);
        Self { folder: folder.to_owned(), files }
    }

    /// Removes what the export that was just written to `directory` does not have.
    pub(super) fn remove(self, directory: &Directory) -> Result<Removed, Failure> {
        let mut removed = Removed::default();
        for Listed { path, sha256 } in self.files {
            // A certificate is a file like any other: it may name nothing outside of its folder.
            let inside = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
            if !inside || directory.written().contains(&path) {
                continue;
            }
            let place = self.folder.join(&path);
            let Ok(content) = fs::read(&place) else { continue };
            if hex(&Sha256::digest(&content)) != sha256 {
                removed.changed.push(path);
                continue;
            }
            fs::remove_file(&place).with_context(|| format!("cannot remove {}", place.display()))?;
            removed.files += 1;
            // Folders that hold nothing else go with their files; the others stay.
            let within = place.ancestors().skip(1).take_while(|folder| *folder != self.folder);
            let _ = within.map(fs::remove_dir).take_while(Result::is_ok).count();
        }
        Ok(removed)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
