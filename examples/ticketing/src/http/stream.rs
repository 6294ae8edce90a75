//! Streams of server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};

/// Silence after which a comment is sent, so that nobody in between closes the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);

/// The answer that sends these events as they come. It is counted as long as it is open.
pub fn live(events: impl Stream<Item = Event> + Send + 'static) -> impl IntoResponse {
    let open = OpenStream::new();
    let first = stream::once(async { Event::default().retry(RECONNECT) });
    let events = first.chain(events).map(move |event| {
        let _until_the_end = &open;
        Ok::<_, Infallible>(event)
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    // A proxy that collects the stream before passing it on would make it anything but live.
    ([("x-accel-buffering", "no")], events)
}

/// Counts a stream as long as it is open.
struct OpenStream;

impl OpenStream {
    fn new() -> Self {
        metrics::gauge!("http_event_streams_open").increment(1);
        Self
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        metrics::gauge!("http_event_streams_open").decrement(1);
    }
}
