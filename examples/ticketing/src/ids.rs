//! Identifiers: one type each, so that an order can never be looked up by a session's id.

use std::{borrow::Cow, fmt, str::FromStr};

use nebula_cache::CacheKey;
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};
use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};
use uuid::Uuid;

/// The merchant that the platform is itself: what nobody else has is its.
pub const PLATFORM: &str = "nebula";

/// The platform as a merchant.
#[must_use]
#[allow(clippy::expect_used, reason = "a constant, and a test reads it")]
pub fn platform() -> TenantId {
    PLATFORM.parse().expect("the name of a tenant")
}

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh identifier that sorts by the time it was made.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "two defaults of an identifier would differ")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl CacheKey for $name {
            fn key_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Borrowed(self.0.as_bytes())
            }
        }

        impl<DB: Database> Type<DB> for $name where String: Type<DB> {
            fn type_info() -> DB::TypeInfo {
                <String as Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <String as Type<DB>>::compatible(ty)
            }
        }

        impl<'q, DB: Database> Encode<'q, DB> for $name where String: Encode<'q, DB> {
            fn encode_by_ref(&self, buf: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                self.to_string().encode_by_ref(buf)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $name where &'r str: Decode<'r, DB> {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str>::decode(value)?.parse()?)
            }
        }
    )+};
}

id! {
    /// A person with an account.
    UserId,
    /// A building with seats.
    VenueId,
    /// A seating plan of a venue.
    PlanId,
    /// A show: what is performed.
    ShowId,
    /// A session: one performance of a show, with its own stock of seats.
    SessionId,
    /// An order.
    OrderId,
    /// One attempt to pay an order.
    PaymentId,
    /// Money on its way back.
    RefundId,
    /// The right to one seat.
    TicketId,
    /// A coupon that a merchant offers.
    CouponId,
    /// Somebody whom a buyer buys for.
    ContactId,
    /// Where somebody gets mail.
    AddressId,
}

impl UserId {
    /// Whoever buys at a counter: an account that nobody signs in to. Limits of a buyer do not hold for it.
    pub const COUNTER: Self = Self(Uuid::nil());
}

/// Number of a seat within its plan, from 0 without gaps.
pub type SeatPosition = u32;
