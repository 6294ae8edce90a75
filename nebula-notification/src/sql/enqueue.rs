use super::{NotificationDatabase, failed, records, sealing::Sealing, session::Within};
use crate::{
    error::Result,
    notification::Notification,
    notifier::{Notifier, Submission},
    record::Inserted,
};

impl Notifier {
    /// Stores a notification within a transaction of the caller's: it is sent if, and only if, that is committed. Whoever
    /// [pumps](Self::start) sends it then; the retry queue is not told, since nothing is certain yet.
    ///
    /// The transaction has to be in the database of the [`SqlStore`](crate::SqlStore) that this notifier keeps its records in. Templates and
    /// wishes are read over the notifier's own stores, so a pool of one connection, and that one in the transaction, would wait for itself.
    /// Codes cannot be stored.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # async fn example(notifier: nebula_notification::Notifier, paid: nebula_notification::Notification,
    /// #     pool: nebula_notification::sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    /// use nebula_notification::sqlx::{self, Sqlite};
    ///
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("UPDATE orders SET paid = 1 WHERE id = 4711").execute(&mut *transaction).await?;
    /// notifier.enqueue_in::<Sqlite>(&mut transaction, paid.idempotency_key("order:4711:paid")).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send). If the database has failed, the transaction is of no use any more: roll it back.
    ///
    /// # Cancel safety
    /// What was stored before the future was dropped belongs to the transaction: roll it back.
    pub async fn enqueue_in<DB: NotificationDatabase>(
        &self,
        connection: &mut DB::Connection,
        notification: Notification,
    ) -> Result<Submission> {
        let planned = self.plan(&notification).await?;
        let sealing = Sealing::with(self.records().sealer());
        let prepared = records::prepare(&sealing, notification.key.as_deref(), &planned).await;
        let prepared = prepared.map_err(|error| failed("jobs could not be sealed", error))?;
        let mut session = Within::<DB>(connection);
        let stored = records::store(&mut session, &sealing, &prepared).await;
        Ok(match stored.map_err(|error| failed("jobs could not be stored", error))? {
            Inserted::New => Submission::new(&planned, false),
            Inserted::Existing(jobs) => Submission::new(&jobs, true),
        })
    }
}
