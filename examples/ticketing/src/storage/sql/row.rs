//! Rows, read alike from both databases.

use sqlx::{ColumnIndex, Row as _, postgres::PgRow, sqlite::SqliteRow};

use crate::ids::{
    AddressId, ContactId, CouponId, OrderId, PaymentId, PlanId, RefundId, SessionId, ShowId, TicketId, UserId, VenueId,
};

/// A row of an answer.
#[derive(Debug)]
pub enum Row {
    /// From the file.
    Sqlite(SqliteRow),
    /// From the server.
    Postgres(PgRow),
}

/// A name or a number of a column.
pub trait Index: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + std::fmt::Debug + Copy {}

impl<I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + std::fmt::Debug + Copy> Index for I {}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    ///
    /// When there is no such column or its value is not of this type.
    pub fn get<T: Column>(&self, index: impl Index) -> sqlx::Result<T> {
        T::read(self, index)
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When there is no such column or its value is not of this type.
    fn read(row: &Row, index: impl Index) -> sqlx::Result<Self>;
}

macro_rules! as_they_are {
    ($($type:ty),+) => {$(
        impl Column for $type {
            fn read(row: &Row, index: impl Index) -> sqlx::Result<Self> {
                match row {
                    Row::Sqlite(row) => row.try_get(index),
                    Row::Postgres(row) => row.try_get(index),
                }
            }
        }
    )+};
}

as_they_are!(i64, f64, bool, String, Option<String>, Option<i64>, Option<f64>);

fn unreadable(index: impl Index, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: format!("{index:?}"), source: Box::new(error) }
}

impl Column for u32 {
    fn read(row: &Row, index: impl Index) -> sqlx::Result<Self> {
        Self::try_from(i64::read(row, index)?).map_err(|error| unreadable(index, error))
    }
}

macro_rules! ids {
    ($($id:ty),+) => {$(
        impl Column for $id {
            fn read(row: &Row, index: impl Index) -> sqlx::Result<Self> {
                String::read(row, index)?.parse().map_err(|error: uuid::Error| unreadable(index, error))
            }
        }
    )+};
}

ids!(
    AddressId, ContactId, CouponId, OrderId, PaymentId, PlanId, RefundId, SessionId, ShowId, TicketId, UserId, VenueId
);
