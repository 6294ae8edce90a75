//! Warnings of a slow shared level: with what it was asked and how long that took, without what keys say.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nebula_cache::{Cache, CacheManager, MemoryShared};
use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::support::flaky::Flaky;
use crate::support::{ms, secs};

/// Warnings, each as a line of its fields.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().push(line.0);
        }
    }
}

#[test]
fn slow_answers_are_told_once_a_second_and_without_their_keys() {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(Registry::default().with(warnings.clone()), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let link = Flaky::over(&MemoryShared::new());
            let manager = CacheManager::builder().with_shared(link.clone()).with_slow_shared(ms(40)).start().await;
            let manager = manager.unwrap();
            let cache: Cache<String, String> = manager.cache("people").with_slow_shared(ms(30)).build().unwrap();
            cache.put("ada@example.org".to_owned(), "Ada".to_owned()).await.unwrap();
            cache.clear().await.unwrap();
            link.slow.store(35, Ordering::SeqCst);
            for _ in 0..20 {
                cache.get(&"ada@example.org".to_owned()).await.unwrap();
            }
            assert_eq!((cache.snapshot().slow_shared, manager.snapshot().slow_shared), (20, 0));
            link.slow.store(45, Ordering::SeqCst);
            sleep(secs(1)).await;
            cache.evict(&"ada@example.org".to_owned()).await.unwrap();
            assert_eq!(manager.snapshot().slow_shared, 1);
        });
    });
    let all = warnings.0.lock();
    let slow: Vec<&String> = all.iter().filter(|line| line.contains("slow")).collect();
    assert_eq!(slow.len(), 2, "twenty within 700 ms, and one: {all:?}");
    for (line, parts) in slow.iter().zip([
        ["cache=\"people\"", "operation=\"get\"", "time=35", "keys=1", "key_hash="],
        ["cache=\"\"", "operation=\"evict\"", "time=45", "keys=1", "key_hash="],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert!(all.iter().all(|line| !line.contains("ada@example.org")), "{all:?}");
}
