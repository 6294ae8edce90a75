//! A process that holds connections for `ticketing online`: one alone may not have as many open.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use clap::Args;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt, task::JoinSet};

use super::{connection, plan::share};

/// Connections that are opened at once.
const AT_ONCE: usize = 64;

/// What to hold.
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// The servers.
    #[arg(long, required = true)]
    server: Vec<SocketAddr>,
    /// How many connections, over all servers.
    #[arg(long)]
    connections: u32,
    /// How many of them are event streams.
    #[arg(long)]
    streams: u32,
    /// Of which session.
    #[arg(long)]
    session: String,
    /// The address that they come from.
    #[arg(long)]
    from: IpAddr,
}

/// What a process of clients has to tell, as a line of JSON: when all are open, and at the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Held {
    /// Connections that are open.
    pub(super) open: u32,
    /// Those that could not be opened, and those that ended early, by what happened.
    pub(super) errors: BTreeMap<String, u32>,
}

/// Opens the connections, says so, and holds them until standard input ends.
///
/// # Errors
///
/// When it cannot be said.
///
/// # Cancel safety
///
/// Dropping the future closes the connections.
pub async fn hold(args: ClientArgs) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let events = format!("/api/v1/sessions/{}/events", args.session);
    let servers = u32::try_from(args.server.len())?;
    // Every second one of each kind for the next server, so that each has as many of both.
    let wanted = (0..servers).zip(&args.server).flat_map(|(number, server)| {
        let (streams, all) = (share(args.streams, servers, number), share(args.connections, servers, number));
        (0..all).map(move |place| (*server, place < streams))
    });
    let mut opening = stream::iter(wanted.collect::<Vec<_>>())
        .map(|(server, streams)| {
            let path = if streams { events.as_str() } else { "/healthz" };
            async move { (connection::open(args.from, server, path).await, server, streams) }
        })
        .buffer_unordered(AT_ONCE);
    let mut held = Held::default();
    let (lost, ending) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let mut kept = JoinSet::new();
    while let Some((opened, server, streams)) = opening.next().await {
        match opened {
            Ok(open) => {
                let (path, lost, ending) = (events.clone(), Arc::clone(&lost), Arc::clone(&ending));
                held.open += 1;
                kept.spawn(async move {
                    let path = if streams { path.as_str() } else { "/healthz" };
                    let _ended = connection::keep(open, server, path, streams).await;
                    if !ending.load(Ordering::Relaxed) {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            Err(error) => *held.errors.entry(error.to_string()).or_default() += 1,
        }
    }
    println!("{}", serde_json::to_string(&held)?);
    let _end = tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    ending.store(true, Ordering::Relaxed);
    let lost = lost.load(Ordering::Relaxed);
    let errors = if lost > 0 { BTreeMap::from([("ended early".to_owned(), lost)]) } else { BTreeMap::new() };
    println!("{}", serde_json::to_string(&Held { open: held.open - lost, errors })?);
    kept.abort_all();
    Ok(())
}
