//! Which fields of a record whoever asks sees: in full, masked, or not at all, as their roles say of that very record.
//!
//! The rules are nebula-auth's, kept with the roles and changed with them. They are applied where an answer is made, by [`Sight`],
//! on all that it says; and what somebody does not see in full they cannot search by.

use std::collections::BTreeMap;

use nebula_auth::{
    access::{AuthContext, DeclaredPermission as _},
    data::{Column, DataAccess, Entity, Field, Mask, RowKey},
    rbac::FieldAccess,
};
use nebula_tenant::TenantId;
use serde::Serialize;
use serde_json::Value;

use super::names::{order, refund, till};
use crate::{
    ids::UserId,
    problem::{Code, Problem, Result},
};

/// Whoever sees one of these in full leaves a trace.
pub const PERSONAL: [&str; 4] = [BUYER_EMAIL, BUYER_NAME, ATTENDEE_NAME, ATTENDEE_NUMBER];

/// Where a buyer is written to.
pub const BUYER_EMAIL: &str = "buyer-email";
/// What a buyer at a counter left as their name.
pub const BUYER_NAME: &str = "buyer-name";
/// Whose a seat is.
pub const ATTENDEE_NAME: &str = "attendee-name";
/// The number of their document.
pub const ATTENDEE_NUMBER: &str = "attendee-number";
/// What a provider of payments calls a movement of money.
pub const PAYMENT_REFERENCE: &str = "payment-reference";
/// How a price came about, with the proof of it.
pub const PRICE: &str = "price";
/// Why somebody wants their money back, in their own words.
pub const REASON: &str = "reason";
/// What was said of it.
pub const NOTE: &str = "note";
/// What an agent keeps.
pub const COMMISSION: &str = "commission";

/// Whose records are: a merchant's, and of these those that a clerk sold.
const CLERK: Option<Column> = Some(Column::text("clerk_id"));
const MERCHANT: Option<Column> = Some(Column::text("tenant_id"));

/// Orders at the desks of merchants.
pub static ORDER: Entity = Entity {
    name: "order",
    read: order::Read::PERMISSION,
    write: order::Sell::PERMISSION,
    owner: CLERK,
    department: MERCHANT,
    fields: &[
        Field::sensitive(BUYER_EMAIL, Mask::Email),
        Field::sensitive(BUYER_NAME, Mask::Initials),
        Field::sensitive(ATTENDEE_NAME, Mask::Initials),
        Field::sensitive(ATTENDEE_NUMBER, Mask::KeepEnds(3, 4)),
        Field::sensitive(PAYMENT_REFERENCE, Mask::KeepLast(4)),
        Field::sensitive(PRICE, Mask::All),
    ],
};

/// Money that goes back.
pub static REFUND: Entity = Entity {
    name: "refund",
    read: refund::Read::PERMISSION,
    write: refund::Decide::PERMISSION,
    owner: CLERK,
    department: MERCHANT,
    fields: &[Field::sensitive(REASON, Mask::All), Field::sensitive(NOTE, Mask::All)],
};

/// Tills of counters.
pub static TILL: Entity = Entity {
    name: "till",
    read: till::Read::PERMISSION,
    write: till::Close::PERMISSION,
    owner: CLERK,
    department: MERCHANT,
    fields: &[Field::sensitive(COMMISSION, Mask::All), Field::sensitive(NOTE, Mask::All)],
};

/// All kinds of records with fields that are not for everybody.
const ENTITIES: [&Entity; 3] = [&ORDER, &REFUND, &TILL];

/// Where a field stands in an answer: the keys that lead there, `*` for each element of a list.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    entity: &'static Entity,
    field: &'static str,
    path: &'static [&'static str],
}

impl Spot {
    /// A field of such a record, at that place.
    #[must_use]
    pub const fn new(entity: &'static Entity, field: &'static str, path: &'static [&'static str]) -> Self {
        Self { entity, field, path }
    }
}

/// Whose a record is.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The merchant's.
    pub merchant: &'a TenantId,
    /// Of what a counter sold, whoever sold it.
    pub clerk: Option<UserId>,
}

impl<'a> Whose<'a> {
    /// A merchant's, and no clerk's.
    #[must_use]
    pub const fn of(merchant: &'a TenantId) -> Self {
        Self { merchant, clerk: None }
    }
}

/// What whoever asks sees, at the moment of the request.
#[derive(Clone, Debug)]
pub struct Sight(Vec<(&'static Entity, DataAccess)>);

impl Sight {
    /// Of whoever asks.
    ///
    /// # Errors
    ///
    /// Nobody asks, or the roles cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn current() -> Result<Self> {
        let context = AuthContext::current()?;
        let mut all = Vec::with_capacity(ENTITIES.len());
        for entity in ENTITIES {
            all.push((entity, context.data(entity).await?));
        }
        Ok(Self(all))
    }

    /// Whether they see this field of that record in full.
    #[must_use]
    pub fn whole(&self, entity: &'static Entity, whose: Whose<'_>, field: &str) -> bool {
        self.access(entity, whose, field) >= FieldAccess::ReadOnly
    }

    /// How they see this field of that record.
    #[must_use]
    pub fn access(&self, entity: &'static Entity, whose: Whose<'_>, field: &str) -> FieldAccess {
        let clerk = whose.clerk.map(|clerk| clerk.to_string());
        self.of(entity).map_or(FieldAccess::Hidden, |access| access.field(row(whose, clerk.as_deref()), field))
    }

    /// Refuses to look for what they do not see in full, in the place of a request that is named.
    ///
    /// # Errors
    ///
    /// [`Code::Forbidden`] with the `field`.
    pub fn check_search(
        &self,
        entity: &'static Entity,
        whose: Whose<'_>,
        field: &'static str,
        place: &'static str,
    ) -> Result<()> {
        if self.whole(entity, whose, field) {
            return Ok(());
        }
        Err(hidden(place))
    }

    /// The answer as they see it.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn shown(&self, spots: &[Spot], whose: Whose<'_>, answer: &impl Serialize) -> Result<Value> {
        let mut answer = serde_json::to_value(answer).map_err(Problem::internal)?;
        let clerk = whose.clerk.map(|clerk| clerk.to_string());
        let row = row(whose, clerk.as_deref());
        for spot in spots {
            let access = self.of(spot.entity);
            visit(&mut answer, spot.path, &mut |value| {
                access.is_some_and(|access| access.cover(row, spot.field, value))
            });
        }
        Ok(answer)
    }

    /// Every field with how they see it at that merchant's desk, for pages.
    #[must_use]
    pub fn fields(&self, merchant: &TenantId) -> BTreeMap<String, &'static str> {
        let of = |entity: &'static Entity| {
            let access = move |field| (entity.name, field, self.access(entity, Whose::of(merchant), field));
            entity.sensitive().map(access)
        };
        let named = |(entity, field, access)| (format!("{entity}.{field}"), word(access));
        ENTITIES.into_iter().flat_map(of).map(named).collect()
    }

    fn of(&self, entity: &'static Entity) -> Option<&DataAccess> {
        self.0.iter().find(|(of, _)| of.name == entity.name).map(|(_, access)| access)
    }
}

/// That a field is not for whoever asks.
#[must_use]
pub fn hidden(place: &'static str) -> Problem {
    Problem::new(Code::Forbidden, "None of your roles shows this field in full.")
        .with("reason", "field_denied")
        .with("field", place)
}

fn row<'a>(whose: Whose<'a>, clerk: Option<&'a str>) -> RowKey<'a> {
    RowKey { owner: clerk, department: Some(whose.merchant.as_str()) }
}

const fn word(access: FieldAccess) -> &'static str {
    match access {
        FieldAccess::Masked => "masked",
        FieldAccess::ReadOnly | FieldAccess::Full => "full",
        _ => "hidden",
    }
}

/// Shows each value that a path leads to, and takes out those that are not to be seen. What is empty has nothing to mask.
fn visit(value: &mut Value, path: &[&str], show: &mut impl FnMut(&mut Value) -> bool) {
    match (path, value) {
        ([last], Value::Object(fields)) => {
            let keep = fields
                .get_mut(*last)
                .is_none_or(|value| if value == "" { show(&mut value.clone()) } else { show(value) });
            if !keep {
                fields.remove(*last);
            }
        }
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| visit(item, rest, show)),
        ([key, rest @ ..], Value::Object(fields)) => {
            if let Some(value) = fields.get_mut(*key) {
                visit(value, rest, show);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_each_value_and_to_no_other() {
        let mut answer =
            json!({"orders": [{"buyer": {"email": "a"}}, {"buyer": {"email": ""}}, {}, {"buyer": null}], "email": "b"});
        let mut seen = Vec::new();
        visit(&mut answer, &["orders", "*", "buyer", "email"], &mut |value| {
            seen.push(value.clone());
            false
        });
        assert_eq!(seen, [json!("a"), json!("")]);
        assert_eq!(answer, json!({"orders": [{"buyer": {}}, {"buyer": {}}, {}, {"buyer": null}], "email": "b"}));
        let mut empty = json!({"email": ""});
        visit(&mut empty, &["email"], &mut |value| {
            *value = json!("***");
            true
        });
        assert_eq!(empty, json!({"email": ""}));
        visit(&mut answer, &["nowhere", "*", "email"], &mut |_| panic!("nothing is there"));
    }

    #[test]
    fn every_personal_field_is_one_of_an_order() {
        let known: Vec<_> = ORDER.sensitive().collect();
        assert!(PERSONAL.iter().all(|field| known.contains(field)), "{known:?}");
    }
}
