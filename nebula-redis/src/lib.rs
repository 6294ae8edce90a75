//! Redis plumbing shared by the Nebula crates: configuration, managed connections, pub/sub that re-subscribes, Lua scripts
