//! How one who watches hands over what there is to say.

use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};

/// How long to wait for room before looking again whether there is any.
const WAIT: Duration = Duration::from_millis(20);

/// Hands something over, as soon as there is room; false where nobody listens any more.
pub(super) async fn offer<T>(sender: &Sender<T>, mut item: T) -> bool {
    loop {
        match sender.try_send(item) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => item = back,
        }
        tokio::time::sleep(WAIT).await;
    }
}
