//! What the other processes serve.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{any, post};
use axum::{Json, Router};
use nebula_cache::nebula_redis::{Connection, RedisConfig, Script};
use serde::{Deserialize, Serialize};
use ticketing::api_limits::ApiLimit;
use ticketing::app::App;
use ticketing::config::{Config, DatabaseProvider, Provider};
use ticketing::http::Server;
use ticketing::ids::{OrderId, SeatPosition, SessionId, UserId};
use ticketing::inventory::{Hold, HoldRequest};
use ticketing::{assembly, demo};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::child::{Addresses, Role};

/// The least that holds seats: nobody else has one, then they are mine.
static LEAST: LazyLock<Script> = LazyLock::new(|| Script::new("hold", include_str!("hold.lua")));

/// What is asked of both sides.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) session: SessionId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) seats: Vec<SeatPosition>,
}

/// Serves until nobody holds the other end of the standard input.
pub(crate) async fn serve(role: Role) {
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().to_owned(), demo: true, ..Config::default() };
    config.log.filter = "error".to_owned();
    // What a server can do is measured, not what it is told to take.
    for limit in [&mut config.api_limits.queries, &mut config.api_limits.orders, &mut config.api_limits.payments] {
        *limit = ApiLimit { rate: Some(10_000_000), warm_up: Some(Duration::ZERO) };
    }
    match role {
        Role::Bare { redis } => return bare(redis).await,
        Role::Embedded => {}
        Role::Redis { redis } => on_redis(&mut config, &redis),
        Role::Postgres { redis, postgres } => {
            on_redis(&mut config, &redis);
            config.database.provider = DatabaseProvider::Postgres;
            config.database.url = Some(postgres.into());
        }
    }
    let server = Server::bind(config.listen).unwrap();
    let http = server.address();
    let app = assembly::assemble(config, http).await.unwrap();
    demo::load(&app, false).await.unwrap();
    let holds = Router::new().route("/hold", post(hold)).with_state(app.clone());
    let hold = listen(holds).await;
    let stopping = app.stopping.clone();
    tokio::spawn(async move {
        ended().await;
        stopping.cancel();
    });
    tell(Addresses { http, hold });
    server.run(app).await;
}

fn on_redis(config: &mut Config, url: &str) {
    config.ledger.provider = Provider::Redis;
    config.redis = RedisConfig::new(url);
}

async fn hold(State(app): State<App>, Json(wanted): Json<Wanted>) -> (StatusCode, &'static str) {
    let Wanted { session, order, user, seats } = wanted;
    match app.inventory.hold(&HoldRequest { session, order, user, seats }).await {
        Ok(Hold::Held { .. }) => (StatusCode::CREATED, "held"),
        _ => (StatusCode::CONFLICT, "not held"),
    }
}

async fn bare(redis: Option<String>) {
    let mut routes = Router::new()
        .route("/constant/{bytes}/{status}", any(constant))
        .with_state(Arc::new(vec![b'x'; 1 << 20].into()));
    if let Some(url) = redis {
        let connection = RedisConfig::new(&url).connect().await.unwrap();
        routes = routes.merge(Router::new().route("/hold", post(least)).with_state(connection));
    }
    let address = listen(routes).await;
    tell(Addresses { http: address, hold: address });
    ended().await;
}

async fn constant(State(bytes): State<Arc<Bytes>>, Path((length, status)): Path<(usize, u16)>) -> (StatusCode, Bytes) {
    (StatusCode::from_u16(status).unwrap(), bytes.slice(..length))
}

async fn least(State(mut connection): State<Connection>, Json(wanted): Json<Wanted>) -> (StatusCode, &'static str) {
    let key = format!("least:{}", wanted.session);
    let mut args = vec![wanted.order.to_string()];
    args.extend(wanted.seats.iter().map(ToString::to_string));
    let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
    let held: bool = LEAST.run(&[key.as_bytes()], &args, &mut connection).await.unwrap();
    if held { (StatusCode::CREATED, "held") } else { (StatusCode::CONFLICT, "not held") }
}

async fn listen(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn tell(addresses: Addresses) {
    println!("{}", serde_json::to_string(&addresses).unwrap());
}

async fn ended() {
    let _ = tokio::io::stdin().read(&mut [0]).await;
}
