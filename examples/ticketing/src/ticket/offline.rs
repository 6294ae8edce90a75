//! Doors without a network: a list that they take along, and the scans that they bring back.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    issue::Tickets,
    scan::{self, Scan, Verdict},
    storage::{self, TicketState},
};
use crate::{
    clock::Millis,
    identity::Holder,
    ids::{OrderId, SeatPosition, SessionId, UserId},
    problem::{Code, Problem, Result},
};

/// Most scans in one upload.
pub(super) const MOST: usize = 500;
/// How far a device's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(300);

/// What a door without a network has to know: nothing that a code could be made from, and of names only first letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoorList {
    /// The session.
    pub session_id: SessionId,
    /// When the list was made: what happened since, it does not know.
    pub made_at: Millis,
    /// All tickets.
    pub tickets: Vec<DoorTicket>,
}

/// A ticket on that list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoorTicket {
    /// The first 16 bytes of the code's SHA-256, in base64url.
    pub mark: String,
    /// The seat's place in the plan.
    pub position: SeatPosition,
    /// Whether it opens the door.
    pub state: TicketState,
    /// Whose it is, where the sale asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// Scans of a door that had no network.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Where they were made.
    pub gate: String,
    /// 1 to 500, oldest first.
    pub scans: Vec<OfflineScan>,
}

/// One of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfflineScan {
    /// The device's own name for it, 1 to 64 characters: told twice, it counts once.
    pub id: String,
    /// What the scanner read.
    pub code: String,
    /// When, by the device's clock: milliseconds since 1970.
    pub at: i64,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uploaded {
    /// How many count now.
    pub admitted: u32,
    /// How many were told before.
    pub repeated: u32,
    /// The others: people who are inside and should not be, or who came in twice.
    pub conflicts: Vec<Conflict>,
}

/// A scan that should not have opened the door.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conflict {
    /// The device's own name for it.
    pub id: String,
    /// When the door opened.
    pub at: Millis,
    /// Why it should not have.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Tickets {
    /// The list of a session for doors without a network, with those whose seats have names.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn door_list(
        &self,
        session: SessionId,
        mut holders: HashMap<(OrderId, SeatPosition), Holder>,
    ) -> Result<DoorList> {
        // Before it is read: a device that asks for what changed since may be told something twice, but misses nothing.
        let made_at = Millis::now();
        let rows = storage::of_session(&self.database.read, session).await?;
        let tickets = rows.into_iter().map(|row| DoorTicket {
            mark: self.codes.mark(row.id),
            position: row.position,
            state: row.state,
            holder: holders.remove(&(row.order, row.position)),
        });
        Ok(DoorList { session_id: session, made_at, tickets: tickets.collect() })
    }

    /// Takes in the scans of a door that had no network. All of them or none.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`] names what is not allowed; otherwise the database refused.
    ///
    /// # Cancel safety
    ///
    /// Taken in or not; telling them again does no harm.
    pub async fn upload(&self, session: SessionId, staff: UserId, upload: Upload) -> Result<Uploaded> {
        let latest = Millis::now().plus(AHEAD);
        let scans = &upload.scans;
        let refuse = |field: &str, text: &str| Err(Problem::new(Code::InvalidValue, text).with("field", field));
        if scans.is_empty() || scans.len() > MOST {
            return refuse("scans", "An upload has 1 to 500 scans.");
        }
        if scans.iter().any(|scan| scan.id.is_empty() || scan.id.chars().count() > 64) {
            return refuse("scans.id", "The name of a scan has 1 to 64 characters.");
        }
        if scans.iter().any(|scan| scan.at <= 0 || scan.at > latest.0) {
            return refuse("scans.at", "A scan is not from the future. Set the clock of the device.");
        }
        let codes = self.codes.clone();
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let mut done = Uploaded { admitted: 0, repeated: 0, conflicts: Vec::new() };
                    for one in upload.scans {
                        // Devices name their scans on their own.
                        let id = format!("{staff}:{}", one.id);
                        if storage::logged(connection, &id).await?.is_some() {
                            done.repeated += 1;
                            continue;
                        }
                        let (gate, at) = (upload.gate.clone(), Millis(one.at));
                        let scan = Scan { id, code: one.code, session, gate, staff, at };
                        match scan::judge(connection, &codes, &scan).await?.verdict {
                            Verdict::Admitted { .. } => done.admitted += 1,
                            verdict => done.conflicts.push(Conflict { id: one.id, at, verdict }),
                        }
                    }
                    Ok(done)
                })
            })
            .await
    }
}
