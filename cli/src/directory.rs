//! The directory that `--out` names: files appear whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// Octets gathered before a write: few system calls, little memory.
const BUFFER: usize = 256 * 1024;

/// A directory that is written to. Files of other names in it are left alone.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    written: Vec<String>,
}

impl Directory {
    /// Opens the directory, and makes it where it is missing.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self { path: path.to_owned(), written: Vec::new() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the files written so far.
    pub(crate) fn written(&self) -> &[String] {
        &self.written
    }

    /// Starts a file, whose name may have folders before it; it appears under its name with [`Directory::finish`].
    pub(crate) fn start(&self, name: &str) -> anyhow::Result<Unfinished> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".watershed-");
        // Readable as any new file is: the user's umask decides.
        #[cfg(unix)]
        builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
        let file = builder.tempfile_in(&self.path).with_context(|| self.failed(name))?;
        Ok(Unfinished { name: name.to_owned(), file: BufWriter::with_capacity(BUFFER, file) })
    }

    /// Gives a file its name, over an earlier one of the same name.
    pub(crate) fn finish(&mut self, unfinished: Unfinished) -> anyhow::Result<()> {
        let name = unfinished.name;
        let file = unfinished.file.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.with_context(|| self.failed(&name))?;
        let path = self.path.join(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| self.failed(&name))?;
        }
        file.persist(path).map_err(|e| e.error).with_context(|| self.failed(&name))?;
        self.written.push(name);
        Ok(())
    }

    /// Writes a file whole.
    pub(crate) fn write(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Unfinished) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut file = self.start(name)?;
        fill(&mut file).with_context(|| self.failed(name))?;
        self.finish(file)
    }

    /// Writes a file that is already in memory; one that says the same already is not touched.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> anyhow::Result<()> {
        if fs::read(self.path.join(name)).is_ok_and(|there| there == text.as_bytes()) {
            self.written.push(name.to_owned());
            return Ok(());
        }
        self.write(name, |file| file.write_all(text.as_bytes()))
    }

    fn failed(&self, name: &str) -> String {
        format!("cannot write {}", self.path.join(name).display())
    }
}

/// A file that has not got its name yet; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Unfinished {
    name: String,
    file: BufWriter<NamedTempFile>,
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let mut directory = Directory::open(&path).unwrap();
        fs::write(path.join("mine.txt"), "stays").unwrap();
        directory.write("edges.csv", |file| file.write_all(b"old")).unwrap();
        let failed = directory.write("edges.csv", |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(
            format!("{:#}", failed.unwrap_err()),
            format!("cannot write {}: disk full", path.join("edges.csv").display())
        );
        assert_eq!(fs::read_to_string(path.join("edges.csv")).unwrap(), "old");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "the temporary file is gone");
        assert_eq!(directory.written(), ["edges.csv"]);
    }
}
