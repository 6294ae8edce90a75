//! Several Redis servers that know nothing of each other.

use std::ops::{Deref, DerefMut};

use futures_util::future::join_all;

use crate::redis_server::{RedisOptions, RedisServer};

/// Independent `redis-server` processes, as a quorum lock needs them. It dereferences to the slice of its servers, so
/// that each can be frozen, killed and restarted by its number.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::RedisNodes;
///
/// let mut nodes = RedisNodes::start(3).await;
/// assert_eq!(nodes.urls().len(), 3);
/// nodes[1].kill();
/// nodes[1].restart_empty().await;
/// # });
/// ```
#[derive(Debug)]
pub struct RedisNodes {
    nodes: Vec<RedisServer>,
}

impl RedisNodes {
    /// `count` servers without persistence and without password.
    ///
    /// # Panics
    /// When one of them cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, &RedisServer::options()).await
    }

    /// `count` servers with the same options, each on a port of its own.
    ///
    /// # Panics
    /// When one of them cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start_with(count: usize, options: &RedisOptions) -> Self {
        Self { nodes: join_all((0..count).map(|_| options.clone().start())).await }
    }

    /// Where to connect, one URL for each server, in order.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}

impl Deref for RedisNodes {
    type Target = [RedisServer];

    fn deref(&self) -> &[RedisServer] {
        &self.nodes
    }
}

impl DerefMut for RedisNodes {
    fn deref_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }
}
