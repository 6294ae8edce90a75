use std::time::Duration;

use async_trait::async_trait;

use super::{Arg, SqlStore, args, file, run};
use crate::{
    clock::duration_ms,
    code::{CodeDigest, CodeStore, Guess, NewCode, PutCode},
    error::Result,
};

/// Time is the database's: that of the machine which all processes ask.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CodeStore for SqlStore {
    async fn put(&self, code: &NewCode) -> Result<PutCode> {
        let (name, digest) = (code.key.as_str(), || Arg::Bytes(code.digest.0.to_vec()));
        run!(self, "a code could not be stored", true, |session| {
            session.execute(file!("code_row"), vec![name.into(), digest()]).await?;
            let (lifetime, cool_down) = (duration_ms(code.lifetime), duration_ms(code.cool_down));
            let values = vec![digest(), code.tries.into(), lifetime.into(), cool_down.into(), name.into()];
            if session.execute(file!("code_put"), values).await? > 0 {
                PutCode::Stored
            } else {
                let wait = session.fetch(file!("code_wait").into(), args![name]).await?;
                let wait = wait.first().map(|row| row.int(0)).transpose()?.unwrap_or(1);
                PutCode::CoolDown { retry_after: Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1)) }
            }
        })
    }

    /// The try is counted by an update that holds the row until the comparison is through, so a code that is put meanwhile waits.
    async fn guess(&self, key: &str, digest: &CodeDigest) -> Result<Guess> {
        run!(self, "a code could not be compared", true, |session| {
            if session.execute(file!("code_try"), args![key]).await? == 0 {
                Guess::None
            } else {
                let stored = session.fetch(file!("code_digest").into(), args![key]).await?;
                let stored = stored.first().map(|row| row.bytes(0)).transpose()?.unwrap_or_default();
                let right = <[u8; 32]>::try_from(stored).is_ok_and(|stored| CodeDigest(stored).is_same(digest));
                if right {
                    session.execute(file!("code_use"), args![key]).await?;
                    Guess::Right
                } else {
                    Guess::Wrong
                }
            }
        })
    }

    async fn revoke(&self, key: &str, digest: &CodeDigest) -> Result<()> {
        run!(self, "a code could not be removed", false, |session| {
            session.execute(file!("code_revoke"), vec![key.into(), Arg::Bytes(digest.0.to_vec())]).await?;
        })
    }
}

impl SqlStore {
    /// Removes the codes that are over; how many. Nothing depends on it but the size of the table: call it once an hour or day.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future removes all or none.
    pub async fn purge_codes(&self) -> Result<u64> {
        run!(self, "codes that are over could not be removed", false, |session| {
            session.execute(file!("code_purge"), args![]).await?
        })
    }
}
