//! File descriptors: every connection needs one, and a system gives a process so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises what this process may use to what the system allows it at most. Shells and service managers begin with little,
/// for the sake of old programs that do not work with more.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        // On some systems no limit is more than there can be; then there are as many as before.
        tracing::debug!(?current, ?maximum, "the limit of open files stays as it is");
    }
}

/// How many this process may have open.
#[must_use]
pub fn allowed() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
