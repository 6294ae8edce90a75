//! Distributed locks with leases, renewal, fence tokens and a signal when the lock is lost; in memory and on Redis
