//! Whose the seats of an order are.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Identities,
    document::DocumentKind,
    grams::{self, Remembered},
    person::{Masked, NewPerson, Person},
    policy::{Names, RealName, WhenDown},
    quota::Quota,
    storage::{self, Verified},
};
use crate::{
    ids::{ContactId, OrderId, SeatPosition, SessionId, UserId},
    merchant::Scope,
    personal::{ATTENDEE, DOCUMENT, NAME, NUMBER, WISH},
    problem::{Code, Problem, Result},
};

/// Somebody whom a buyer names: a contact, or a person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WishedAttendee {
    /// One of the buyer's contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<ContactId>,
    /// Or somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<NewPerson>,
}

/// What is written down of whose a seat is.
#[derive(Clone, Debug)]
pub(crate) struct Attendee {
    pub(super) position: SeatPosition,
    pub(super) identity: String,
    pub(super) name: String,
    pub(super) number: String,
    /// What they are found by in part.
    pub(super) grams: Vec<String>,
    pub(super) sealed: String,
    pub(super) verified: Verified,
}

/// Whose the seats of an order are to be, and what each may have.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) attendees: Vec<Attendee>,
    pub(crate) quota: Quota,
}

/// Whom a buyer names for which seats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) user: UserId,
    pub(crate) order: OrderId,
    pub(crate) session: SessionId,
    /// Who sells them: what is kept of people is sealed under its keys.
    pub(crate) merchant: &'a TenantId,
    /// In the order of the seats, or one for all.
    /// Who may not name too many people; clerks may.
    pub(crate) limited: Option<UserId>,
    pub(crate) attendees: &'a [WishedAttendee],
    /// The seats, in the order in which the buyer gave them.
    pub(crate) seats: &'a [SeatPosition],
}

/// Whose a seat is, for pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttendeeView {
    /// The first letter of each part of the name; for those who may know, the name.
    name: String,
    /// What kind of document it is.
    kind: DocumentKind,
    /// Two letters of ISO 3166-1.
    country: String,
    /// Parts of the number; for those who may know, the number.
    number: String,
    verified: Verified,
}

/// Whose a seat is, for doors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Holder {
    /// The first letter of each part of the name.
    name: String,
    /// The last four characters of the document's number.
    ends: String,
    verified: Verified,
}

impl AttendeeView {
    /// Whether the authority refused the name after the order was placed.
    pub(crate) fn is_refused(&self) -> bool {
        self.verified == Verified::No
    }
}

impl Identities {
    /// Finds out whom a buyer means, asks the authority about them, and makes of it what is written down with the order.
    ///
    /// # Errors
    ///
    /// [`Code::RealNameRequired`] where there are not as many as are needed, [`Code::InvalidValue`] with the field, and those of
    /// a check; then nobody was written down.
    pub(crate) async fn named(&self, rule: RealName, wishes: Wishes<'_>) -> Result<Named> {
        let count = match rule.names {
            Names::PerOrder => 1,
            Names::PerTicket => wishes.seats.len(),
        };
        if wishes.attendees.len() != count {
            let given = wishes.attendees.len();
            let detail = format!("This order names {count} of those who will come, and you named {given}.");
            return Err(Problem::new(Code::RealNameRequired, detail).with("names", rule.names).with("count", count));
        }
        let numbered = wishes.attendees.iter().enumerate();
        let people = try_join_all(numbered.map(|(number, wish)| async move {
            let person = self.meant(wishes.user, number, wish).await?;
            let verified = self.checked(rule, wishes.limited, &person).await;
            let verified = verified.map_err(|problem| of_attendee(problem, number))?;
            Ok::<_, Problem>((person, verified))
        }));
        let people = people.await?;
        let of_seat = wishes.seats.iter().enumerate().filter_map(|(number, position)| {
            let number = if rule.names == Names::PerOrder { 0 } else { number };
            people.get(number).map(|(person, verified)| (*position, person, *verified))
        });
        let mut attendees = Vec::with_capacity(wishes.seats.len());
        for (position, person, verified) in of_seat {
            attendees.push(self.attendee(wishes, position, person, verified).await?);
        }
        let quota = Quota::new(rule, wishes.session, &attendees);
        Ok(Named { attendees, quota })
    }

    async fn meant(&self, user: UserId, number: usize, wish: &WishedAttendee) -> Result<Person> {
        let place = format!("attendees[{number}]");
        match (wish.contact, &wish.person) {
            (Some(contact), None) => {
                let found = self.contact(user, contact).await?;
                found.ok_or_else(|| Problem::invalid(&format!("{place}.contact"), "You have no such contact."))
            }
            (None, Some(person)) => person.read(&format!("{place}.")),
            _ => Err(Problem::invalid(&place, "Name a `contact` or a `person`, one of them.")),
        }
    }

    async fn checked(&self, rule: RealName, limited: Option<UserId>, person: &Person) -> Result<Verified> {
        match self.0.checks.confirm(person, limited).await {
            Ok(()) => Ok(Verified::Yes),
            Err(problem) if problem.code == Code::IdentityUnchecked && rule.when_down == WhenDown::Later => {
                metrics::counter!("ticketing_identity_postponed_total").increment(1);
                Ok(Verified::Later)
            }
            Err(problem) => Err(problem),
        }
    }

    async fn attendee(
        &self,
        Wishes { order, merchant, .. }: Wishes<'_>,
        position: SeatPosition,
        person: &Person,
        verified: Verified,
    ) -> Result<Attendee> {
        let vault = &self.0.vault;
        Ok(Attendee {
            position,
            identity: vault.index(DOCUMENT, &person.document().key()).await?,
            name: vault.index(NAME, &super::name::key(person.name())).await?,
            number: vault.index(NUMBER, person.document().number()).await?,
            grams: grams::of_person(&vault.of(merchant), person).await?,
            sealed: vault.of(merchant).seal(ATTENDEE, &storage::row(order, position), &person.to_text()?).await?,
            verified,
        })
    }

    /// Tells a repeated wish from one that names others, without saying whom.
    pub(crate) async fn mark(&self, attendees: &[WishedAttendee]) -> Result<String> {
        let text = serde_json::to_string(attendees).map_err(Problem::internal)?;
        self.0.vault.index(WISH, &text).await
    }

    /// Whose the seats of an order are; `whole` for those who may know.
    pub(crate) async fn attendees(&self, order: OrderId, whole: bool) -> Result<HashMap<SeatPosition, AttendeeView>> {
        let mut found = HashMap::new();
        for row in storage::of_order(&self.0.database.read, order).await? {
            let person = self.opened(&row).await?;
            let Masked { mut name, kind, country, mut number } = person.masked();
            if whole {
                (name, number) = (person.name().to_owned(), person.document().number().to_owned());
            }
            found.insert(row.position, AttendeeView { name, kind, country, number, verified: row.verified });
        }
        Ok(found)
    }

    /// Whose a seat is, for the door.
    pub(crate) async fn holder(&self, order: OrderId, position: SeatPosition) -> Result<Option<Holder>> {
        match storage::of_seat(&self.0.database.read, order, position).await? {
            Some(row) => self.opened(&row).await.map(|person| Some(holder(&person, row.verified))),
            None => Ok(None),
        }
    }

    /// Whose the seats of a session are, for doors without a network.
    pub(crate) async fn holders(&self, session: SessionId) -> Result<HashMap<(OrderId, SeatPosition), Holder>> {
        let mut holders = HashMap::new();
        for row in storage::of_session(&self.0.database.read, session).await? {
            let person = self.opened(&row).await?;
            holders.insert((row.order, row.position), holder(&person, row.verified));
        }
        Ok(holders)
    }

    /// What people of this name are found by.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`], or the keys cannot be read.
    pub(crate) async fn index_of_name(&self, name: &str) -> Result<String> {
        let name = super::person::read_name(name, "")?;
        self.0.vault.index(NAME, &super::name::key(&name)).await
    }

    /// What documents of this number are found by.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`], or the keys cannot be read.
    pub(crate) async fn index_of_number(&self, number: &str) -> Result<String> {
        let number = super::document::read_whole(number)?;
        self.0.vault.index(NUMBER, &number).await
    }

    pub(super) async fn opened(&self, row: &storage::AttendeeRow) -> Result<Person> {
        storage::person(&self.0.vault.of(&row.merchant), row.order, row.position, &row.sealed).await
    }

    /// The merchant's orders that are for somebody who is remembered in part, newest first, at most so many.
    ///
    /// # Errors
    ///
    /// The database failed, or the keys cannot be read.
    pub(crate) async fn remembered(&self, scope: &Scope, meant: &Remembered, most: usize) -> Result<Vec<OrderId>> {
        grams::found(&self.0.database.read, &self.0.vault.of(scope.tenant()), scope, meant, most).await
    }
}

fn holder(person: &Person, verified: Verified) -> Holder {
    Holder { name: person.masked().name, ends: person.document().ending().to_owned(), verified }
}

/// Says which one it is about.
fn of_attendee(problem: Problem, number: usize) -> Problem {
    match problem.code {
        Code::IdentityRefused => problem.with("field", format!("attendees[{number}]")),
        _ => problem,
    }
}
