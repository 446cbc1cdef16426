//! Who may do what: a file with a name and a token a line.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use sha2::{Digest as _, Sha256};

/// Characters that a token has at least: what is shorter can be guessed.
const SHORTEST: usize = 16;

/// Characters that a name has at most: it stands in the file of decisions.
const LONGEST_NAME: usize = 64;

/// Octets of the file: thousands of people.
const MAX_FILE: u64 = 1 << 20;

/// Permissions that the file must not give: anything to others, writing to its group.
#[cfg(unix)]
const TOO_OPEN: u32 = 0o027;

type Hash = [u8; 32];

/// Everybody who has a token.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Holder>);

#[derive(Debug)]
struct Holder {
    person: Person,
    token: Hash,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    /// Whether it may decide, too.
    pub(super) decides: bool,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, others may, or a line of it is wrong. No token stands in the message.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let place = path.display();
        let cannot = || format!("cannot read the tokens in {place}");
        let file = File::open(path).with_context(cannot)?;
        check_permissions(path, &file.metadata().with_context(cannot)?)?;
        let mut text = String::new();
        let read = file.take(MAX_FILE + 1).read_to_string(&mut text).with_context(cannot)?;
        if read as u64 > MAX_FILE {
            bail!("{place} has more than {MAX_FILE} octets: it holds a name and a token a line");
        }
        Self::parse(&text).map_err(|(line, hint)| anyhow!("{place}:{line}: {hint}"))
    }

    /// The error has the number of the line.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut holders: Vec<Holder> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let holder = holder(line).map_err(|hint| (number, hint))?;
            if holders.iter().any(|other| other.person.name == holder.person.name) {
                return Err((
                    number,
                    format!("`{}` is there already: give each a name of its own", holder.person.name),
                ));
            }
            holders.push(holder);
        }
        Ok(Self(holders))
    }

    /// Whether nobody has one.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token it is. Takes as long whichever it is, and says nothing of how much of it is right.
    pub(super) fn holder(&self, token: &str) -> Option<&Person> {
        let given = hash(token.as_bytes());
        let mut found = None;
        for holder in &self.0 {
            let differs = holder.token.iter().zip(given).fold(0, |bits, (a, b)| bits | (a ^ b));
            if differs == 0 {
                found = Some(&holder.person);
            }
        }
        found
    }
}

fn holder(line: &str) -> Result<Holder, String> {
    let (name, token, decides) = match *line.split_whitespace().collect::<Vec<_>>() {
        [name, token] => (name, token, true),
        [name, token, "read"] => (name, token, false),
        _ => return Err("write a name, a token, and `read` where that is all that it is for".to_owned()),
    };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    if name.len() > LONGEST_NAME || !name.chars().all(fits) {
        return Err(format!("a name has 1 to {LONGEST_NAME} letters, digits and any of - _ . @"));
    }
    let token = match token.strip_prefix("sha256:") {
        Some(digits) => read_hash(digits).ok_or("sha256: is followed by 64 hexadecimal digits")?,
        None if token.chars().count() < SHORTEST => {
            return Err(format!(
                "the token has fewer than {SHORTEST} characters: make one with `openssl rand -hex 32`"
            ));
        }
        None => hash(token.as_bytes()),
    };
    Ok(Holder { person: Person { name: name.to_owned(), decides }, token })
}

fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

fn read_hash(digits: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (octet, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(unix)]
fn check_permissions(path: &Path, file: &fs::Metadata) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = file.permissions().mode() & 0o777;
    if mode & TOO_OPEN != 0 {
        let place = path.display();
        bail!("others may read or change the tokens in {place} (mode {mode:03o}): run chmod 600 {place}");
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_permissions(_: &Path, _: &fs::Metadata) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    #[test]
    fn a_token_is_known_plain_and_by_its_hash() {
        let hashed = hash(TOKEN.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let text = format!("# people\nalice {TOKEN}\n\nbob sha256:{}\n", hashed.replace(TOKEN, ""));
        let tokens = Tokens::parse(&text).unwrap();
        // The later of two with the same token.
        assert_eq!(tokens.holder(TOKEN).unwrap().name, "bob");
        for wrong in ["", "alice", &TOKEN[1..], &format!("{TOKEN} "), &hashed] {
            assert_eq!(tokens.holder(wrong), None, "{wrong}");
        }
        let tokens = Tokens::parse(&format!("carol {TOKEN} read # looks only")).unwrap();
        assert_eq!(tokens.holder(TOKEN), Some(&Person { name: "carol".into(), decides: false }));
        assert_eq!(Tokens::default().holder(""), None);
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_the_token() {
        for (text, expected) in [
            ("alice", "write a name, a token"),
            ("alice correct-horse-battery write", "write a name, a token"),
            ("alice secret", "fewer than 16 characters"),
            ("al/ice correct-horse-battery", "a name has"),
            ("alice sha256:12", "64 hexadecimal digits"),
            (
                "alice sha256:+2345678901234567890123456789012345678901234567890123456789012ab",
                "64 hexadecimal",
            ),
        ] {
            let (line, hint) = Tokens::parse(&format!("\n{text}\n")).unwrap_err();
            assert!(line == 2 && hint.contains(expected), "{text}: {line} {hint}");
            assert!(!hint.contains("horse") && !hint.contains("secret"), "{hint}");
        }
        let twice = format!("alice {TOKEN}\nalice {TOKEN}x\n");
        assert_eq!(Tokens::parse(&twice).unwrap_err().0, 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, format!("alice {TOKEN}\n")).unwrap();
        for (mode, fits) in [(0o600, true), (0o440, true), (0o644, false), (0o620, false), (0o601, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = Tokens::read(&path);
            assert_eq!(read.is_ok(), fits, "{mode:o}");
            assert!(read.is_ok() || read.unwrap_err().to_string().contains("chmod 600"));
        }
        assert!(Tokens::read(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
