//! Whom a command that captures becomes before it begins.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use watershed_collector::source::live::{self, User};

use crate::args::LiveArguments;
use crate::failure::Failure;
use crate::settings::Settings;

/// Where the names of users are.
const USERS: &str = "/etc/passwd";

/// Becomes the user of the setting `capture.user` where interfaces are captured on; first of all, so that every file
/// belongs to that user. Files of others that the command needs must be open to that user.
///
/// # Errors
///
/// There is no such user, or the kernel refuses.
pub(crate) fn become_configured(live: &LiveArguments, settings: &Settings) -> Result<(), Failure> {
    match user(live, settings)? {
        Some(user) => Ok(live::become_user(user, settings.capture_owners)?),
        None => Ok(()),
    }
}

/// The same for a command that keeps files in a directory of its own: that is made where it is missing, and given to
/// the user with the files in it.
///
/// # Errors
///
/// As above, or the directory cannot be given away.
pub(crate) fn become_configured_with(
    directory: &Path,
    live: &LiveArguments,
    settings: &Settings,
) -> Result<(), Failure> {
    let Some(user) = user(live, settings)? else { return Ok(()) };
    let place = directory.display();
    let cannot = || format!("cannot give {place} to user {} (this takes CAP_CHOWN)", user.uid);
    give(directory, user).with_context(cannot)?;
    Ok(live::become_user(user, settings.capture_owners)?)
}

fn user(live: &LiveArguments, settings: &Settings) -> Result<Option<User>, Failure> {
    if live.interface.is_empty() || settings.capture_user.is_empty() {
        return Ok(None);
    }
    let users = fs::read_to_string(USERS).unwrap_or_default();
    find(&settings.capture_user, &users).map(Some).map_err(Failure::usage)
}

/// Nothing is changed where the directory is the user's already: what is in it may then be closed to this process.
#[cfg(unix)]
fn give(directory: &Path, user: User) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};

    fs::create_dir_all(directory)?;
    if fs::metadata(directory)?.uid() == user.uid {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        chown(entry?.path(), Some(user.uid), Some(user.gid))?;
    }
    chown(directory, Some(user.uid), Some(user.gid))
}

#[cfg(not(unix))]
fn give(_: &Path, _: User) -> io::Result<()> {
    Ok(())
}

/// A user by name or number, of the lines of passwd(5); `UID:GID` needs no line.
fn find(text: &str, users: &str) -> anyhow::Result<User> {
    if let Some((uid, gid)) = text.split_once(':')
        && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
    {
        return Ok(User { uid, gid });
    }
    let known = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?);
        let user = User { uid: uid.parse().ok()?, gid: fields.next()?.parse().ok()? };
        (name == text || uid == text).then_some(user)
    });
    known.ok_or_else(|| {
        anyhow!("capture.user: there is no user `{text}` in {USERS}; a number needs a group: 964:964")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_numbers() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nwatershed:x:964:965::/var/lib/watershed:/bin/false\n";
        for (text, expected) in [
            ("watershed", Some(User { uid: 964, gid: 965 })),
            ("964", Some(User { uid: 964, gid: 965 })),
            ("root", Some(User { uid: 0, gid: 0 })),
            ("70:71", Some(User { uid: 70, gid: 71 })),
            ("70", None),
            ("nobody", None),
            ("watershed:x", None),
            ("-1:0", None),
        ] {
            assert_eq!(find(text, users).ok(), expected, "{text}");
        }
    }
}
