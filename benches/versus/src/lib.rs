//! Ours against the limit and the peers, in one process and one run
