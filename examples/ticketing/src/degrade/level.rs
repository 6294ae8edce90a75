//! What is given up first when there is too much to do.

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// A kind of request, by what it may cost the sale if it is refused: the first is refused first, and the last only when
/// operators say so. Whatever is none of them is never refused: payments, one's own order, tickets, the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Search, suggestions, and live streams: pages ask for seats now and then instead.
    Extras,
    /// Lists of what was: orders, messages, reports.
    History,
    /// Newcomers: accounts, codes, reservations, places in waiting rooms.
    Arrivals,
    /// New orders.
    Orders,
}

impl Class {
    /// All of them, in the order in which they are given up.
    pub const ALL: [Self; 4] = [Self::Extras, Self::History, Self::Arrivals, Self::Orders];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extras => "extras",
            Self::History => "history",
            Self::Arrivals => "arrivals",
            Self::Orders => "orders",
        }
    }

    /// What a request to the route with this pattern is.
    #[must_use]
    pub fn of(method: &Method, pattern: &str) -> Option<Self> {
        let route = pattern.strip_prefix("/api/v1/")?;
        let reads = *method == Method::GET || *method == Method::HEAD;
        let posts = *method == Method::POST;
        match route {
            _ if reads && route.ends_with("/events") => Some(Self::Extras),
            _ if reads && ["search", "suggestions"].iter().any(|part| route.split('/').any(|found| found == *part)) => {
                Some(Self::Extras)
            }
            "orders" | "inbox" | "inbox/state" if reads => Some(Self::History),
            "desk/{merchant}/orders" | "admin/sessions/{id}/audit" | "admin/statements/{provider}/{day}" => {
                Some(Self::History)
            }
            "auth/register" | "auth/codes" | "admin/rehearsals" if posts => Some(Self::Arrivals),
            "sessions/{id}/reservation" | "sessions/{id}/waiting-room" if posts => Some(Self::Arrivals),
            "orders" if posts => Some(Self::Orders),
            _ => None,
        }
    }
}

/// How many classes are given up: none at 0, all at [`Level::MOST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
pub struct Level(u8);

impl Level {
    /// Everything that may be refused is.
    pub const MOST: Self = Self(4);
    /// As far as the platform goes by itself: it never refuses orders unasked.
    pub const AUTOMATIC: Self = Self(3);

    /// The level of that number, if there is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= Self::MOST.0 { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether it gives up requests of that class.
    #[must_use]
    pub fn refuses(self, class: Class) -> bool {
        Class::ALL.iter().take(usize::from(self.0)).any(|given_up| *given_up == class)
    }

    /// The next one, no further than [`Level::AUTOMATIC`].
    #[must_use]
    pub(super) fn worse(self) -> Self {
        Self(self.0 + 1).min(Self::AUTOMATIC)
    }

    /// The one before.
    #[must_use]
    pub(super) const fn better(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_gives_up_one_class_more_and_payments_are_in_none() {
        for (number, refused) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)] {
            let level = Level::new(number).unwrap();
            assert_eq!(Class::ALL.iter().filter(|class| level.refuses(**class)).count(), refused);
        }
        assert_eq!(Level::new(5), None);
        for (method, pattern, class) in [
            (Method::GET, "/api/v1/sessions/{id}/events", Some(Class::Extras)),
            (Method::GET, "/api/v1/inbox/events", Some(Class::Extras)),
            (Method::GET, "/api/v1/search/suggestions", Some(Class::Extras)),
            (Method::GET, "/api/v1/orders", Some(Class::History)),
            (Method::POST, "/api/v1/sessions/{id}/waiting-room", Some(Class::Arrivals)),
            (Method::GET, "/api/v1/sessions/{id}/waiting-room", None),
            (Method::POST, "/api/v1/orders", Some(Class::Orders)),
            (Method::POST, "/api/v1/orders/{id}/pay", None),
            (Method::GET, "/api/v1/orders/{id}", None),
            (Method::POST, "/api/v1/payments/{provider}/callback", None),
            (Method::POST, "/api/v1/auth/login", None),
            (Method::POST, "/api/v1/admin/sessions/{id}/check-in", None),
            (Method::GET, "/healthz", None),
        ] {
            assert_eq!(Class::of(&method, pattern), class, "{method} {pattern}");
        }
    }
}
