//! What every engine has to do.

use std::{collections::HashMap, sync::Arc};

use super::{Hit, SearchEngine, Words, domain::Entry};
use crate::{
    ids::{ShowId, platform},
    show::{Genre, Show},
};

/// A show with these texts.
pub(super) fn entry(title: &str, description: &str) -> Entry {
    let text = str::to_owned;
    let show = Show {
        poster: None,
        id: ShowId::new(),
        merchant: platform(),
        title: text(title),
        title_zh: String::new(),
        description: text(description),
        description_zh: String::new(),
        artist: String::new(),
        artist_zh: String::new(),
        genre: Genre::Other,
        venue: None,
        from_price: None,
        sessions: Vec::new(),
    };
    Entry { show, heat: 0 }
}

async fn found(index: &dyn SearchEngine, question: &str) -> Vec<ShowId> {
    let mut hits: Vec<Hit> = index.find(&Words::of(question)).await.unwrap();
    hits.sort_by(|one, other| other.score.total_cmp(&one.score));
    hits.into_iter().map(|hit| hit.show).collect()
}

pub(super) async fn only_what_it_was_given_last_is_found(index: &dyn SearchEngine) {
    assert!(index.held().await.unwrap().is_empty());
    let (old, new) = (entry("Jazz", ""), entry("Jazz again", ""));
    index.replace(Arc::new([old])).await.unwrap();
    index.replace(Arc::new([new.clone()])).await.unwrap();
    assert_eq!(found(index, "jazz").await, [new.show.id]);
    assert_eq!(index.held().await.unwrap(), HashMap::from([(new.show.id, new.digest())]));
    let mut changed = new.clone();
    changed.show.title = "Blues".to_owned();
    index.replace(Arc::new([changed.clone()])).await.unwrap();
    assert!(found(index, "jazz").await.is_empty());
    assert_eq!(found(index, "blues").await, [changed.show.id]);
    assert_eq!(index.held().await.unwrap(), HashMap::from([(changed.show.id, changed.digest())]));
    for nothing in ["", " ", "?"] {
        assert!(found(index, nothing).await.is_empty());
    }
    index.replace(Arc::new([])).await.unwrap();
    assert!(found(index, "blues").await.is_empty() && index.held().await.unwrap().is_empty());
}

pub(super) async fn the_word_itself_comes_before_beginnings_and_these_before_slips(index: &dyn SearchEngine) {
    // What many have counts little, and still more than what resembles it.
    let mut entries: Vec<_> = (0..50).map(|number| entry(&format!("Night {number}"), "")).collect();
    let (told, begun, slipped) = (entry("Other", "night"), entry("Nightfall", ""), entry("Nigth", ""));
    entries.extend([slipped.clone(), told.clone(), begun.clone()]);
    index.replace(entries.into()).await.unwrap();
    let order = found(index, "night").await;
    let place = |entry: &Entry| order.iter().position(|show| *show == entry.show.id).unwrap();
    assert_eq!(order.len(), 53);
    assert_eq!((place(&begun), place(&told), place(&slipped)), (50, 51, 52));
    assert_eq!(found(index, "night 7").await.len(), 1);
}

pub(super) async fn words_of_every_script_are_found_without_accents_and_years_are_exact(index: &dyn SearchEngine) {
    let (peony, cafe) = (entry("牡丹亭", "昆曲"), entry("Café Début 2027", ""));
    index.replace(Arc::new([peony.clone(), cafe.clone()])).await.unwrap();
    for question in ["牡丹", "丹亭", "牡", "昆曲 牡丹亭"] {
        assert_eq!(found(index, question).await, [peony.show.id], "{question}");
    }
    for question in ["cafe", "CAFÉ", "debu", "deubt", "ｃａｆｅ 2027"] {
        assert_eq!(found(index, question).await, [cafe.show.id], "{question}");
    }
    for question in ["牡亭", "2026", "cafe 牡丹", "caf2"] {
        assert!(found(index, question).await.is_empty(), "{question}");
    }
}
