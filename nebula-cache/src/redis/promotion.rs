//! Masters of a cluster that have taken another's place.
//!
//! The log of invalidations notices by itself when its own end is lost. But values live on every master: when a replica of
//! another one is promoted, it may hold values whose evictions it has never heard of, and the log knows nothing of that.

use std::any::Any;
use std::time::Duration;

use futures_util::future::join_all;
use nebula_redis::Connection;
use redis::aio::ConnectionLike;
use tokio::time::timeout;

use super::RedisShared;
use super::log::new_epoch;
use super::scripts::PROMOTION;
use crate::error::Result;

/// Who does not answer by then is asked again with the next look.
const WAIT: Duration = Duration::from_millis(100);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisShared<C> {
    /// Looks who the masters are, and ends the epoch if one of them has become it since anybody last looked. Of one server, or of
    /// connections that do not tell who the servers are, there is nothing to see.
    pub(super) async fn notice_promotions(&self) -> Result<()> {
        let Some(connection) = (&self.connection as &dyn Any).downcast_ref::<Connection>() else { return Ok(()) };
        let masters = connection.servers().await?;
        if masters.len() < 2 {
            return Ok(());
        }
        let ids = join_all(masters.into_iter().map(|master| timeout(WAIT, ids(master)))).await;
        let mut call = PROMOTION.key(&self.log_keys()).arg(new_epoch());
        let mut seen = false;
        for (id, before) in ids.into_iter().filter_map(|answer| answer.ok()?) {
            call = call.arg(id).arg(before);
            seen = true;
        }
        if seen && call.invoke::<i64>(&mut self.connection.clone()).await? == 1 {
            tracing::info!("a replica has become a master: nothing that was stored before is believed");
        }
        Ok(())
    }
}

/// The replication ids of a master: its own, and that of the history that it began with.
async fn ids(mut master: Connection) -> Option<(String, String)> {
    let told: String = redis::cmd("INFO").arg("replication").query_async(&mut master).await.ok()?;
    let field = |name: &str| {
        let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
        value.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| value.to_owned())
    };
    // A server that is a replica again says whose, and has nothing to say about what it was.
    if !told.lines().any(|line| line.trim() == "role:master") {
        return None;
    }
    Some((field("master_replid")?, field("master_replid2")?))
}
