//! A mail server that does what it is told, and keeps what it receives.

mod session;
mod stream;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle};

/// Where in a conversation something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpStage {
    /// When a connection is made.
    Greeting,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`, before the message.
    Data,
    /// After the message.
    Message,
}

/// How it goes wrong, once.
#[derive(Clone, Debug)]
pub enum SmtpFault {
    /// Answers with this line, such as `451 4.7.1 later`.
    Answer(SmtpStage, String),
    /// Cuts the connection instead of an answer. A message is kept all the same.
    Cut(SmtpStage),
    /// Takes so long for the answer.
    Slow(SmtpStage, Duration),
}

impl SmtpFault {
    const fn stage(&self) -> SmtpStage {
        match self {
            Self::Answer(stage, _) | Self::Cut(stage) | Self::Slow(stage, _) => *stage,
        }
    }
}

/// A message as it arrived, with dots unstuffed.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The message.
    pub raw: Vec<u8>,
    /// Whether the connection was encrypted.
    pub encrypted: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

/// A mail server as RFC 5321 describes one, with STARTTLS (RFC 3207), AUTH PLAIN and LOGIN (RFC 4954), for `localhost`, within
/// this process. It ends when it is dropped.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::{SmtpFault, SmtpServer, SmtpStage};
///
/// let server = SmtpServer::start().await;
/// server.fail([SmtpFault::Answer(SmtpStage::Rcpt, "550 5.1.1 nobody of that name".to_owned())]);
/// assert!(server.received().is_empty());
/// # });
/// ```
pub struct SmtpServer {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    login: Option<(String, String)>,
    starttls: bool,
    idle: Duration,
    faults: Mutex<VecDeque<SmtpFault>>,
    received: Mutex<Vec<ReceivedMail>>,
    connections: AtomicUsize,
}

impl State {
    /// The fault of that stage, if it is its turn.
    fn fault(&self, stage: SmtpStage) -> Option<SmtpFault> {
        let mut faults = self.faults.lock();
        let mine = faults.front().is_some_and(|fault| fault.stage() == stage);
        if mine { faults.pop_front() } else { None }
    }
}

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    login: Option<(String, String)>,
    starttls: bool,
    idle: Duration,
}

impl SmtpOptions {
    /// Takes messages only from whoever logs in so, and lets nobody do it without encryption.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Does not offer encryption.
    #[must_use]
    pub const fn without_tls(mut self) -> Self {
        self.starttls = false;
        self
    }

    /// Closes connections that say nothing for so long.
    #[must_use]
    pub const fn close_idle_after(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(self) -> SmtpServer {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("no port for a mail server: {error}"),
        };
        let port = match listener.local_addr() {
            Ok(address) => address.port(),
            Err(error) => panic!("no port for a mail server: {error}"),
        };
        let (faults, received, connections) = Default::default();
        let Self { login, starttls, idle } = self;
        let state = Arc::new(State { login, starttls, idle, faults, received, connections });
        let served = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move { session::serve(stream, &state).await });
            }
        });
        SmtpServer { port, state, task }
    }
}

impl SmtpServer {
    /// A server that offers encryption and asks nobody for a password.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// A server with options.
    #[must_use]
    pub const fn options() -> SmtpOptions {
        SmtpOptions { login: None, starttls: true, idle: Duration::from_secs(300) }
    }

    /// Its port on `localhost`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The authority that has signed its certificate, for `localhost`, in PEM.
    #[must_use]
    pub const fn authority(&self) -> &'static [u8] {
        include_bytes!("ca.pem")
    }

    /// Lets things go wrong, one after the other: each fault waits for its stage.
    pub fn fail(&self, faults: impl IntoIterator<Item = SmtpFault>) {
        self.state.faults.lock().extend(faults);
    }

    /// What has arrived.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedMail> {
        self.state.received.lock().clone()
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer").field("port", &self.port).finish_non_exhaustive()
    }
}
