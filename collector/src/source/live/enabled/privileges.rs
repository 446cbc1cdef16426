//! Fewer privileges once the interfaces are open.

use caps::{CapSet, Capability, CapsHashSet};

use crate::error::SourceError;

/// Keeps no more privileges than capturing needs: of the capabilities only `CAP_NET_RAW`, to open an interface
/// again that comes back, and no way to gain any by running another program.
///
/// Concerns this thread and those that it starts later, so call it before starting any. From then on even root
/// can neither read nor write the files of other users that are closed to it.
///
/// # Errors
///
/// The kernel refuses.
pub fn drop_privileges() -> Result<(), SourceError> {
    let refused = |reason: String| SourceError::Privileges { reason };
    let held = caps::read(None, CapSet::Permitted).map_err(|error| refused(error.to_string()))?;
    // What programs started later could have. Taking it away needs a capability itself, so it comes first.
    if held.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::runtime::thread_all_supported() {
            caps::drop(None, CapSet::Bounding, capability).map_err(|error| refused(error.to_string()))?;
        }
    }
    let kept: CapsHashSet = held.into_iter().filter(|held| *held == Capability::CAP_NET_RAW).collect();
    let none = CapsHashSet::new();
    for (set, keep) in [(CapSet::Effective, &kept), (CapSet::Permitted, &kept), (CapSet::Inheritable, &none)]
    {
        caps::set(None, set, keep).map_err(|error| refused(error.to_string()))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(|error| refused(error.to_string()))
}
