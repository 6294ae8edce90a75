//! The two directions of one proxied connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Flow, Shared, Weather};

/// Chunks under way in one direction; bounds the memory of a delayed link.
const CHUNKS: usize = 1024;

/// What the proxy keeps of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Handle {
    pub(super) reset: CancellationToken,
    pub(super) closed: CancellationToken,
    lost: Arc<AtomicBool>,
}

impl Handle {
    pub(super) fn lost_bytes(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

struct Direction<'a> {
    flow: fn(&Weather) -> Flow,
    bytes: &'a AtomicU64,
    handle: &'a Handle,
    weather: watch::Receiver<Weather>,
}

/// Runs until both sides are done, one breaks, or the connection is to be reset.
pub(super) async fn pump(
    mut client: TcpStream,
    mut server: TcpStream,
    handle: &Handle,
    shared: &Shared,
    stop: &CancellationToken,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let orderly = {
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server.split();
        let requests = Direction {
            flow: |weather| weather.requests,
            bytes: &shared.counters.request_bytes,
            handle,
            weather: shared.weather.subscribe(),
        };
        let replies = Direction {
            flow: |weather| weather.replies,
            bytes: &shared.counters.reply_bytes,
            handle,
            weather: shared.weather.subscribe(),
        };
        let both =
            async { tokio::try_join!(requests.run(client_in, server_out), replies.run(server_in, client_out)).is_ok() };
        tokio::select! {
            orderly = both => orderly,
            () = handle.reset.cancelled() => false,
            () = stop.cancelled() => false,
        }
    };
    if !orderly {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

impl Direction<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let (push, mut pull) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
        let mut weather = self.weather.clone();
        let flow = self.flow;
        let reading = async move {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = match from.read(&mut buffer).await {
                    Ok(read) if read > 0 => read,
                    ended => {
                        // A hang-up does not get through either.
                        let _ = self.weather.wait_for(|weather| (self.flow)(weather) == Flow::Pass).await;
                        return ended.map(drop);
                    }
                };
                self.bytes.fetch_add(read as u64, Ordering::SeqCst);
                let weather = *self.weather.borrow_and_update();
                if (self.flow)(&weather) == Flow::Swallow {
                    self.handle.lost.store(true, Ordering::SeqCst);
                } else if push.send((Instant::now() + weather.delay, buffer[..read].to_vec())).await.is_err() {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        };
        let writing = async move {
            while let Some((due, bytes)) = pull.recv().await {
                sleep_until(due).await;
                // What was on its way when the link was stalled waits, too.
                let _ = weather.wait_for(|weather| flow(weather) != Flow::Hold).await;
                to.write_all(&bytes).await?;
            }
            to.shutdown().await
        };
        tokio::try_join!(reading, writing).map(drop)
    }
}
