use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, RedisResult, Value};
use tokio::time::timeout;

use super::target::{Place, Target};
use super::{Backoff, Link, not_sent};
use crate::client::Address;
use crate::error::{ErrorKind, classify};

const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Opens links to one server, or to whichever has its role now.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) target: Target,
    pub(crate) db: i64,
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
            let place = self.target.find().await?;
            let moved = self.target.moved(place.address.clone());
            tokio::select! {
                link = self.open(place, &config) => link,
                () = moved => Err(not_sent("another server became master", None)),
            }
        })
        .await
    }

    async fn open(&self, place: Place, config: &AsyncConnectionConfig) -> RedisResult<Link> {
        let mut connection = place.client.get_multiplexed_async_connection_with_config(config).await?;
        check_ready(&mut connection).await?;
        if place.master {
            check_master(&mut connection).await?;
        }
        let run_id = if self.pinned { Some(run_id(&mut connection).await?) } else { None };
        Ok(Link::new(connection, run_id, place))
    }

    /// With where it leads, where that was found out.
    pub(crate) async fn dial_pubsub(&self) -> RedisResult<(PubSub, Option<Address>)> {
        self.within(async {
            let Place { client, address, .. } = self.target.find().await?;
            Ok((client.get_async_pubsub().await?, address))
        })
        .await
    }

    /// Whether a new dial would lead to another server than `from`.
    pub(crate) async fn has_moved(&self, from: Option<&Address>) -> bool {
        timeout(self.connect_timeout, self.target.has_moved(from)).await.unwrap_or(false)
    }

    /// Resolves when a new dial leads to another server, as soon as that is announced.
    pub(crate) async fn switched(&self, from: Option<&Address>) {
        loop {
            self.target.announced().await;
            if self.has_moved(from).await {
                return;
            }
        }
    }

    /// How long to wait after a failure. Whoever asks for the way asks often, since a failover takes seconds.
    pub(crate) fn pause(&self, backoff: &mut Backoff) -> Duration {
        let pause = backoff.pause();
        if matches!(self.target, Target::Fixed(_)) { pause } else { pause.min(ASK_AGAIN) }
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

/// A sentinel may name a server that is not yet promoted, or one that is already demoted.
async fn check_master(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(connection).await;
    match role {
        Ok(role) if matches!(role.first(), Some(Value::BulkString(name)) if name == b"master") => Ok(()),
        Ok(_) => Err(not_sent("the server that the sentinels name is not master", None)),
        Err(error) if classify(&error) == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

async fn run_id(connection: &mut MultiplexedConnection) -> RedisResult<Arc<str>> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::trim).filter(|id| !id.is_empty());
    run_id.map(Arc::from).ok_or_else(|| {
        (redis::ErrorKind::UnexpectedReturnType, "INFO server has no run_id; is this a proxy before redis?").into()
    })
}
