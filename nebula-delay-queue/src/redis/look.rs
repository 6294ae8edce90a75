//! Looking into queues: what waits in one, and which there are.

use std::{any::Any, collections::BTreeSet};

use ::redis::{aio::ConnectionLike, cmd};
use nebula_redis::Connection;

use super::{RedisDelayQueue, keys::Keys, scripts};
use crate::{Error, ErrorKind, MOST_PEEKED, MessageId, Pending, QueueName, Result, clock::from_ms};

const CONTEXT: &str = "looking for queues";

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisDelayQueue<C> {
    pub(super) async fn look(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        let limit = limit.min(MOST_PEEKED);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let Keys { lease, due, .. } = &self.keys(queue);
        let call = scripts::PEEK.key(&[lease, &due[0], &due[1], &due[2]]).arg(limit);
        let mut found: Vec<(String, u64)> = self.invoke("looking into a queue", call).await?;
        found.sort_unstable_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        let pending = |(id, at): (String, u64)| Ok(Pending::new(MessageId::new(id)?, from_ms(at)));
        found.into_iter().take(limit).map(pending).collect()
    }

    /// Asks every server of ours. Over somebody else's connection there must be only one, as nobody knows to which node of a
    /// cluster it would go.
    pub(super) async fn names(&self) -> Result<Vec<QueueName>> {
        let mut names = BTreeSet::new();
        if let Some(own) = (&self.connection as &dyn Any).downcast_ref::<Connection>() {
            for server in self.within(CONTEXT, own.servers()).await? {
                self.scan(server, &mut names).await?;
            }
        } else {
            self.check_alone().await?;
            self.scan(self.connection.clone(), &mut names).await?;
        }
        Ok(names.into_iter().collect())
    }

    async fn check_alone(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        let ask = async move {
            cmd("INFO").arg("cluster").query_async::<::redis::Value>(&mut connection).await.map_err(Into::into)
        };
        // A connection to a cluster answers for each node.
        match ::redis::from_redis_value::<String>(self.within(CONTEXT, ask).await?) {
            Ok(text) if !text.contains("cluster_enabled:1") => Ok(()),
            _ => {
                let text = "looking for queues on a cluster needs a connection of nebula-redis, which knows the nodes";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    /// A queue has a key with its messages for as long as it has any.
    async fn scan<S: ConnectionLike + Send>(&self, mut server: S, names: &mut BTreeSet<QueueName>) -> Result<()> {
        let (before, after) = (format!("{}:{{", self.prefix), "}:msg");
        let pattern = format!("{}*{after}", escaped(&before));
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let page = async { scan.query_async::<(u64, Vec<String>)>(&mut server).await.map_err(Into::into) };
            let (next, keys) = self.within(CONTEXT, page).await?;
            let name = |key: &String| QueueName::new(key.strip_prefix(&before)?.strip_suffix(after)?).ok();
            names.extend(keys.iter().filter_map(name));
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}

/// Text as a pattern that matches it and nothing else.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns_match_the_prefix_alone() {
        assert_eq!(super::escaped("shop*[1]:{"), r"shop\*\[1\]:{");
    }
}
