//! One code before one scanner.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    code::{BadCode, Codes},
    issue::Tickets,
    storage::{self, ScanRow, TicketRow, TicketState},
};
use crate::{
    clock::Millis,
    ids::{OrderId, SeatPosition, SessionId, UserId},
    problem::{Problem, Result},
    storage::Connection,
};

/// A code, and where it was held before a scanner.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Its name in the log: a device may tell of the same scan twice.
    pub id: String,
    /// What the scanner read.
    pub code: String,
    /// Which session people are let in to.
    pub session: SessionId,
    /// Where.
    pub gate: String,
    /// Who holds the scanner.
    pub staff: UserId,
    /// When.
    pub at: Millis,
}

/// What the staff is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Come in.
    Admitted {
        /// The seat's place in the plan.
        position: SeatPosition,
    },
    /// Somebody went in with this ticket.
    Used {
        /// The seat's place in the plan.
        position: SeatPosition,
        /// When.
        first_at: Option<Millis>,
        /// Where.
        first_gate: Option<String>,
    },
    /// The money went back, or is about to.
    Refunded {
        /// The seat's place in the plan.
        position: SeatPosition,
    },
    /// A ticket of ours, for another session.
    OtherSession {
        /// Which.
        session_id: SessionId,
    },
    /// It looks like a ticket, but was not made here.
    Forged,
    /// It is not a ticket's code.
    Unreadable,
}

/// A verdict, and whose ticket it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the staff is told.
    pub verdict: Verdict,
    /// The order of the ticket, if it was one.
    pub order: Option<OrderId>,
}

impl Verdict {
    /// The seat, if the ticket is for this session.
    #[must_use]
    pub const fn position(&self) -> Option<SeatPosition> {
        match self {
            Self::Admitted { position } | Self::Used { position, .. } | Self::Refunded { position } => Some(*position),
            _ => None,
        }
    }

    /// The word in the log and in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Admitted { .. } => "admitted",
            Self::Used { .. } => "used",
            Self::Refunded { .. } => "refunded",
            Self::OtherSession { .. } => "other-session",
            Self::Forged => "forged",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Tickets {
    /// Lets somebody in, or says why not; each scan is in the log.
    ///
    /// # Errors
    ///
    /// When the database cannot say: let nobody in twice, use the offline list.
    ///
    /// # Cancel safety
    ///
    /// The ticket may be used; scanning it again says when and where.
    pub async fn scan(&self, scan: Scan) -> Result<Judged> {
        let codes = self.codes.clone();
        let judged = self
            .database
            .write
            .run(move |connection| Box::pin(async move { judge(connection, &codes, &scan).await }))
            .await?;
        metrics::counter!("ticketing_scans_total", "verdict" => judged.verdict.as_str()).increment(1);
        Ok(judged)
    }
}

/// A name in the log for a scan that the device gave none.
pub(super) fn unnamed() -> String {
    Uuid::now_v7().to_string()
}

/// Judges a scan and writes it to the log.
pub(super) async fn judge(connection: &mut Connection<'_>, codes: &Codes, scan: &Scan) -> Result<Judged> {
    let (ticket, order, verdict) = match codes.read(&scan.code) {
        Err(BadCode::Unreadable) => (None, None, Verdict::Unreadable),
        Err(BadCode::Forged) => (None, None, Verdict::Forged),
        Ok(id) => {
            let admitted = storage::admit(connection, id, scan.session, &scan.gate, scan.at).await?;
            match storage::find(&mut *connection, id).await? {
                // Made with our key, and not in our database: somebody has the key, or the database is another one.
                None => (None, None, Verdict::Forged),
                Some(row) => (Some(id), Some(row.order), explain(&row, scan.session, admitted)?),
            }
        }
    };
    let line = ScanRow {
        id: scan.id.clone(),
        session: scan.session,
        ticket,
        result: verdict.as_str().to_owned(),
        gate: scan.gate.clone(),
        staff: scan.staff,
        at: scan.at,
    };
    storage::log(connection, &line).await?;
    Ok(Judged { verdict, order })
}

fn explain(row: &TicketRow, session: SessionId, admitted: bool) -> Result<Verdict> {
    let position = row.position;
    Ok(match row.state {
        _ if admitted => Verdict::Admitted { position },
        _ if row.session != session => Verdict::OtherSession { session_id: row.session },
        TicketState::Void => Verdict::Refunded { position },
        TicketState::Used => Verdict::Used { position, first_at: row.used_at, first_gate: row.used_gate.clone() },
        TicketState::Valid => return Err(Problem::unavailable("a ticket changed while it was judged")),
    })
}
