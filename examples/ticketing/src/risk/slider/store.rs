//! Where the answers wait: each can be taken once, and goes away by itself.

use std::{collections::HashMap, sync::Arc};

use nebula_redis::Connection;
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Answer, LIFE};
use crate::problem::{Code, Problem, Result};

/// Most answers that wait in this process.
const MOST: usize = 100_000;

/// Answers to challenges.
#[derive(Clone)]
pub enum Store {
    /// In this process.
    Memory(Arc<Mutex<HashMap<Uuid, (Instant, Answer)>>>),
    /// On a Redis server, under keys that begin so.
    Redis(Connection, String),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What waits is secret.
        f.write_str(if matches!(self, Self::Memory(_)) { "Store::Memory" } else { "Store::Redis" })
    }
}

impl Store {
    /// An empty one in this process.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    pub(super) async fn put(&self, id: Uuid, answer: &Answer) -> Result<()> {
        match self {
            Self::Memory(answers) => {
                let now = Instant::now();
                let mut answers = answers.lock();
                if answers.len() >= MOST {
                    answers.retain(|_, (until, _)| *until > now);
                }
                if answers.len() >= MOST {
                    return Err(Problem::new(Code::Busy, "Too many challenges wait for an answer."));
                }
                answers.insert(id, (now + LIFE, answer.clone()));
                Ok(())
            }
            Self::Redis(connection, prefix) => {
                let text = serde_json::to_string(answer).map_err(Problem::internal)?;
                let mut set = redis::cmd("SET");
                set.arg(format!("{prefix}{id}")).arg(text).arg("PX").arg(LIFE.as_millis().to_string());
                set.exec_async(&mut connection.clone()).await.map_err(Problem::unavailable)
            }
        }
    }

    pub(super) async fn take(&self, id: Uuid) -> Result<Option<Answer>> {
        match self {
            Self::Memory(answers) => {
                let taken = answers.lock().remove(&id);
                Ok(taken.filter(|(until, _)| *until > Instant::now()).map(|(_, answer)| answer))
            }
            Self::Redis(connection, prefix) => {
                let mut get = redis::cmd("GETDEL");
                get.arg(format!("{prefix}{id}"));
                let text: Option<String> =
                    get.query_async(&mut connection.clone()).await.map_err(Problem::unavailable)?;
                text.map(|text| serde_json::from_str(&text)).transpose().map_err(Problem::internal)
            }
        }
    }
}
