//! The contract of [`BloomStore`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests fail by panicking")]

use bytes::Bytes;
use tokio::time::sleep;

use super::{Fixture, LONG, SHORT};
use crate::bloom::{BloomPlace, BloomState, BloomStore, Generation, Geometry, Inserted, Since};
use crate::store::{Lease, Loader};

const NAME: &str = "users";

/// Those with even numbers have several shards.
fn generation(id: u64) -> Generation {
    let whole = Geometry::for_keys(1000, 0.01).unwrap();
    let geometry = if id.is_multiple_of(2) { whole.in_shards(400) } else { whole };
    Generation { id, geometry, capacity: 1000, items: 0 }
}

/// Its bits, with those of `hashes` set.
fn bits(generation: &Generation, hashes: &[u64]) -> Bytes {
    let mut bytes = vec![0_u8; usize::try_from(generation.geometry.bytes()).unwrap()];
    for place in hashes.iter().flat_map(|hash| generation.geometry.places(*hash)) {
        bytes[usize::try_from(place / 8).unwrap()] |= 0x80 >> (place % 8);
    }
    bytes.into()
}

async fn state(store: &impl BloomStore) -> BloomState {
    store.since(NAME, None).await.unwrap().0
}

async fn insert(store: &impl BloomStore, hashes: &[u64]) -> BloomPlace {
    let inserted = store.insert(NAME, &state(store).await, hashes).await.unwrap();
    assert!(matches!(inserted, Inserted::Done(_)));
    state(store).await.place
}

async fn build(store: &impl BloomStore, next: &Generation, hashes: &[u64]) {
    let builder = Loader::random();
    assert_eq!(store.begin(NAME, builder, next, LONG).await.unwrap(), Lease::Granted);
    upload(store, next, hashes).await;
    assert!(store.finish(NAME, builder, next, hashes.len() as u64).await.unwrap());
}

async fn upload(store: &impl BloomStore, next: &Generation, hashes: &[u64]) {
    let whole = bits(next, hashes);
    let half = whole.len() / 16 * 8;
    store.upload(NAME, next, 0, whole.slice(..half)).await.unwrap();
    store.upload(NAME, next, half as u64, whole.slice(half..)).await.unwrap();
}

async fn all(store: &impl BloomStore, generation: &Generation) -> Bytes {
    store.read(NAME, generation, 0, generation.geometry.bytes()).await.unwrap()
}

pub async fn what_is_built_can_be_read<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    assert_eq!(state(&store).await, BloomState::default());
    let first = generation(u64::MAX);
    build(&store, &first, &[1, 2, 3]).await;
    let current = state(&store).await.current.unwrap();
    assert_eq!((current.id, current.geometry, current.capacity, current.items), (u64::MAX, first.geometry, 1000, 3));
    assert_eq!(state(&store).await.next, None);
    assert_eq!(all(&store, &first).await, bits(&first, &[1, 2, 3]));
    assert_eq!(store.read(NAME, &first, 8, 16).await.unwrap(), bits(&first, &[1, 2, 3]).slice(8..24));
    build(&store, &generation(2), &[9]).await;
    assert_eq!(all(&store, &generation(2)).await, bits(&generation(2), &[9]));
    assert!(all(&store, &first).await.is_empty(), "the one before is gone");
    assert_eq!(store.since("others", None).await.unwrap().0, BloomState::default(), "names do not meet");
}

pub async fn insertions_go_to_both_generations<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (first, next) = (generation(1), generation(2));
    insert(&store, &[100]).await;
    build(&store, &first, &[1]).await;
    insert(&store, &[u64::MAX, 3]).await;
    assert_eq!(all(&store, &first).await, bits(&first, &[1, u64::MAX, 3]));
    let builder = Loader::random();
    store.begin(NAME, builder, &next, LONG).await.unwrap();
    insert(&store, &[4]).await;
    assert_eq!(all(&store, &first).await, bits(&first, &[1, u64::MAX, 3, 4]));
    upload(&store, &next, &[1, 5]).await;
    assert!(store.finish(NAME, builder, &next, 2).await.unwrap());
    assert_eq!(all(&store, &next).await, bits(&next, &[1, 4, 5]));
    assert_eq!(state(&store).await.current.unwrap().items, 3);
}

pub async fn shards_are_parts_of_one_filter<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (first, next) = (generation(2), generation(4));
    assert!(first.geometry.shards > 2);
    let hashes: Vec<u64> = (1..=60_u64).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    build(&store, &first, &hashes[..20]).await;
    assert_eq!(state(&store).await.current.unwrap().geometry, first.geometry);
    let builder = Loader::random();
    store.begin(NAME, builder, &next, LONG).await.unwrap();
    // To all shards of both.
    assert_eq!(store.insert(NAME, &state(&store).await, &hashes[10..40]).await.unwrap(), Inserted::Done(20));
    assert_eq!(all(&store, &first).await, bits(&first, &hashes[..40]));
    let (size, shard) = (first.geometry.bytes(), first.geometry.shard_bits() / 8);
    let found = store.read(NAME, &first, shard - 8, shard + 16).await.unwrap();
    let (from, to) = (usize::try_from(shard - 8).unwrap(), usize::try_from(2 * shard + 8).unwrap());
    assert_eq!(found, bits(&first, &hashes[..40]).slice(from..to), "across their ends");
    assert_eq!(store.read(NAME, &first, size - 8, 8).await.unwrap().len(), 8);
    upload(&store, &next, &hashes[40..]).await;
    assert!(store.finish(NAME, builder, &next, 20).await.unwrap());
    assert_eq!(all(&store, &next).await, bits(&next, &hashes[10..]));
    assert!(all(&store, &first).await.is_empty(), "the one before is gone");
    assert_eq!(state(&store).await.current.unwrap().items, 50);
    // And to one that is whole.
    store.begin(NAME, builder, &generation(5), LONG).await.unwrap();
    assert_eq!(store.insert(NAME, &state(&store).await, &hashes[..10]).await.unwrap(), Inserted::Done(10));
    upload(&store, &generation(5), &hashes).await;
    assert!(store.finish(NAME, builder, &generation(5), 50).await.unwrap());
    assert_eq!(all(&store, &generation(5)).await, bits(&generation(5), &hashes));
}

pub async fn insertions_count_what_is_new<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    build(&store, &generation(1), &[1]).await;
    let all: Vec<u64> = (1..=100_u64).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    assert_eq!(store.insert(NAME, &state(&store).await, &all).await.unwrap(), Inserted::Done(100));
    assert_eq!(
        store.insert(NAME, &state(&store).await, &[1, all[7], 0x0123_4567_89AB_CDEF]).await.unwrap(),
        Inserted::Done(1)
    );
    assert_eq!(state(&store).await.current.unwrap().items, 102);
    let before = state(&store).await.place;
    assert_eq!(store.insert(NAME, &state(&store).await, &[]).await.unwrap(), Inserted::Done(0));
    assert_eq!(state(&store).await.place.sequence, before.sequence + 1);
}

pub async fn insertions_into_other_generations_are_refused<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let before = state(&store).await;
    build(&store, &generation(1), &[1]).await;
    let empty = bits(&generation(1), &[1]);
    assert_eq!(store.insert(NAME, &before, &[2]).await.unwrap(), Inserted::Moved);
    let before = state(&store).await;
    store.begin(NAME, Loader::random(), &generation(2), LONG).await.unwrap();
    assert_eq!(store.insert(NAME, &before, &[2]).await.unwrap(), Inserted::Moved);
    assert_eq!(all(&store, &generation(1)).await, empty, "nothing was done");
    assert_eq!(state(&store).await.place, before.place);
}

pub async fn since_returns_what_was_inserted<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    build(&store, &generation(1), &[]).await;
    let start = insert(&store, &[1]).await;
    insert(&store, &[2, 3]).await;
    let middle = insert(&store, &[u64::MAX]).await;
    let end = insert(&store, &[5]).await;
    for (place, expected) in [(start, vec![2, 3, 5, u64::MAX]), (middle, vec![5]), (end, vec![])] {
        let (state, since) = store.since(NAME, Some(place)).await.unwrap();
        let Since::Inserted(mut hashes) = since else { panic!("{since:?}") };
        hashes.sort_unstable();
        assert_eq!((state.place, hashes), (end, expected));
    }
    let (_, since) = store.since(NAME, Some(BloomPlace::default())).await.unwrap();
    assert!(matches!(since, Since::Inserted(hashes) if hashes.len() == 5), "from the beginning");
    let mut recent = store.recent(NAME).await.unwrap();
    recent.sort_unstable();
    assert_eq!(recent, [1, 2, 3, 5, u64::MAX]);
    assert_eq!(store.since(NAME, None).await.unwrap().1, Since::Forgotten);
}

pub async fn a_log_that_lost_its_end_is_noticed<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    for lost in [(0, 1), (5, 0), (0, 0)] {
        build(&store, &generation(1), &[]).await;
        insert(&store, &[1]).await;
        insert(&store, &[2]).await;
        let end = insert(&store, &[3]).await;
        let (ahead, behind) = lost;
        // Other marks at the end, beyond it, and before it.
        let sequence = if lost == (0, 0) { end.sequence - 1 } else { end.sequence + ahead };
        let strange = BloomPlace { sequence, mark: end.mark.wrapping_add(1 + behind) };
        let (state, since) = store.since(NAME, Some(strange)).await.unwrap();
        assert_eq!((since, state.current), (Since::Lost, None), "{lost:?}");
        assert_eq!(store.since(NAME, None).await.unwrap().0.current, None, "for everybody");
    }
}

pub async fn long_ago_is_forgotten<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let start = insert(&store, &[1]).await;
    let before = state(&store).await;
    for number in 0..5000 {
        store.insert(NAME, &before, &[number]).await.unwrap();
    }
    assert_eq!(store.since(NAME, Some(start)).await.unwrap().1, Since::Forgotten);
    let recent = store.recent(NAME).await.unwrap();
    assert!((4000..5000).all(|number| recent.contains(&number)), "{}", recent.len());
}

pub async fn one_builder_at_a_time<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (ada, bob) = (Loader::random(), Loader::random());
    assert_eq!(store.begin(NAME, ada, &generation(1), LONG).await.unwrap(), Lease::Granted);
    assert!(matches!(store.begin(NAME, bob, &generation(2), LONG).await.unwrap(), Lease::Busy(rest) if rest <= LONG));
    assert!(store.renew(NAME, ada, LONG).await.unwrap() && !store.renew(NAME, bob, LONG).await.unwrap());
    upload(&store, &generation(1), &[1]).await;
    assert!(!store.finish(NAME, bob, &generation(1), 1).await.unwrap(), "it is not his");
    store.abandon(NAME, bob).await.unwrap();
    assert!(matches!(store.begin(NAME, bob, &generation(2), LONG).await.unwrap(), Lease::Busy(_)));
    store.abandon(NAME, ada).await.unwrap();
    assert!(!store.renew(NAME, ada, LONG).await.unwrap(), "given up");
    assert_eq!(store.begin(NAME, bob, &generation(2), SHORT).await.unwrap(), Lease::Granted);
    sleep(SHORT * 2).await;
    assert_eq!(store.begin(NAME, ada, &generation(3), LONG).await.unwrap(), Lease::Granted, "it ends by time");
    upload(&store, &generation(2), &[2]).await;
    assert!(!store.finish(NAME, bob, &generation(2), 1).await.unwrap(), "too late");
    upload(&store, &generation(3), &[3]).await;
    assert!(store.finish(NAME, ada, &generation(3), 1).await.unwrap());
    assert_eq!(all(&store, &generation(3)).await, bits(&generation(3), &[3]), "of this builder alone");
    assert!(!store.finish(NAME, ada, &generation(3), 1).await.unwrap(), "once");
}

pub async fn nothing_incomplete_becomes_current<F: Fixture<Shared: BloomStore>>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (builder, next) = (Loader::random(), generation(1));
    store.begin(NAME, builder, &next, LONG).await.unwrap();
    assert!(!store.finish(NAME, builder, &next, 0).await.unwrap(), "nothing was uploaded");
    store.upload(NAME, &next, 0, bits(&next, &[1]).slice(..64)).await.unwrap();
    assert!(!store.finish(NAME, builder, &next, 1).await.unwrap(), "some is missing");
    upload(&store, &next, &[1]).await;
    assert!(!store.finish(NAME, builder, &generation(7), 1).await.unwrap(), "another one");
    assert_eq!(state(&store).await.current, None);
}
