use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, ToRedisArgs};

use crate::error::{Error, ErrorKind, Result, classify};

/// A Lua script, executed by its SHA-1 and sent in full only when the server does not know it.
///
/// When the server answers `NOSCRIPT` (first use, restart, failover, `SCRIPT FLUSH`) the script is sent with `EVAL`,
/// which also puts it into the server's cache. There is no moment between loading and executing in which a flush could
/// strike, and on a cluster the command goes to the node of its keys.
///
/// ```
/// use std::sync::LazyLock;
/// use nebula_redis::Script;
///
/// static ADD: LazyLock<Script> = LazyLock::new(|| Script::new("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])"));
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let url = nebula_test_support::redis_url().await;
/// # let key = nebula_test_support::unique("doc");
/// let mut connection = nebula_redis::RedisConfig::new(url).connect().await?;
/// let sum: i64 = ADD.key(&key).arg(5).invoke(&mut connection).await?;
/// assert_eq!(sum, 5);
/// # Ok::<_, nebula_redis::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    name: &'static str,
    source: &'static str,
    hash: String,
}

impl Script {
    /// A script and the name under which errors speak of it.
    #[must_use]
    pub fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, hash: redis::Script::new(source).get_hash().to_owned() }
    }

    /// SHA-1 of the source in hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// A call without keys and arguments so far.
    pub fn call(&self) -> ScriptCall<'_> {
        ScriptCall { script: self, keys: Vec::new(), args: Vec::new() }
    }

    /// A call with a first key (or several, if `key` is a list).
    pub fn key(&self, key: impl ToRedisArgs) -> ScriptCall<'_> {
        self.call().key(key)
    }

    /// A call with a first argument (or several, if `arg` is a list).
    pub fn arg(&self, arg: impl ToRedisArgs) -> ScriptCall<'_> {
        self.call().arg(arg)
    }

    /// Executes the script with these keys and arguments: what a [`ScriptCall`] does, without collecting them first. For
    /// scripts that are called very often.
    ///
    /// # Errors
    /// As [`ScriptCall::invoke`].
    ///
    /// # Cancel safety
    /// As [`ScriptCall::invoke`].
    pub async fn run<T: FromRedisValue>(
        &self,
        keys: &[&[u8]],
        args: &[&[u8]],
        connection: &mut (impl ConnectionLike + Send),
    ) -> Result<T> {
        let command = |verb: &'static str, script: &str| {
            let size: usize = keys.iter().chain(args).map(|part| part.len()).sum();
            let mut command = Cmd::with_capacity(keys.len() + args.len() + 3, size + verb.len() + script.len() + 4);
            command.arg(verb).arg(script).arg(keys.len());
            for part in keys.iter().chain(args) {
                command.arg(part);
            }
            command
        };
        let mut result = command("EVALSHA", &self.hash).query_async(connection).await;
        if let Err(error) = &result
            && classify(error) == ErrorKind::NoScript
        {
            result = command("EVAL", self.source).query_async(connection).await;
        }
        result.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: redis::RedisError) -> Error {
        Error::from_redis(error, format!("script {:?} failed", self.name))
    }
}

/// A script with its keys and arguments.
#[derive(Clone)]
#[must_use = "a call does nothing until it is invoked"]
pub struct ScriptCall<'a> {
    script: &'a Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Vec<u8>>,
}

impl ScriptCall<'_> {
    /// Appends to `KEYS`.
    pub fn key(mut self, key: impl ToRedisArgs) -> Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    /// Appends to `ARGV`.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    /// Executes the script.
    ///
    /// # Errors
    /// What [`classify`](crate::classify) says; never [`ErrorKind::NoScript`] unless the script itself raises it.
    ///
    /// # Cancel safety
    /// Dropping the future does not call the script back: it may be executed nevertheless.
    pub async fn invoke<T: FromRedisValue>(&self, connection: &mut (impl ConnectionLike + Send)) -> Result<T> {
        let mut result = self.command("EVALSHA", &self.script.hash).query_async(connection).await;
        if let Err(error) = &result
            && classify(error) == ErrorKind::NoScript
        {
            result = self.command("EVAL", self.script.source).query_async(connection).await;
        }
        result.map_err(|error| self.script.failed(error))
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        command
    }
}

impl std::fmt::Debug for ScriptCall<'_> {
    /// Keys and arguments may be secrets; only their number is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptCall")
            .field("script", &self.script.name)
            .field("keys", &self.keys.len())
            .field("args", &self.args.len())
            .finish()
    }
}
