//! What a sale asks of buyers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    identity::RealName,
    problem::{Code, Problem, Result},
};

/// The steps of a sale, each on or off. Left out means off, except the sold-out flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// When nothing is left, refuse without asking the ledger.
    pub sold_out: bool,
    /// Refuse accounts, networks and devices that are on the blacklist.
    pub blacklist: bool,
    /// Limit orders by address, by buyer, and of the sale as a whole.
    pub limits: bool,
    /// Challenge those who ask as no person does, and blacklist those who go on.
    pub behaviour: bool,
    /// Sell only to those who reserved before the sale.
    pub reservation: bool,
    /// Sell only to those who show the token that their reservation gave them. Needs no database.
    pub qualification: bool,
    /// Let everybody solve a challenge.
    pub slider: bool,
    /// Let so many in at a time.
    pub room: Option<Room>,
    /// How much one person may order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_person: Option<PerPerson>,
    /// Whether tickets have names, and how many somebody may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_name: Option<RealName>,
}

/// How much one person may order of a sale. Orders that ended without seats do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerPerson {
    /// Most orders of an account on a day, from midnight to midnight in China.
    #[schema(minimum = 1, maximum = 1_000)]
    pub orders_per_day: Option<u32>,
    /// Most seats of all accounts of a person: of one mailbox, whatever stands behind a plus sign in their addresses.
    #[schema(minimum = 1, maximum = 1_000)]
    pub seats: Option<u32>,
}

/// A waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    /// Most buyers who may be choosing and paying at the same time.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub admitted: u32,
    /// Seconds that an admission lasts.
    #[schema(minimum = 10, maximum = 86_400)]
    pub stay_seconds: u32,
    /// Seconds after which a page that does not ask any more has lost its place.
    #[schema(minimum = 5, maximum = 600)]
    pub grace_seconds: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            sold_out: true,
            blacklist: false,
            limits: false,
            behaviour: false,
            reservation: false,
            qualification: false,
            slider: false,
            room: None,
            per_person: None,
            real_name: None,
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { admitted: 1_000, stay_seconds: 15 * 60, grace_seconds: 30 }
    }
}

impl Policy {
    /// Whether it asks for anything before an order but a look at the sold-out flag.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let (per_person, real_name) = (self.per_person, self.real_name);
        *self == Self { sold_out: self.sold_out, per_person, real_name, ..Self::default() }
    }

    /// Whether buyers may reserve.
    #[must_use]
    pub fn takes_reservations(&self) -> bool {
        self.reservation || self.qualification
    }

    /// Refuses numbers that cannot work.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`], naming the field and what is allowed.
    pub fn check(&self) -> Result<()> {
        let (room, person) = (self.room, self.per_person.unwrap_or_default());
        for (field, value, least, most) in [
            ("room.admitted", room.map(|room| room.admitted), 1, 1_000_000),
            ("room.stay_seconds", room.map(|room| room.stay_seconds), 10, 86_400),
            ("room.grace_seconds", room.map(|room| room.grace_seconds), 5, 600),
            ("per_person.orders_per_day", person.orders_per_day, 1, 1_000),
            ("per_person.seats", person.seats, 1, 1_000),
            ("real_name.tickets", self.real_name.and_then(|names| names.tickets), 1, 1_000),
            ("real_name.tickets_per_day", self.real_name.map(|names| names.tickets_per_day), 1, 1_000),
        ] {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                let detail = format!("`{field}` is {least} to {most}.");
                return Err(Problem::new(Code::InvalidValue, detail).with("field", field));
            }
        }
        Ok(())
    }
}

impl Room {
    /// How long an admission lasts.
    #[must_use]
    pub fn stay(&self) -> Duration {
        Duration::from_secs(self.stay_seconds.into())
    }

    /// How long somebody who is not heard of keeps the place.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }
}
