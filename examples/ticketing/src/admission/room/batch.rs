//! The handle: visits of one session that come together share one call of the room.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Answer, Crowd, Errand, RoomError, Rules, Standing, WaitingRoom};
use crate::{
    funnel::{Count, Funnel},
    ids::{SessionId, UserId},
};

/// Most visits in one call: keeps a shared server responsive for others.
const BATCH: usize = 256;

/// The waiting rooms. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rooms {
    room: Arc<dyn WaitingRoom>,
    lines: Arc<Mutex<HashMap<SessionId, Vec<Visit>>>>,
    funnel: Funnel,
}

#[derive(Debug)]
struct Visit {
    user: UserId,
    rules: Rules,
    reply: oneshot::Sender<Result<(Standing, Crowd), RoomError>>,
}

impl Rooms {
    /// Rooms on this backend.
    #[must_use]
    pub fn new(room: Arc<dyn WaitingRoom>) -> Self {
        Self { room, lines: Arc::default(), funnel: Funnel::default() }
    }

    /// Counts who comes and who is let in.
    #[must_use]
    pub fn with_funnel(mut self, funnel: Funnel) -> Self {
        self.funnel = funnel;
        self
    }

    /// Waits, or shows that one still does.
    ///
    /// # Errors
    ///
    /// [`RoomError`]; nobody is let in then.
    ///
    /// # Cancel safety
    ///
    /// The visit goes on.
    pub async fn join(&self, session: SessionId, rules: Rules, user: UserId) -> Result<(Standing, Crowd), RoomError> {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut lines = self.lines.lock();
            let first = !lines.contains_key(&session);
            lines.entry(session).or_default().push(Visit { user, rules, reply });
            first
        };
        if first {
            let this = self.clone();
            tokio::spawn(async move { this.carry(session).await });
        }
        answer.await.unwrap_or_else(|gone| Err(RoomError(Arc::new(gone))))
    }

    /// Where somebody stands, without joining.
    ///
    /// # Errors
    ///
    /// [`RoomError`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn look(&self, session: SessionId, rules: Rules, user: UserId) -> Result<(Standing, Crowd), RoomError> {
        single(&self.visit(session, &rules, Errand::Look, &[user]).await?)
    }

    /// The room as it is now.
    ///
    /// # Errors
    ///
    /// [`RoomError`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn crowd(&self, session: SessionId, rules: Rules) -> Result<Crowd, RoomError> {
        Ok(self.visit(session, &rules, Errand::Look, &[]).await?.crowd)
    }

    /// Gives up the place.
    ///
    /// # Errors
    ///
    /// [`RoomError`]; the place then ends by itself.
    ///
    /// # Cancel safety
    ///
    /// It was given up or not; it may be repeated.
    pub async fn leave(&self, session: SessionId, rules: Rules, user: UserId) -> Result<(), RoomError> {
        self.visit(session, &rules, Errand::Leave, &[user]).await.map(drop)
    }

    async fn visit(
        &self,
        session: SessionId,
        rules: &Rules,
        errand: Errand,
        users: &[UserId],
    ) -> Result<Answer, RoomError> {
        let answer = self.room.visit(session, rules, errand, users).await?;
        self.funnel.add(session, Count::Queued, answer.queued);
        self.funnel.add(session, Count::Admitted, answer.let_in);
        Ok(answer)
    }

    /// Carries batches of one session until none waits. While a call is on its way the next batch comes together.
    async fn carry(&self, session: SessionId) {
        loop {
            let batch: Vec<Visit> = {
                let mut lines = self.lines.lock();
                let Some(line) = lines.get_mut(&session).filter(|line| !line.is_empty()) else {
                    lines.remove(&session);
                    return;
                };
                let most = line.len().min(BATCH);
                line.drain(..most).collect()
            };
            // The rules that were read last.
            let Some(rules) = batch.last().map(|visit| visit.rules) else { continue };
            let users: Vec<UserId> = batch.iter().map(|visit| visit.user).collect();
            match self.visit(session, &rules, Errand::Join, &users).await {
                Ok(Answer { crowd, standings, .. }) => {
                    for (visit, standing) in batch.into_iter().zip(standings) {
                        // Who has gone asks again.
                        let _gone = visit.reply.send(Ok((standing, crowd)));
                    }
                }
                Err(error) => {
                    for visit in batch {
                        let _gone = visit.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }
}

fn single(answer: &Answer) -> Result<(Standing, Crowd), RoomError> {
    let standing = answer.standings.first().copied();
    let standing = standing.ok_or_else(|| RoomError::saying("the room answered nothing"))?;
    Ok((standing, answer.crowd))
}
