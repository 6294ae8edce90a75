//! A connection that is there again after every loss.

use std::{fmt, sync::Arc, time::Duration};

use lapin::{Connection, ConnectionProperties, Event, uri::AMQPUri};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::amqp_error;
use crate::{Error, ErrorKind, Result, error::chain};

/// How long a broker may take to hear that a connection is over.
const CLOSING: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One connection, while it lasts.
pub(super) struct Session {
    pub(super) connection: Connection,
    broken: CancellationToken,
}

impl Session {
    /// Says that this connection is of no use any more, for example because nothing has come back for too long.
    pub(super) fn give_up(&self) {
        self.broken.cancel();
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.broken.is_cancelled() && self.connection.status().connected()
    }

    pub(super) async fn ended(&self) {
        self.broken.cancelled().await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("usable", &self.is_usable()).finish()
    }
}

/// Connects, and connects again for as long as somebody holds it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    session: watch::Receiver<Option<Arc<Session>>>,
    _stop: Arc<DropGuard>,
}

impl Link {
    /// The first connection is awaited, so that a wrong address or password is told at once.
    pub(super) async fn open(uri: AMQPUri, name: String) -> Result<Self> {
        let first = connect(&uri, &name).await?;
        let (sender, session) = watch::channel(Some(Arc::clone(&first)));
        let stop = CancellationToken::new();
        let (present, stopped) = (session.clone(), stop.clone());
        tokio::spawn(async move {
            stopped.run_until_cancelled_owned(supervise(uri, name, first, sender)).await;
            // The driver keeps a connection that had consumers until somebody closes it, and the broker keeps for it what it has
            // pushed there.
            let last = present.borrow().clone();
            if let Some(session) = last {
                let _ = timeout(CLOSING, session.connection.close(200, "done".into())).await;
            }
        });
        Ok(Self { session, _stop: Arc::new(stop.drop_guard()) })
    }

    /// The connection, waiting for it until the deadline.
    pub(super) async fn session(&self, deadline: Instant) -> Result<Arc<Session>> {
        let mut changes = self.session.clone();
        let usable = changes.wait_for(|session| session.as_ref().is_some_and(|session| session.is_usable()));
        match timeout_at(deadline, usable).await {
            Ok(Ok(session)) => {
                session.clone().ok_or_else(|| Error::new(ErrorKind::Unavailable, "not connected to the broker"))
            }
            _ => Err(Error::new(ErrorKind::Unavailable, "not connected to the broker")),
        }
    }
}

async fn connect(uri: &AMQPUri, name: &str) -> Result<Arc<Session>> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connection = match timeout(CONNECT, Connection::connect_uri(uri.clone(), properties)).await {
        Ok(connection) => connection.map_err(amqp_error("connecting to the broker"))?,
        Err(_) => {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("connecting to the broker took longer than {CONNECT:?}"),
            ));
        }
    };
    Ok(Arc::new(Session { connection, broken: CancellationToken::new() }))
}

async fn supervise(uri: AMQPUri, name: String, first: Arc<Session>, sender: watch::Sender<Option<Arc<Session>>>) {
    let mut session = first;
    loop {
        until_broken(&session).await;
        session.give_up();
        sender.send_replace(None);
        tracing::warn!(name, "the connection to the broker is lost; connecting again");
        // Whatever still waits on the old connection learns that it is over.
        let _ = timeout(CLOSING, session.connection.close(200, "replaced".into())).await;
        let mut pause = FIRST_PAUSE;
        session = loop {
            match connect(&uri, &name).await {
                Ok(session) => break session,
                Err(error) => {
                    tracing::warn!(name, error = chain(&error), ?pause, "no connection to the broker");
                    sleep(pause.mul_f64(1.0 - 0.5 * rand::random::<f64>())).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        };
        tracing::info!(name, "connected to the broker again");
        sender.send_replace(Some(Arc::clone(&session)));
    }
}

async fn until_broken(session: &Session) {
    use futures_util::StreamExt;

    let mut events = Box::pin(session.connection.events_listener());
    loop {
        tokio::select! {
            () = session.ended() => return,
            event = events.next() => match event {
                Some(Event::ConnectionBlocked(reason)) => tracing::warn!(reason, "the broker blocks publishers"),
                Some(Event::ConnectionUnblocked) => tracing::info!("the broker lets publishers go on"),
                Some(_) if session.connection.status().connected() => {}
                _ => return,
            },
            // Should an event have come before we listened.
            () = sleep(Duration::from_secs(1)) => if !session.connection.status().connected() { return },
        }
    }
}
