//! rslock 0.10, as its documentation uses it.

use std::time::Duration;

use rslock::LockManager;

/// For keys that nobody else wants.
pub(crate) fn connect(url: &str) -> LockManager {
    LockManager::from_clients(vec![redis::Client::open(url).unwrap()])
}

/// With its own pause of up to 200 ms between attempts, but enough of them that no caller gives up.
pub(crate) fn patient(url: &str) -> LockManager {
    let mut manager = connect(url);
    manager.set_retry(1_000_000, Duration::from_millis(200));
    manager
}
