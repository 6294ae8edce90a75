//! The keys of a queue.

use crate::QueueName;

pub(super) struct Keys {
    pub(super) msg: String,
    pub(super) run: String,
    pub(super) lease: String,
    pub(super) dead: String,
    pub(super) note: String,
    pub(super) due: [String; 3],
    pub(super) channel: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, queue: &QueueName) -> Self {
        let key = |part: &str| format!("{prefix}:{{{queue}}}:{part}");
        Self {
            msg: key("msg"),
            run: key("run"),
            lease: key("lease"),
            dead: key("dead"),
            note: key("note"),
            due: [key("due0"), key("due1"), key("due2")],
            channel: key("wake"),
        }
    }
}
