//! Waiting rooms on Redis: several processes share them.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use nebula_redis::{Connection, Script};

use super::{Answer, Crowd, Errand, RoomError, Rules, Standing, WaitingRoom};
use crate::ids::{SessionId, UserId};

static VISIT: LazyLock<Script> = LazyLock::new(|| Script::new("room", include_str!("room.lua")));

/// Waiting rooms on a Redis server (6.2 or newer): one script for a visit of many, on the server's clock, all keys of a session in
/// one cluster slot. A server that restarts empty has empty rooms: who waits then joins again, with the next request.
#[derive(Clone)]
pub struct RedisRoom {
    connection: Connection,
    prefix: String,
}

impl std::fmt::Debug for RedisRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRoom").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisRoom {
    /// Rooms whose keys begin with `prefix`.
    #[must_use]
    pub fn new(connection: Connection, prefix: impl Into<String>) -> Self {
        Self { connection, prefix: prefix.into() }
    }
}

#[async_trait]
impl WaitingRoom for RedisRoom {
    async fn visit(
        &self,
        session: SessionId,
        rules: &Rules,
        errand: Errand,
        users: &[UserId],
    ) -> Result<Answer, RoomError> {
        let keys =
            ["book", "line", "seen", "inside", "untold"].map(|name| format!("{}{{{session}}}:{name}", self.prefix));
        let errand = match errand {
            Errand::Join => "join",
            Errand::Look => "look",
            Errand::Leave => "leave",
        };
        let mut call = VISIT
            .key(&keys)
            .arg(errand)
            .arg(format!("{:032x}", rand::random::<u128>()))
            .arg(rules.opens_at.0)
            .arg(rules.admitted)
            .arg(rules.stay.as_millis().to_string())
            .arg(rules.grace.as_millis().to_string());
        for user in users {
            call = call.arg(user.to_string());
        }
        let reply: Vec<i64> = call.invoke(&mut self.connection.clone()).await.map_err(|e| RoomError(Arc::new(e)))?;
        read(&reply, users.len()).ok_or_else(|| RoomError::saying("the script answered nonsense"))
    }
}

fn read(reply: &[i64], users: usize) -> Option<Answer> {
    let ([waiting, inside, pace, queued, let_in], rest) = reply.split_first_chunk()?;
    let number = |value: &i64| u64::try_from(*value).ok();
    let crowd = Crowd { waiting: number(waiting)?, inside: number(inside)?, pace: number(pace)? };
    let standings = rest
        .chunks_exact(2)
        .map(|pair| {
            let value = number(&pair[1])?;
            Some(match pair[0] {
                0 => Standing::Away,
                1 => Standing::Waiting { ahead: value },
                2 => Standing::Inside { left: std::time::Duration::from_millis(value) },
                _ => return None,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let (queued, let_in) = (number(queued)?, number(let_in)?);
    (standings.len() == users).then_some(Answer { crowd, standings, queued, let_in })
}
