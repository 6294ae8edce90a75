//! The contract of [`RuleSource`], part by part.

use std::time::Duration;

use super::SourceFixture;
use crate::error::{ErrorKind, Result};
use crate::source::{Document, Loaded, RuleSource};

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn rules(name: &str) -> String {
    format!(r#"{{ "name": "{name}", "currency": "CNY", "phases": [{{ "id": "p", "groups": [] }}] }}"#)
}

fn document(loaded: Result<Loaded>) -> Document {
    match loaded {
        Ok(Loaded::Document(document)) => document,
        other => panic!("a document is wanted, not {other:?}"),
    }
}

pub async fn documents_are_told_apart_by_their_tags(fixture: &impl SourceFixture) {
    let source = fixture.source();
    fixture.put(rules("one")).await;
    let one = document(source.load(None).await);
    assert_eq!((one.text.as_str(), one.parse().unwrap().name), (rules("one").as_str(), "one".to_owned()));
    fixture.put(rules("two")).await;
    let two = document(source.load(None).await);
    assert_eq!(two.text, rules("two"));
    assert_ne!(two.tag, one.tag);
    fixture.put(rules("one")).await;
    let again = document(source.load(None).await);
    assert_eq!(again.text, one.text);
    assert_ne!(again.tag, two.tag);
}

pub async fn a_known_tag_is_answered_with_nothing_or_the_same(fixture: &impl SourceFixture) {
    let source = fixture.source();
    fixture.put(rules("one")).await;
    let one = document(source.load(None).await);
    for _ in 0..3 {
        match source.load(Some(&one.tag)).await.unwrap() {
            Loaded::Unchanged => {}
            Loaded::Document(same) => assert_eq!(same, one),
        }
    }
    assert_eq!(document(source.load(Some("nobody's")).await), one);
    fixture.put(rules("two")).await;
    assert_eq!(document(source.load(Some(&one.tag)).await).text, rules("two"));
}

pub async fn what_is_not_there_is_not_found(fixture: &impl SourceFixture) {
    let source = fixture.source();
    fixture.put(rules("one")).await;
    let one = document(source.load(None).await);
    fixture.remove().await;
    for known in [None, Some(one.tag.as_str())] {
        assert_eq!(source.load(known).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    fixture.put(rules("two")).await;
    assert_eq!(document(source.load(Some(&one.tag)).await).text, rules("two"));
}

pub async fn what_is_too_large_is_refused(fixture: &impl SourceFixture) {
    let source = fixture.source();
    fixture.put_too_much().await;
    assert_eq!(source.load(None).await.unwrap_err().kind(), ErrorKind::TooLarge);
    fixture.put(rules("one")).await;
    assert_eq!(document(source.load(None).await).text, rules("one"));
}

pub async fn dropped_calls_leave_nothing_behind(fixture: &impl SourceFixture) {
    let source = fixture.source();
    fixture.put(rules("one")).await;
    // Each a little later on its way.
    for steps in 0..40 {
        tokio::select! {
            biased;
            loaded = source.load(None) => assert_eq!(document(loaded).text, rules("one")),
            () = async { for _ in 0..steps { tokio::task::yield_now().await } } => {}
        }
    }
    fixture.put(rules("two")).await;
    let two = tokio::time::timeout(PATIENCE, source.load(None)).await.unwrap();
    assert_eq!(document(two).text, rules("two"));
}

pub async fn news_wakes_who_waits_and_who_comes_later(fixture: &impl SourceFixture) {
    let source = fixture.source();
    // Nobody waits yet.
    fixture.put(rules("one")).await;
    tokio::time::timeout(PATIENCE, source.changed()).await.unwrap();
    let waiting = async { tokio::time::timeout(PATIENCE, source.changed()).await.unwrap() };
    let ((), ()) = tokio::join!(waiting, fixture.put(rules("two")));
    // Who gave up has not taken the news along.
    tokio::select! {
        biased;
        () = source.changed() => panic!("there is nothing new"),
        () = std::future::ready(()) => {}
    }
    fixture.put(rules("three")).await;
    tokio::time::timeout(PATIENCE, source.changed()).await.unwrap();
}
