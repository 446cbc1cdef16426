//! Sockets of one interface among which the kernel shares its packets out: packet(7), `PACKET_FANOUT`.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::{Arc, OnceLock};

use libc::{PACKET_FANOUT, PACKET_FANOUT_FLAG_UNIQUEID, PACKET_FANOUT_HASH, SOL_PACKET, socklen_t};

/// The group of an interface. The kernel gives each connection to one of its sockets, by a hash that is the same for both
/// directions; fragments go by their addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Group(Arc<OnceLock<u16>>);

impl Group {
    /// From now on, `socket` gets its share only. The first that joins makes the group, with a number that no other has; one
    /// that comes later, because the interface came back, makes it anew where all others have left.
    pub(super) fn join(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let Some(&number) = self.0.get() else {
            set(socket, (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16)?;
            // In the lower half of what is read, too.
            let number = (get(socket)? & 0xffff) as u16;
            let _ = self.0.set(number);
            return Ok(());
        };
        set(socket, PACKET_FANOUT_HASH << 16 | u32::from(number))
    }
}

/// The option's value: mode and flags in the upper half, the group's number in the lower.
fn set(socket: BorrowedFd<'_>, value: u32) -> io::Result<()> {
    let length = size_of::<u32>() as socklen_t;
    // SAFETY: the socket is open as long as it is borrowed, and the kernel reads the four octets of `value` and no more.
    // No safe wrapper knows this option.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), SOL_PACKET, PACKET_FANOUT, (&raw const value).cast(), length)
    };
    told(result)
}

fn get(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut value = 0_u32;
    let mut length = size_of::<u32>() as socklen_t;
    // SAFETY: as in `set`; the kernel writes no more than the four octets that `length` tells it of.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            SOL_PACKET,
            PACKET_FANOUT,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    told(result).map(|()| value)
}

fn told(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
