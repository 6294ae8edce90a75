//! The client processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nebula_test_support::{ServerProcess, ServerSpec};

use super::client::Orders;
use super::clock::now;
use super::history::History;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The environment variable by which a client gets its orders.
pub(crate) const ORDERS: &str = "NEBULA_NEMESIS_ORDERS";

/// How to start a client: this program, with these arguments.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// The orders of this process, if it is a client.
pub(crate) fn orders() -> Option<Orders> {
    std::env::var(ORDERS).ok().map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[derive(Debug)]
pub(crate) struct Fleet {
    program: Program,
    folder: PathBuf,
    /// By place; the orders are those of its first process.
    places: Vec<(Orders, Option<ServerProcess>)>,
    /// The file of each process that has ever run, and when it was found dead if it was killed.
    files: Vec<(PathBuf, Option<u64>)>,
    next: u64,
}

impl Fleet {
    pub(crate) async fn start(program: Program, folder: &Path, orders: Vec<Orders>) -> Result<Self> {
        let places = orders.into_iter().map(|orders| (orders, None)).collect::<Vec<_>>();
        let count = places.len();
        let mut fleet = Self { program, folder: folder.to_owned(), places, files: Vec::new(), next: 1 };
        for place in 0..count {
            fleet.launch(place).await?;
        }
        Ok(fleet)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Starts a process in a place whose last one is gone.
    pub(crate) async fn launch(&mut self, place: usize) -> Result<()> {
        let folder = self.folder.join(format!("client-{}", self.next));
        std::fs::create_dir(&folder)?;
        let (orders, process) = &mut self.places[place];
        let orders = Orders { client: self.next, journal: folder.join("history"), ..orders.clone() };
        self.next += 1;
        std::fs::write(&orders.journal, "")?;
        self.files.push((orders.journal.clone(), None));
        *process = Some(
            ServerProcess::start(
                ServerSpec::new(&self.program.file, folder)
                    .args(&self.program.arguments)
                    .env(ORDERS, serde_json::to_string(&orders)?),
            )
            .await?,
        );
        Ok(())
    }

    /// With SIGKILL; the place stays empty.
    pub(crate) fn kill(&mut self, place: usize) {
        if let Some(mut process) = self.places[place].1.take() {
            let file = process.folder().join("history");
            process.kill();
            let died = now();
            if let Some(entry) = self.files.iter_mut().find(|(path, _)| *path == file) {
                entry.1 = Some(died);
            }
        }
    }

    /// With SIGSTOP, or SIGCONT.
    pub(crate) fn freeze(&self, place: usize, frozen: bool) {
        if let Some(process) = &self.places[place].1 {
            if frozen { process.stop() } else { process.cont() }
        }
    }

    /// Kills one half in the middle of their work, if asked to, and tells the others to end; what they say if they fail.
    pub(crate) async fn finish(&mut self, within: Duration, kills: bool) -> Vec<String> {
        let half = if kills { self.places.len() / 2 } else { 0 };
        for place in 0..half {
            self.kill(place);
        }
        let mut complaints = Vec::new();
        for (_, process) in &self.places[half..] {
            if let Some(process) = process {
                process.terminate();
            }
        }
        let deadline = tokio::time::Instant::now() + within;
        for (orders, process) in &mut self.places[half..] {
            let Some(process) = process else { continue };
            while process.is_running() && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if process.is_running() {
                complaints.push(format!("a client did not end: {}", orders.client));
            }
        }
        complaints
    }

    /// Everything that all processes, of all times, have written down.
    pub(crate) fn history(&self) -> Result<History, String> {
        let mut history = History::default();
        for (file, died) in &self.files {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            history.add(&text, *died)?;
        }
        Ok(history)
    }
}
