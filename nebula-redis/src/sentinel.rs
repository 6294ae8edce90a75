//! Redis Sentinel: who is master now?

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};
use tokio::time::{sleep, timeout};

use crate::client::{self, Access, Address};
use crate::config::RedisConfig;
use crate::error::{Result, classify};
use crate::link::not_sent;
use crate::topology::SentinelConfig;

/// A sentinel that is silent for so long is passed over.
const PATIENCE: Duration = Duration::from_secs(1);

/// The sentinels of one group of servers.
#[derive(Debug)]
pub(crate) struct Sentinels {
    name: String,
    sentinels: Vec<redis::Client>,
    servers: Access,
    patience: Duration,
}

/// Pause before a sentinel that hung up is listened to again.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// The channel on which sentinels tell of failovers.
const SWITCH: &str = "+switch-master";

/// What a sentinel believes. Each failover has a greater epoch than the one before.
struct Belief {
    epoch: u64,
    master: Address,
}

impl Sentinels {
    pub(crate) fn new(config: &RedisConfig, sentinel: &SentinelConfig) -> Result<Self> {
        if sentinel.master.is_empty() {
            return Err(client::invalid("`sentinel.master` is empty"));
        }
        let group = client::group(config, &sentinel.nodes, "sentinel")?
            .with_node_credentials(sentinel.username.as_deref(), sentinel.password.as_ref());
        let sentinels: RedisResult<_> = group.addresses.iter().map(|address| group.nodes.client(address)).collect();
        let sentinels = sentinels.map_err(|error| client::invalid("the sentinels are not valid").with_source(error))?;
        let patience = config.connect_timeout().min(PATIENCE);
        Ok(Self { name: sentinel.master.clone(), sentinels, servers: group.servers, patience })
    }

    pub(crate) fn db(&self) -> i64 {
        self.servers.db()
    }

    pub(crate) fn server(&self, address: &Address) -> RedisResult<redis::Client> {
        self.servers.client(address)
    }

    /// The master that the newest failover has made, as far as more than half of the sentinels know, or all that
    /// answer. One that was cut off may still name an older one.
    pub(crate) async fn master(&self) -> RedisResult<Address> {
        let mut answers: FuturesUnordered<_> = self.sentinels.iter().map(|sentinel| self.ask(sentinel)).collect();
        let mut newest: Option<Belief> = None;
        let mut heard = 0;
        let mut failure: Option<RedisError> = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(belief) => {
                    heard += 1;
                    if newest.as_ref().is_none_or(|known| known.epoch < belief.epoch) {
                        newest = Some(belief);
                    }
                    if heard * 2 > self.sentinels.len() {
                        break;
                    }
                }
                // What somebody has to mend is worth more than that one is silent.
                Err(error) if failure.as_ref().is_none_or(|known| classify(known).is_retryable()) => {
                    failure = Some(error);
                }
                Err(_) => {}
            }
        }
        match (newest, failure) {
            (Some(belief), _) => Ok(belief.master),
            (None, Some(error)) if !classify(&error).is_retryable() => Err(error),
            (None, failure) => Err(not_sent("no sentinel answers", failure)),
        }
    }

    /// Resolves when one of the sentinels tells of a failover of our group.
    pub(crate) async fn announced(&self) {
        let mut news: FuturesUnordered<_> = self.sentinels.iter().map(|sentinel| self.listen(sentinel)).collect();
        news.next().await;
    }

    async fn listen(&self, sentinel: &redis::Client) {
        loop {
            if self.hear(sentinel).await.is_ok_and(|told| told) {
                return;
            }
            sleep(LISTEN_AGAIN).await;
        }
    }

    /// Whether a failover was told before the link ended.
    async fn hear(&self, sentinel: &redis::Client) -> RedisResult<bool> {
        let opened = timeout(self.patience, async {
            let mut link = sentinel.get_async_pubsub().await?;
            link.subscribe(SWITCH).await?;
            Ok::<_, RedisError>(link)
        });
        let mut link = opened.await.unwrap_or_else(|_| Err(not_sent("the sentinel is silent", None)))?;
        let mut messages = link.on_message();
        while let Some(message) = messages.next().await {
            // `name old-host old-port new-host new-port`
            if message.get_payload::<String>().is_ok_and(|text| text.split(' ').next() == Some(&self.name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn ask(&self, sentinel: &redis::Client) -> RedisResult<Belief> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        // `MASTER` tells the epoch. Its address is no good: the sentinel that leads a failover has the new epoch there, and
        // the old address, until all replicas have turned round.
        let asked = async {
            let mut connection = sentinel.get_multiplexed_async_connection_with_config(&config).await?;
            let state = redis::cmd("SENTINEL").arg("MASTER").arg(&self.name).query_async(&mut connection).await?;
            let mut place = redis::cmd("SENTINEL");
            place.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
            Ok((state, place.query_async(&mut connection).await?))
        };
        let answer: RedisResult<(HashMap<String, String>, (String, u16))> =
            timeout(self.patience, asked).await.unwrap_or_else(|_| Err(not_sent("the sentinel is silent", None)));
        let (state, (host, port)) = answer.map_err(explained)?;
        match state.get("config-epoch").and_then(|text| text.parse().ok()) {
            Some(epoch) => Ok(Belief { epoch, master: Address { host, port } }),
            None => Err((redis::ErrorKind::UnexpectedReturnType, "the sentinel does not tell its epoch").into()),
        }
    }
}

/// What no waiting will mend, in the words of the settings.
fn explained(error: RedisError) -> RedisError {
    let text = error.detail().unwrap_or_default().to_ascii_lowercase();
    if text.contains("no such master") {
        (redis::ErrorKind::InvalidClientConfig, "the sentinel knows no servers by the name in `sentinel.master`").into()
    } else if text.contains("unknown command") {
        (redis::ErrorKind::InvalidClientConfig, "a node in `sentinel.nodes` is not a sentinel").into()
    } else {
        error
    }
}
