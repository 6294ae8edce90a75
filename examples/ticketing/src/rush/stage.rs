//! The servers of a rush: running ones, or its own on a temporary folder.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::RushError;
use crate::cluster::{self, Machine, MachineKind, Machines, Replica, Tended};

/// What a rush is held on. Dropping it kills what it started.
#[derive(Debug)]
pub(crate) struct Stage {
    urls: Vec<String>,
    replicas: Vec<Replica>,
    machines: Option<Machines>,
    /// The last field: it goes when nobody uses it any more.
    _folder: Option<Folder>,
}

/// A folder below the system's temporary one.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the system.
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// Something that can be struck down while the rush goes on.
#[derive(Debug)]
pub(super) enum Target<'s> {
    Replica(&'s mut Replica),
    Machine(&'s mut Machine),
}

impl Target<'_> {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Replica(replica) => replica.name().to_owned(),
            Self::Machine(machine) => machine.name().to_owned(),
        }
    }

    pub(super) async fn kill(&mut self) {
        match self {
            Self::Replica(replica) => replica.kill().await,
            Self::Machine(machine) => machine.kill().await,
        }
    }

    pub(super) async fn restart(&mut self) -> Result<(), RushError> {
        match self {
            Self::Replica(replica) => replica.restart().await?,
            Self::Machine(machine) => machine.restart().await?,
        }
        Ok(())
    }
}

impl Stage {
    pub(crate) fn running(urls: Vec<String>) -> Self {
        Self { urls, replicas: Vec::new(), machines: None, _folder: None }
    }

    /// Starts servers that share a fresh data folder.
    pub(super) async fn start(count: u16, config: Option<&Path>) -> Result<Self, RushError> {
        Self::raise(count, config, None).await
    }

    /// Starts servers and everything that they share.
    pub(crate) async fn start_with_machines(count: u16, without: &[MachineKind]) -> Result<Self, RushError> {
        Self::raise(count, None, Some(without)).await
    }

    async fn raise(count: u16, config: Option<&Path>, machines: Option<&[MachineKind]>) -> Result<Self, RushError> {
        let path = std::env::temp_dir().join(format!("ticketing-rush-{}", Uuid::new_v4()));
        cluster::make(&path)?;
        let folder = Folder(path.clone());
        let machines = match machines {
            Some(without) => Some(Machines::start(&path, without).await?),
            None => None,
        };
        let mut environment = machines.as_ref().map(Machines::environment).unwrap_or_default();
        if machines.is_some() {
            // What is struck down leaves work for the sweep.
            environment.push(("NEBULA_TICKETING__SALES__SWEEP_INTERVAL".to_owned(), "2s".to_owned()));
        }
        let replicas = cluster::replicas(&path, count.into(), config.map(Path::to_owned), environment).await?;
        let urls = replicas.iter().map(Replica::url).collect();
        Ok(Self { urls, replicas, machines, _folder: Some(folder) })
    }

    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    pub(super) fn targets(&mut self) -> Vec<Target<'_>> {
        let machines = self.machines.iter_mut().flat_map(|machines| &mut machines.all).map(Target::Machine);
        self.replicas.iter_mut().map(Target::Replica).chain(machines).collect()
    }

    /// Nothing of a rehearsal is kept, so there is nothing to drain.
    pub(crate) async fn stop(mut self) {
        let mut targets = self.targets();
        futures_util::future::join_all(targets.iter_mut().map(Target::kill)).await;
    }
}
