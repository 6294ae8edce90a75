//! A person with the document that says so, and what is shown of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    document::{Document, DocumentKind},
    name,
};
use crate::problem::{Problem, Result};

/// A person, as somebody types them.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// As the document has it: 2 to 60 letters, with spaces, dots, hyphens and apostrophes.
    #[schema(example = "李雷", min_length = 2, max_length = 60)]
    name: String,
    /// What kind of document it is.
    kind: DocumentKind,
    /// Two letters of ISO 3166-1: whose passport it is. A card has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// The number of the document.
    #[schema(example = "11010519491231002X", min_length = 6, max_length = 32)]
    number: String,
}

impl fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPerson").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A person whose document can be one.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    name: String,
    document: Document,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("kind", &self.document.kind()).finish_non_exhaustive()
    }
}

/// What pages show of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Masked {
    /// The first letter of each part of the name.
    pub name: String,
    /// What kind of document it is.
    pub kind: DocumentKind,
    /// Two letters of ISO 3166-1.
    pub country: String,
    /// Of a card the first three and the last four characters, of a passport the last four.
    pub number: String,
}

impl NewPerson {
    /// The person, if they can be one. `place` stands before the names of fields in what is refused.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`](crate::problem::Code::InvalidValue) with the field and, of a document, a `reason`.
    pub fn read(&self, place: &str) -> Result<Person> {
        let name = read_name(&self.name, place)?;
        let document = Document::read(self.kind, self.country.as_deref(), &self.number).map_err(|bad| {
            Problem::invalid(&format!("{place}{}", bad.field()), format!("{bad}.")).with("reason", bad.code())
        })?;
        Ok(Person { name, document })
    }
}

/// The name in its one form.
pub(super) fn read_name(text: &str, place: &str) -> Result<String> {
    let detail = "A name has 2 to 60 letters, with spaces, dots, hyphens and apostrophes, as the document has it.";
    name::canonical(text).ok_or_else(|| Problem::invalid(&format!("{place}name"), detail).with("reason", "name"))
}

impl Person {
    /// As the document has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// What pages show.
    #[must_use]
    pub fn masked(&self) -> Masked {
        Masked {
            name: name::masked(&self.name),
            kind: self.document.kind(),
            country: self.document.country().to_owned(),
            number: self.document.masked(),
        }
    }

    /// The same person under another name, which must be in its one form.
    pub(super) fn renamed(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// What is sealed.
    pub(super) fn to_text(&self) -> Result<String> {
        let (name, number) = (self.name.clone(), self.document.number().to_owned());
        let country = Some(self.document.country().to_owned());
        serde_json::to_string(&NewPerson { name, kind: self.document.kind(), country, number })
            .map_err(Problem::internal)
    }

    /// What was sealed.
    pub(super) fn from_text(text: &str) -> Result<Self> {
        // The parser's error would repeat what it read.
        let known: NewPerson = serde_json::from_str(text).map_err(|_| Problem::internal("a sealed person is none"))?;
        known.read("").map_err(|_| Problem::internal("a sealed person is none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_read_sealed_and_shown_by_nobody() {
        let typed: NewPerson =
            serde_json::from_str(r#"{"name": " 李雷 ", "kind": "cn-id", "number": "11010519491231002x"}"#).unwrap();
        let person = typed.read("").unwrap();
        assert_eq!(Person::from_text(&person.to_text().unwrap()).unwrap(), person);
        let shown = format!("{typed:?} {person:?} {:?}", person.masked());
        assert!(!shown.contains("19491231") && !shown.contains("李雷"), "{shown}");
        let wrong = NewPerson { number: "110105194912310021".to_owned(), ..typed };
        let refused = wrong.read("attendees[1].").unwrap_err().to_string();
        assert!(!refused.contains("110105"), "{refused}");
    }
}
