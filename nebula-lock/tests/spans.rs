//! The spans: one covers the way to a lock, another one its holding, both within what the caller is in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use nebula_lock::{LockManager, MemoryLock};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument, Level, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};

/// Fields, as they print.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Fields {
    fn seconds(&self, field: &str) -> f64 {
        self.0[field].parse::<f64>().unwrap().round()
    }
}

/// A span that has ended, or a warning, with the names of the spans around it from the outermost one.
#[derive(Debug)]
struct Line {
    name: String,
    around: Vec<&'static str>,
    fields: Fields,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Line>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        span.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let scope = context.event_scope(event).into_iter().flat_map(Scope::from_root);
            let (name, around) = (fields.0["message"].clone(), scope.map(|span| span.name()).collect());
            self.0.lock().push(Line { name, around, fields });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let mut around: Vec<_> = span.scope().from_root().map(|span| span.name()).collect();
        around.pop();
        let fields = span.extensions().get::<Fields>().unwrap().clone();
        self.0.lock().push(Line { name: span.name().to_owned(), around, fields });
    }
}

fn seen(work: impl Future<Output = ()>) -> Vec<Line> {
    let seen = Seen::default();
    tracing::subscriber::with_default(Registry::default().with(seen.clone()), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(work);
    });
    std::mem::take(&mut *seen.0.lock())
}

fn named<'a>(lines: &'a [Line], name: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.name == name).collect()
}

#[test]
fn a_hold_is_a_span_within_that_of_the_caller() {
    let lines = seen(async {
        let locks = LockManager::new(MemoryLock::new()).with_warn_hold(Duration::from_secs(50));
        let work = async {
            let first = locks.lock("seat:1").await.unwrap();
            let waiting = async {
                let guard = locks.lock("seat:1").await.unwrap();
                tokio::time::sleep(Duration::from_secs(100)).await;
                guard
            };
            let releasing = async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                drop(first);
            };
            tokio::join!(waiting.instrument(info_span!("payment")), releasing).0
        };
        // The guard outlives what it was taken in.
        let guard = work.instrument(info_span!("order")).await;
        guard.release().await;
    });
    let ways = named(&lines, "lock");
    assert_eq!((&ways[0].around[..], &*ways[0].fields.0["key"]), (&["order"][..], "seat:1"));
    let [first, second] = named(&lines, "lock_held")[..] else { panic!("{lines:#?}") };
    assert_eq!((&first.around[..], &second.around[..]), (&["order"][..], &["order", "payment"][..]));
    assert_eq!((first.fields.seconds("wait"), first.fields.seconds("held")), (0.0, 2.0));
    assert_eq!((second.fields.seconds("wait"), second.fields.seconds("held")), (2.0, 100.0));
    for Line { fields, .. } in [first, second] {
        assert_eq!((&*fields.0["key"], &*fields.0["mode"]), ("seat:1", "Exclusive"));
        assert_eq!(fields.0["outcome"], "\"released\"");
        assert!(fields.0["fence"].parse::<u64>().unwrap() > 0);
    }
    let [warning] = named(&lines, "lock held for long")[..] else { panic!("{lines:#?}") };
    assert_eq!(warning.around, ["order", "payment", "lock_held"]);
}

#[test]
fn a_span_says_how_the_lock_was_lost() {
    let lines = seen(async {
        let locks = LockManager::new(MemoryLock::new());
        let guard = locks.write("key").lease(Duration::from_secs(10)).await.unwrap();
        guard.lost().await;
        guard.release().await;
    });
    let [Line { fields, around, .. }] = named(&lines, "lock_held")[..] else { panic!("{lines:#?}") };
    assert_eq!((&*fields.0["outcome"], &*fields.0["mode"], around.len()), ("\"expired\"", "Write", 0));
    assert!(fields.seconds("held") > 9.0);
}
