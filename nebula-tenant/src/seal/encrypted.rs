//! A type for a column whose values are sealed.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Place, Sealed, TenantCipher};
use crate::error::{Error, ErrorKind};

/// A sealed value of the type `T`, for a column of bytes: a field of a row of sqlx, or of an entity of SeaORM. It is opened with the cipher and
/// its place, since nothing that a database driver reads may open by itself.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use nebula_tenant::TenantContext;
/// use nebula_tenant::seal::{Encrypted, LocalMasterKey, MemoryKeyStore, Place, TenantCipher};
///
/// const BORN: Place<'static> = Place::column("buyers", "born");
/// let cipher = TenantCipher::new(MemoryKeyStore::new(), LocalMasterKey::new("2026", &vec![7; 32].into())?);
/// TenantContext::of("star".parse()?).scope(async {
///     let born = Encrypted::seal(&cipher, BORN.row("42"), &(1990, 2, 28)).await?;
///     assert_eq!(born.open(&cipher, BORN.row("42")).await?, (1990, 2, 28));
///     Ok::<_, nebula_tenant::Error>(())
/// }).await??;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Encrypted<T> {
    sealed: Sealed,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> Encrypted<T> {
    /// What was sealed as this type before.
    #[must_use]
    pub const fn from_sealed(sealed: Sealed) -> Self {
        Self { sealed, of: PhantomData }
    }

    /// The sealed value.
    #[must_use]
    pub const fn sealed(&self) -> &Sealed {
        &self.sealed
    }
}

impl<T: Serialize> Encrypted<T> {
    /// Seals a value for its place.
    ///
    /// # Errors
    /// As those of [`TenantCipher::seal`]; [`ErrorKind::Config`] for a value that has no JSON.
    ///
    /// # Cancel safety
    /// At worst a tenant gets its first key.
    pub async fn seal(cipher: &TenantCipher, place: Place<'_>, value: &T) -> Result<Self, Error>
    where
        T: Sync,
    {
        let wrong = |error| Error::new(ErrorKind::Config, "a value that cannot be written").with_source(error);
        let plain = serde_json::to_vec(value).map_err(wrong)?;
        Ok(Self::from_sealed(cipher.seal(place, &plain).await?))
    }
}

impl<T: DeserializeOwned> Encrypted<T> {
    /// Opens it at its place.
    ///
    /// # Errors
    /// As those of [`TenantCipher::open`]; [`ErrorKind::Altered`] if it holds another type.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn open(&self, cipher: &TenantCipher, place: Place<'_>) -> Result<T, Error> {
        let plain = cipher.open(place, &self.sealed).await?;
        // The error of the parser would repeat the value.
        serde_json::from_slice(&plain).map_err(|_| Error::new(ErrorKind::Altered, "a sealed value of another type"))
    }
}

impl<T> Clone for Encrypted<T> {
    fn clone(&self) -> Self {
        Self::from_sealed(self.sealed.clone())
    }
}

impl<T> PartialEq for Encrypted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sealed == other.sealed
    }
}

impl<T> Eq for Encrypted<T> {}

impl<T> fmt::Debug for Encrypted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sealed.fmt(f)
    }
}

#[cfg(feature = "sql")]
mod column {
    use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};

    use super::{Encrypted, Sealed};

    impl<T, DB: Database> Type<DB> for Encrypted<T>
    where
        Sealed: Type<DB>,
    {
        fn type_info() -> DB::TypeInfo {
            Sealed::type_info()
        }

        fn compatible(info: &DB::TypeInfo) -> bool {
            Sealed::compatible(info)
        }
    }

    impl<'q, T, DB: Database> Encode<'q, DB> for Encrypted<T>
    where
        Sealed: Encode<'q, DB>,
    {
        fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
            self.sealed.encode_by_ref(buffer)
        }
    }

    impl<'r, T, DB: Database> Decode<'r, DB> for Encrypted<T>
    where
        Sealed: Decode<'r, DB>,
    {
        fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
            Sealed::decode(value).map(Self::from_sealed)
        }
    }
}

#[cfg(feature = "sea-orm")]
mod entity {
    use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
    use sea_orm::{ColIdx, QueryResult, TryGetError, TryGetable, Value};

    use super::{Encrypted, Sealed};

    impl<T> From<Encrypted<T>> for Value {
        fn from(value: Encrypted<T>) -> Self {
            Self::from(value.sealed.into_bytes())
        }
    }

    impl<T> TryGetable for Encrypted<T> {
        fn try_get_by<I: ColIdx>(row: &QueryResult, place: I) -> Result<Self, TryGetError> {
            <Vec<u8> as TryGetable>::try_get_by(row, place).map(|bytes| Self::from_sealed(Sealed::from_bytes(bytes)))
        }
    }

    impl<T> ValueType for Encrypted<T> {
        fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
            <Vec<u8> as ValueType>::try_from(value).map(|bytes| Self::from_sealed(Sealed::from_bytes(bytes)))
        }

        fn type_name() -> String {
            "Encrypted".to_owned()
        }

        fn array_type() -> ArrayType {
            <Vec<u8> as ValueType>::array_type()
        }

        fn column_type() -> ColumnType {
            ColumnType::Blob
        }
    }

    impl<T> Nullable for Encrypted<T> {
        fn null() -> Value {
            <Vec<u8> as Nullable>::null()
        }
    }
}
