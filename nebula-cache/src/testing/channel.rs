//! The contract of [`InvalidationChannel`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests fail by panicking")]

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{Fixture, PATIENCE};
use crate::channel::{Batch, Heard, HotKey, Invalid, InvalidationChannel, Position, Published};

fn batch(items: &[Invalid]) -> Batch {
    Batch { node: 7, items: items.into(), hot: [HotKey { cache: u64::MAX, key: items.len() as u64 }].into() }
}

async fn end(channel: &impl InvalidationChannel) -> Position {
    channel.since(None).await.unwrap().head
}

pub async fn places_follow_each_other<F: Fixture>() {
    let fixture = F::start().await;
    let channel = fixture.shared();
    let start = end(&channel).await;
    assert_ne!(start.epoch, 0);
    assert_eq!(start, end(&channel).await, "asking changes nothing");
    let first = channel.publish(&batch(&[Invalid::Key(1)])).await.unwrap();
    let second = channel.publish(&batch(&[])).await.unwrap();
    assert_eq!((first.epoch, first.sequence), (start.epoch, start.sequence + 1));
    assert_eq!((second.epoch, second.sequence), (start.epoch, start.sequence + 2));
    assert_ne!(first.mark, second.mark);
    assert_eq!(end(&channel).await, second);
}

pub async fn since_returns_what_was_missed<F: Fixture>() {
    let fixture = F::start().await;
    let channel = fixture.shared();
    let start = end(&channel).await;
    assert!(channel.since(Some(start)).await.unwrap().missed.unwrap().is_empty());
    let batches =
        [batch(&[Invalid::Key(u64::MAX), Invalid::Tag(2)]), batch(&[]), batch(&[Invalid::Cache(3), Invalid::All])];
    let mut places = vec![start];
    for batch in &batches {
        places.push(channel.publish(batch).await.unwrap());
    }
    for (number, place) in places.iter().enumerate() {
        let caught = channel.since(Some(*place)).await.unwrap();
        assert_eq!(caught.head, places[3]);
        let missed = caught.missed.unwrap();
        assert_eq!(missed.len(), 3 - number);
        for (offset, published) in missed.iter().enumerate() {
            let index = number + offset;
            assert_eq!((published.after, published.at), (places[index], places[index + 1]));
            assert_eq!(published.batch, batches[index]);
            assert!(published.time > 1_600_000_000_000 && published.time <= caught.time);
        }
    }
}

pub async fn since_knows_what_it_does_not_know<F: Fixture>() {
    let fixture = F::start().await;
    let channel = fixture.shared();
    let start = end(&channel).await;
    let first = channel.publish(&batch(&[Invalid::Key(1)])).await.unwrap();
    channel.publish(&batch(&[Invalid::Key(2)])).await.unwrap();
    let unknown =
        [Position { epoch: start.epoch.wrapping_add(1), ..start }, Position { sequence: 0, ..Position::default() }];
    for place in unknown {
        assert!(channel.since(Some(place)).await.unwrap().missed.is_none(), "{place:?}");
    }
    assert!(channel.since(None).await.unwrap().missed.is_none());
    // A log that lost its end and grew again.
    let other = Position { mark: first.mark.wrapping_add(1), ..first };
    assert!(channel.since(Some(other)).await.unwrap().missed.is_none());
    let ahead = end(&channel).await;
    let ahead = Position { sequence: ahead.sequence + 5, ..ahead };
    assert!(channel.since(Some(ahead)).await.unwrap().missed.is_none());
}

pub async fn concurrent_batches_have_one_order<F: Fixture>() {
    let fixture = F::start().await;
    let channel = fixture.shared();
    let start = end(&channel).await;
    let places = join_all((0..50).map(async |number| {
        let place = fixture.shared().publish(&batch(&[Invalid::Key(number)])).await.unwrap();
        (place, number)
    }))
    .await;
    let missed = channel.since(Some(start)).await.unwrap().missed.unwrap();
    assert_eq!(missed.len(), 50);
    let mut before = start;
    for published in &missed {
        assert_eq!(published.after, before);
        before = published.at;
        let (_, number) = places.iter().find(|(place, _)| *place == published.at).expect("somebody published it");
        assert_eq!(*published.batch.items, [Invalid::Key(*number)]);
    }
}

pub async fn listeners_hear_what_follows<F: Fixture>() {
    let fixture = F::start().await;
    let channel = fixture.shared();
    let before = channel.publish(&batch(&[Invalid::Key(1)])).await.unwrap();
    let mut listening = channel.listen().await.unwrap();
    let mut after = before;
    for number in 2..20 {
        let at = fixture.shared().publish(&batch(&[Invalid::Key(number)])).await.unwrap();
        let heard = timeout(PATIENCE, async {
            loop {
                match listening.next().await.expect("undisturbed") {
                    // From one node of a cluster to another, the one before may arrive only now.
                    Heard::Published(published) if published.at == before => {}
                    Heard::Published(published) => return published,
                    Heard::MaybeLost => {}
                }
            }
        });
        let Published { after: heard_after, at: heard_at, batch: heard, .. } = heard.await.expect("in time");
        assert_eq!((heard_after, heard_at, heard), (after, at, batch(&[Invalid::Key(number)])));
        after = at;
    }
}

pub async fn versions_are_those_of_the_last_batch<F: Fixture>() {
    let fixture = F::start().await;
    let channel = fixture.shared();
    let asked = [Invalid::Tag(5), Invalid::Cache(6), Invalid::All];
    let (epoch, versions) = channel.versions(&asked).await.unwrap();
    assert_eq!(versions, [0, 0, 0], "never");
    let tag = channel.publish(&batch(&[Invalid::Tag(5), Invalid::Key(9)])).await.unwrap();
    let all = channel.publish(&batch(&[Invalid::Cache(6), Invalid::All])).await.unwrap();
    channel.publish(&batch(&[Invalid::Key(5), Invalid::Tag(77)])).await.unwrap();
    assert_eq!(epoch, tag.epoch);
    let expected = vec![tag.sequence, all.sequence, all.sequence];
    assert_eq!(channel.versions(&asked).await.unwrap(), (epoch, expected));
    assert_eq!(channel.versions(&[]).await.unwrap(), (epoch, vec![]));
}
