//! Fewer privileges than a process starts with.

use std::{fmt, fs};

use caps::{CapSet, Capability, CapsHashSet};
use rustix::thread::{self, Gid, Uid};

use super::super::{Keep, User};
use crate::error::SourceError;

/// Keeps no more privileges than `keep` says, as far as there are any, and no way to gain any by running another
/// program.
///
/// Concerns this thread and those that it starts later, so call it before starting any. From then on even root
/// can neither read nor write the files of other users that are closed to it, but for reading where that is kept.
///
/// # Errors
///
/// The kernel refuses.
pub fn drop_privileges(keep: Keep) -> Result<(), SourceError> {
    bound()?;
    keep_only(keep)
}

/// Becomes `user`, who has no more privileges than `keep` says, as after [`drop_privileges`]: interfaces can
/// still be opened, and whatever is written from now on belongs to the user.
///
/// Concerns this thread and those that it starts later, so call it before starting any. Whoever is that user already
/// only drops privileges.
///
/// # Errors
///
/// The kernel refuses: becoming another user takes `CAP_SETUID` and `CAP_SETGID`, which root has by default.
pub fn become_user(user: User, keep: Keep) -> Result<(), SourceError> {
    // Taking away what programs started later could have needs a capability that goes with the user.
    bound()?;
    if !is_already(user) {
        let other = |error: rustix::io::Errno| SourceError::User { uid: user.uid, reason: error.to_string() };
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        // Else no capability would outlive the change.
        thread::set_keep_capabilities(true).map_err(other)?;
        thread::set_thread_groups(&[]).map_err(other)?;
        thread::set_thread_res_gid(gid, gid, gid).map_err(other)?;
        thread::set_thread_res_uid(uid, uid, uid).map_err(other)?;
        thread::set_keep_capabilities(false).map_err(other)?;
    }
    keep_only(keep)
}

/// The second number of `Uid:` in proc_pid_status(5) is the effective one. Where there is no such file, becoming the user
/// once more says what is so.
fn is_already(user: User) -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = numbers.and_then(|numbers| numbers.split_whitespace().nth(1));
    effective.is_some_and(|uid| uid == user.uid.to_string())
}

/// Takes from programs started later what they could have; where that is not allowed, what follows must do.
fn bound() -> Result<(), SourceError> {
    if caps::read(None, CapSet::Permitted)
        .map_err(|error| refused(&error))?
        .contains(&Capability::CAP_SETPCAP)
    {
        for capability in caps::runtime::thread_all_supported() {
            caps::drop(None, CapSet::Bounding, capability).map_err(|error| refused(&error))?;
        }
    }
    Ok(())
}

fn keep_only(keep: Keep) -> Result<(), SourceError> {
    let held = caps::read(None, CapSet::Permitted).map_err(|error| refused(&error))?;
    let kept: CapsHashSet = held.into_iter().filter(|held| keeps(keep).contains(held)).collect();
    let none = CapsHashSet::new();
    for (set, keep) in [(CapSet::Effective, &kept), (CapSet::Permitted, &kept), (CapSet::Inheritable, &none)]
    {
        caps::set(None, set, keep).map_err(|error| refused(&error))?;
    }
    thread::set_no_new_privs(true).map_err(|error| refused(&error))
}

const fn keeps(keep: Keep) -> &'static [Capability] {
    match keep {
        Keep::Capturing => &[Capability::CAP_NET_RAW],
        Keep::CapturingAndOwners => {
            &[Capability::CAP_NET_RAW, Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH]
        }
    }
}

fn refused(error: &dyn fmt::Display) -> SourceError {
    SourceError::Privileges { reason: error.to_string() }
}
