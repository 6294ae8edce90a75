//! A TCP proxy that misbehaves on command.

mod pump;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::port::ReservedPort;

/// What happens to bytes that flow in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Flow {
    /// They arrive.
    #[default]
    Pass,
    /// They wait until the link is healed, then arrive.
    Hold,
    /// They vanish.
    Swallow,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) requests: Flow,
    pub(crate) replies: Flow,
    /// One-way delay of each direction.
    pub(crate) delay: Duration,
}

/// A proxy on a stable local port between a client and a server.
///
/// | call | existing connections | new connections |
/// |---|---|---|
/// | [`cut`](Self::cut) | reset | refused |
/// | [`stall`](Self::stall) | open; bytes wait and arrive after [`heal`](Self::heal) | likewise |
/// | [`black_hole`](Self::black_hole) | open; bytes vanish, in one direction or both | likewise |
/// | [`delay`](Self::delay) | every byte arrives later | likewise |
/// | [`heal`](Self::heal) | work, those that lost bytes are reset | work |
///
/// `stall` is what a partition of the network does to TCP: the peers wait, and when the network is back, what was sent
/// still arrives, however late. `black_hole` is a peer that lost its memory.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::{RedisServer, TcpProxy};
///
/// let server = RedisServer::start().await;
/// let proxy = TcpProxy::to_port(server.port()).await;
/// let client = redis::Client::open(server.url_via(proxy.port())).unwrap();
/// assert!(client.get_multiplexed_async_connection().await.is_ok());
///
/// proxy.cut().await;
/// assert!(client.get_multiplexed_async_connection().await.unwrap_err().is_connection_refusal());
///
/// proxy.heal().await;
/// assert!(client.get_multiplexed_async_connection().await.is_ok());
/// # });
/// ```
#[derive(Debug)]
pub struct TcpProxy {
    port: ReservedPort,
    shared: Arc<Shared>,
    /// Accepting; `None` while cut.
    listener: Mutex<Option<Listening>>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Listening {
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
pub(crate) struct Shared {
    target: Mutex<SocketAddr>,
    pub(crate) weather: watch::Sender<Weather>,
    pub(crate) counters: Counters,
    connections: Mutex<Vec<pump::Handle>>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) request_bytes: AtomicU64,
    pub(crate) reply_bytes: AtomicU64,
}

impl TcpProxy {
    /// A proxy to a server on 127.0.0.1.
    ///
    /// # Panics
    /// When no local port can be had.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn to_port(port: u16) -> Self {
        match Self::to(SocketAddr::from(([127, 0, 0, 1], port))).await {
            Ok(proxy) => proxy,
            Err(error) => panic!("no TCP proxy for this test: {error}"),
        }
    }

    /// A proxy to any address.
    ///
    /// # Errors
    /// When no local port can be had.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            weather: watch::Sender::new(Weather::default()),
            counters: Counters::default(),
            connections: Mutex::default(),
            stop: stop.clone(),
        });
        for _ in 0..10 {
            let port = ReservedPort::pick()?;
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port.number())).await {
                let listener = Mutex::new(Some(listen(listener, &shared)));
                return Ok(Self { port, shared, listener, _stop: stop.drop_guard() });
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// The port on 127.0.0.1 to connect to; it never changes.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port()))
    }

    /// New connections go to another server; existing ones stay.
    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock() = target;
    }

    /// Resets every connection and refuses new ones.
    ///
    /// # Cancel safety
    /// Cancel safe; the cut takes effect.
    pub async fn cut(&self) {
        let listening = self.listener.lock().take();
        if let Some(Listening { stop, tasks }) = listening {
            stop.cancel();
            tasks.wait().await;
        }
        self.reset_connections().await;
    }

    /// Resets every connection; new ones are accepted.
    ///
    /// # Cancel safety
    /// Cancel safe; the connections are reset.
    pub async fn reset_connections(&self) {
        self.reset(|_| true).await;
    }

    /// Keeps bytes of both directions back until [`heal`](Self::heal).
    pub fn stall(&self) {
        self.change(|weather| (weather.requests, weather.replies) = (Flow::Hold, Flow::Hold));
    }

    /// Keeps only the server's replies back until [`heal`](Self::heal).
    pub fn stall_replies(&self) {
        self.change(|weather| (weather.requests, weather.replies) = (Flow::Pass, Flow::Hold));
    }

    /// Swallows the bytes of both directions: connections stay open and nothing arrives.
    pub fn black_hole(&self) {
        self.change(|weather| (weather.requests, weather.replies) = (Flow::Swallow, Flow::Swallow));
    }

    /// Swallows only what clients send.
    pub fn black_hole_requests(&self) {
        self.change(|weather| (weather.requests, weather.replies) = (Flow::Swallow, Flow::Pass));
    }

    /// Swallows only what the server sends: commands are executed and never answered.
    pub fn black_hole_replies(&self) {
        self.change(|weather| (weather.requests, weather.replies) = (Flow::Pass, Flow::Swallow));
    }

    /// Lets every byte arrive so much later, in each direction. The throughput stays as it is.
    pub fn delay(&self, one_way: Duration) {
        self.change(|weather| weather.delay = one_way);
    }

    /// Back to normal: no delay, held bytes arrive, connections that lost bytes are reset, new ones are accepted.
    ///
    /// # Panics
    /// When somebody took the port while it was cut.
    ///
    /// # Cancel safety
    /// Dropping the future may leave connections that lost bytes open, or the proxy cut; heal again.
    pub async fn heal(&self) {
        self.reset(pump::Handle::lost_bytes).await;
        self.change(|weather| *weather = Weather::default());
        // Bytes may have been lost between the two lines above.
        self.reset(pump::Handle::lost_bytes).await;
        if self.listener.lock().is_none() {
            match TcpListener::bind(self.address()).await {
                Ok(listener) => *self.listener.lock() = Some(listen(listener, &self.shared)),
                Err(error) => panic!("cannot listen on {} again: {error}", self.address()),
            }
        }
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.counters.accepted.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.shared.counters.open.load(Ordering::SeqCst)
    }

    /// Bytes received from clients so far, swallowed ones included.
    #[must_use]
    pub fn request_bytes(&self) -> u64 {
        self.shared.counters.request_bytes.load(Ordering::SeqCst)
    }

    /// Bytes received from the server so far, swallowed ones included.
    #[must_use]
    pub fn reply_bytes(&self) -> u64 {
        self.shared.counters.reply_bytes.load(Ordering::SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.shared.weather.send_modify(change);
    }

    async fn reset(&self, which: impl Fn(&pump::Handle) -> bool) {
        let handles: Vec<pump::Handle> =
            self.shared.connections.lock().extract_if(.., |handle| which(handle)).collect();
        for handle in &handles {
            handle.reset.cancel();
        }
        for handle in handles {
            handle.closed.cancelled().await;
        }
    }
}

fn listen(listener: TcpListener, shared: &Arc<Shared>) -> Listening {
    let (stop, tasks) = (shared.stop.child_token(), TaskTracker::new());
    let accept = accept(listener, Arc::clone(shared));
    tasks.spawn(stop.clone().run_until_cancelled_owned(accept));
    tasks.close();
    Listening { stop, tasks }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of file descriptors, most likely.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        shared.counters.accepted.fetch_add(1, Ordering::SeqCst);
        let handle = pump::Handle::default();
        {
            let mut connections = shared.connections.lock();
            connections.retain(|handle| !handle.closed.is_cancelled());
            connections.push(handle.clone());
        }
        tokio::spawn(connection(client, handle, Arc::clone(&shared)));
    }
}

async fn connection(client: TcpStream, handle: pump::Handle, shared: Arc<Shared>) {
    let _closed = handle.closed.clone().drop_guard();
    let target = *shared.target.lock();
    let connected = tokio::select! {
        connected = TcpStream::connect(target) => connected,
        () = handle.reset.cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
        () = shared.stop.cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
    };
    match connected {
        Ok(server) => {
            shared.counters.open.fetch_add(1, Ordering::SeqCst);
            pump::pump(client, server, &handle, &shared, &shared.stop).await;
            shared.counters.open.fetch_sub(1, Ordering::SeqCst);
        }
        // The client sees what a server that is down looks like: the connection is reset.
        Err(_) => drop(client.set_zero_linger()),
    }
}
