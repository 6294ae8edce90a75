use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, RedisResult};
use tokio::time::timeout;

use super::{Backoff, Link, not_sent};
use crate::error::{ErrorKind, classify};

/// Opens links to one server.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) client: redis::Client,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) pinned: bool,
}

impl Dialer {
    /// Links shall know the process that they talk to.
    pub(crate) fn pinned(mut self) -> Self {
        self.pinned = true;
        self
    }

    pub(crate) async fn dial(&self) -> RedisResult<Link> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout));
        self.within(async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            check_ready(&mut connection).await?;
            let run_id = if self.pinned { Some(run_id(&mut connection).await?) } else { None };
            Ok(Link::new(connection, run_id))
        })
        .await
    }

    pub(crate) async fn dial_pubsub(&self) -> RedisResult<PubSub> {
        self.within(self.client.get_async_pubsub()).await
    }

    /// Whatever breaks or takes too long while dialling means that no user's command was sent.
    async fn within<T>(&self, dial: impl Future<Output = RedisResult<T>> + Send) -> RedisResult<T> {
        match timeout(self.connect_timeout, dial).await {
            Ok(Err(error)) if matches!(classify(&error), ErrorKind::Disconnected | ErrorKind::Timeout) => {
                Err(not_sent("the server did not complete the connection", Some(error)))
            }
            Ok(result) => result,
            Err(_) => Err(not_sent("no connection within the connect timeout", None)),
        }
    }
}

/// The driver counts a link as open when TCP is; the server may still be loading its data or want a password.
async fn check_ready(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    match redis::cmd("PING").exec_async(connection).await {
        // An ACL that forbids PING says nothing about the commands that will follow.
        Err(error) if classify(&error) == ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

async fn run_id(connection: &mut MultiplexedConnection) -> RedisResult<Arc<str>> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::trim).filter(|id| !id.is_empty());
    run_id.map(Arc::from).ok_or_else(|| {
        (redis::ErrorKind::UnexpectedReturnType, "INFO server has no run_id; is this a proxy before redis?").into()
    })
}
