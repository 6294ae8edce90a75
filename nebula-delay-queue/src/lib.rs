//! Delayed and immediate messages with leases, retry, dead letters and a transactional outbox; in memory, on SQL and on Redis
