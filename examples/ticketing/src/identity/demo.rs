//! An authority for demonstrations: it asks nobody, and its answers follow from what it is asked.

use async_trait::async_trait;

use super::{
    authority::{Answer, Authority, AuthorityError},
    person::Person,
};

/// It believes every name but these.
const IMPOSTORS: [&str; 2] = ["冒名", "IMPOSTOR"];
/// It knows every document but those whose number has this before its last character.
const UNKNOWN: &str = "000";

/// Believes nearly everybody. Pages say that it is no authority.
#[derive(Clone, Copy, Debug)]
pub(super) struct DemoAuthority;

#[async_trait]
impl Authority for DemoAuthority {
    fn name(&self) -> &'static str {
        "demo"
    }

    async fn ask(&self, person: &Person) -> Result<Option<Answer>, AuthorityError> {
        let number = person.document().number();
        let name = person.name().to_uppercase();
        Ok(match number {
            _ if number[..number.len() - 1].ends_with(UNKNOWN) => None,
            _ if IMPOSTORS.iter().any(|impostor| name.contains(impostor)) => Some(Answer::Differs),
            _ => Some(Answer::Matches),
        })
    }
}
