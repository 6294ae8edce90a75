//! Streaming replication of PostgreSQL.

use std::time::Duration;

use crate::eventually;

use super::{SqlEngine, SqlServer};

const READY: Duration = Duration::from_secs(90);

impl SqlServer {
    /// A standby of this server, from whose commits nothing is told to anybody any more before the standby has it on its disk.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use nebula_test_support::{SqlEngine, SqlServer};
    ///
    /// let mut primary = SqlServer::start(SqlEngine::Postgres).await;
    /// let standby = primary.standby().await;
    /// primary.kill();
    /// standby.promote().await; // takes writes from now on
    /// # });
    /// ```
    ///
    /// # Panics
    /// When this is not PostgreSQL, or the standby cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future kills the standby; this server may wait for one then.
    pub async fn standby(&self) -> Self {
        assert!(self.engine == SqlEngine::Postgres, "only PostgreSQL has standbys here");
        let url = self.url(self.engine.first_database());
        let standby = Self::options(self.engine).standby_of(url.clone()).start().await;
        // Only now: with nobody there to wait for, every commit would hang. Nor is it copied to the standby.
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            if let Err(problem) = self.engine.tell(&url, statement).await {
                panic!("the primary refuses {statement}: {problem}");
            }
        }
        eventually(READY, || async {
            match self.engine.tell(&url, "SELECT sync_state FROM pg_stat_replication").await?.as_str() {
                "sync" => Ok(()),
                state => Err(format!("the standby is {state:?}")),
            }
        })
        .await;
        standby
    }

    /// Makes a standby the server that takes writes, and returns when it does.
    ///
    /// # Panics
    /// When it is none, or does not become the primary within a minute.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the order back.
    pub async fn promote(&self) {
        let url = self.url(self.engine.first_database());
        match self.engine.tell(&url, "SELECT pg_promote()").await.as_deref() {
            Ok("t") => {}
            answer => panic!("the standby does not take over: {answer:?}"),
        }
    }
}
