//! After a rotation: rows are sealed anew, one by one, while the application goes on.

use async_trait::async_trait;

use super::{Place, Sealed, TenantCipher};
use crate::error::Error;

/// A row whose value is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Its key, as in [`Place::row`].
    pub key: String,
    /// The value.
    pub sealed: Sealed,
}

/// The rows of one sealed column of the tenant whose work it is.
///
/// # Contract
/// - `page` is in an order that does not change, begins after the key given, and is empty only at the end.
/// - `replace` writes only if the old value is still there, and tells whether it did: what the application wrote in between stays.
#[async_trait]
pub trait SealedRows: Send + Sync {
    /// Some rows.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if they cannot be read now.
    async fn page(&self, after: Option<&str>) -> Result<Vec<SealedRow>, Error>;

    /// Writes a value that was sealed anew, and the blind index of the new key beside it, if the column has one.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if it cannot be written now.
    async fn replace(&self, old: &SealedRow, sealed: &Sealed, index: [u8; 32]) -> Result<bool, Error>;
}

/// What [`TenantCipher::reseal_all`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Resealed {
    /// Rows that were looked at.
    pub seen: u64,
    /// Rows that were sealed anew.
    pub resealed: u64,
    /// Rows that the application wrote in between.
    pub overtaken: u64,
}

impl TenantCipher {
    /// Seals all rows of a column with the newest key of the tenant whose work it is. Run it in the background after
    /// [`rotate`](Self::rotate), with [`spawn`](crate::spawn); it can be stopped and begun again at any time, and both keys open meanwhile.
    ///
    /// # Errors
    /// As those of [`open`](Self::open), and those of the rows.
    ///
    /// # Cancel safety
    /// What was sealed anew stays so.
    pub async fn reseal_all(&self, column: Place<'_>, rows: &dyn SealedRows) -> Result<Resealed, Error> {
        let mut done = Resealed::default();
        let mut after: Option<String> = None;
        loop {
            let page = rows.page(after.as_deref()).await?;
            let Some(last) = page.last() else { return Ok(done) };
            after = Some(last.key.clone());
            for row in &page {
                done.seen += 1;
                let place = column.row(&row.key);
                let Some(sealed) = self.reseal(place, &row.sealed).await? else { continue };
                let value = self.open(place, &sealed).await?;
                let index = self.index(column, &value).await?;
                if rows.replace(row, &sealed, index).await? { done.resealed += 1 } else { done.overtaken += 1 }
            }
        }
    }
}
