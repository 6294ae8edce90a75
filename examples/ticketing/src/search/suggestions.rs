//! What somebody who types may mean.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    domain::{Entry, Field},
    words::{Script, Words},
};
use crate::ids::ShowId;

/// Something to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Suggestion {
    /// What it says.
    pub text: String,
    /// `show`, `artist` or `place`.
    pub kind: Kind,
    /// The show of this title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_id: Option<ShowId>,
}

/// What a suggestion names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A show.
    Show,
    /// Somebody who performs.
    Artist,
    /// A venue or a city.
    Place,
}

const KINDS: [(Kind, Field); 3] =
    [(Kind::Show, Field::Title), (Kind::Artist, Field::Artist), (Kind::Place, Field::Place)];

/// Texts of these shows, the best answer first, that have the words; where none has, its title: something in it resembles
/// them.
pub(super) fn suggestions<'a>(
    found: impl IntoIterator<Item = &'a Entry>,
    words: &Words,
    limit: usize,
) -> Vec<Suggestion> {
    let dense = words.iter().any(|word| word.script == Script::Dense);
    let (mut known, mut list) = (BTreeSet::new(), Vec::new());
    for entry in found {
        let fitting = KINDS.iter().flat_map(|(kind, field)| entry.texts(*field).into_iter().map(|text| (*kind, text)));
        let mut fitting: Vec<_> = fitting.filter(|(_, text)| words.all_in(text)).collect();
        if fitting.is_empty() {
            let show = &entry.show;
            fitting.push((Kind::Show, if dense { &show.title_zh } else { &show.title }));
        }
        for (kind, text) in fitting {
            let show_id = (kind == Kind::Show).then_some(entry.show.id);
            if known.insert((kind, text, show_id.map(|id| id.0))) {
                list.push(Suggestion { text: text.to_owned(), kind, show_id });
            }
            if list.len() == limit {
                return list;
            }
        }
    }
    list
}
