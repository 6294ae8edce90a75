//! The scripts on the server, and how they are asked.

use std::sync::LazyLock;

use nebula_redis::{Error, PinnedConnection, PinnedManager, Script};

use super::{keys::Keys, reply::Reply};
use crate::{
    ids::SessionId,
    inventory::{HINT_COVERS, LedgerError},
};

/// A script with the common functions before it.
macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| Script::new($name, concat!(include_str!("common.lua"), include_str!(concat!($name, ".lua")))))
    };
}

pub(super) static HOLD: LazyLock<Script> = script!("hold");
pub(super) static OPEN: LazyLock<Script> = script!("open");
pub(super) static RELEASE: LazyLock<Script> = script!("release");
pub(super) static SELL: LazyLock<Script> = script!("sell");
pub(super) static SNAPSHOT: LazyLock<Script> = script!("snapshot");
pub(super) static CHANGES: LazyLock<Script> = script!("changes");
pub(super) static COUNTS: LazyLock<Script> = script!("counts");
pub(super) static HOLDS: LazyLock<Script> = script!("holds");

/// A server, and where the ledger is on it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) connections: PinnedManager,
    pub(super) prefix: String,
    pub(super) log: usize,
}

impl Server {
    pub(super) fn keys(&self, session: SessionId) -> Keys {
        Keys::new(&self.prefix, session)
    }

    pub(super) async fn connection(&self, context: &'static str) -> Result<PinnedConnection, LedgerError> {
        self.connections.get().await.map_err(unavailable(context))
    }

    /// Runs a script that only reads.
    pub(super) async fn ask(
        &self,
        context: &'static str,
        script: &Script,
        session: SessionId,
        arguments: &[String],
    ) -> Result<Reply, LedgerError> {
        let mut connection = self.connection(context).await?;
        let call = script.key(&self.keys(session).all()).arg(connection.run_id()).arg(arguments);
        call.invoke(&mut connection).await.map(Reply::new).map_err(unavailable(context))
    }

    /// Runs a script that takes a step.
    pub(super) async fn step(&self, script: &Script, session: SessionId, arguments: &[String]) -> Result<Reply, Error> {
        let mut connection = self.connections.get().await?;
        let keys = self.keys(session);
        let run = connection.run_id().to_owned();
        let (channel, log) = (keys.channel(), self.log.to_string());
        let pause = HINT_COVERS.as_millis().to_string();
        let mut all: Vec<&[u8]> = Vec::with_capacity(arguments.len() + 4);
        all.extend([&run, &channel, &pause, &log].map(String::as_bytes));
        all.extend(arguments.iter().map(String::as_bytes));
        let keys = keys.all();
        script.run(&keys.each_ref().map(String::as_bytes), &all, &mut connection).await.map(Reply::new)
    }
}

pub(super) fn unavailable<E>(context: &'static str) -> impl FnOnce(E) -> LedgerError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| LedgerError::Unavailable { context, source: Box::new(source) }
}
