//! Removes what no show names any more.

use tokio_util::sync::CancellationToken;

use super::{domain::Picture, records, service::Pictures};
use crate::{
    clock::Millis,
    problem::{Problem, Result, chain},
};

/// Pictures that are looked at together.
const BATCH: u32 = 100;

impl Pictures {
    /// Removes the files of pictures that no show has had for so long, and answers of how many.
    ///
    /// # Errors
    ///
    /// The database or the store failed. What is left is removed the next time.
    ///
    /// # Cancel safety
    ///
    /// Some may be removed, and one of them in part; the next run goes on with it.
    pub async fn tidy(&self, stopping: &CancellationToken) -> Result<u64> {
        let since = Millis::now().minus(self.0.grace);
        let (mut removed, mut failed, mut last) = (0, 0_u64, Vec::new());
        while !stopping.is_cancelled() {
            let forgotten = records::forgotten(&self.0.database.read, since, BATCH).await?;
            // Those that could not be removed are still there.
            if forgotten.is_empty() || forgotten == last {
                break;
            }
            for name in &forgotten {
                match self.remove(name, since).await {
                    Ok(gone) => removed += u64::from(gone),
                    Err(problem) => {
                        failed += 1;
                        tracing::warn!(error = chain(&problem), "a picture could not be removed");
                    }
                }
            }
            last = forgotten;
        }
        if failed > 0 {
            return Err(Problem::unavailable(format!("{failed} pictures could not be removed; the log says why")));
        }
        Ok(removed)
    }

    /// Unless a show has taken it meanwhile.
    async fn remove(&self, name: &str, since: Millis) -> Result<bool> {
        let write = &self.0.database.write;
        let doomed = name.to_owned();
        let doomed =
            write.run(move |connection| Box::pin(async move { records::doom(connection, &doomed, since).await }));
        if !doomed.await? {
            return Ok(false);
        }
        let picture: Picture = name.parse().map_err(|_| Problem::internal(format!("{name} names no picture")))?;
        for file in picture.files() {
            self.0.store.remove(&file).await?;
        }
        let gone = name.to_owned();
        write.run(move |connection| Box::pin(async move { records::forget(connection, &gone).await })).await?;
        Ok(true)
    }
}
