//! Servers that have no folder in common, and nothing in their own that has to last.

#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod program;

use std::{path::Path, time::Duration};

use common::expect;
use nebula_test_support::{RedisServer, amqp_url, eventually, postgres_database, unique};
use program::Program;
use reqwest::{Client, RequestBuilder, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the manifests give to every server.
struct Settings(Vec<(&'static str, String)>);

impl Settings {
    async fn of(redis: &RedisServer) -> Self {
        let database = postgres_database().await;
        let secret = || "the same thirty-two characters everywhere".to_owned();
        Self(vec![
            ("DATABASE__URL", database.clone()),
            ("DATABASE__MAX_CONNECTIONS", "6".to_owned()),
            ("AUTH__SESSION__STORE", "postgres".to_owned()),
            ("AUTH__SESSION__URL", database),
            ("AUTH__JWT__SECRET", secret()),
            ("PAYMENT__MOCK__SECRET", secret()),
            ("TICKET__SECRET", secret()),
            ("PERSONAL_DATA__KEY", secret()),
            ("REDIS__URL", redis.url()),
            ("DELAY_QUEUE__RABBITMQ__URL", amqp_url().await),
            ("DELAY_QUEUE__QUEUE_PREFIX", unique("stateless")),
            ("SALES__SWEEP_INTERVAL", "2s".to_owned()),
            ("DEGRADE__AUTOMATIC", "false".to_owned()),
        ])
    }

    /// A server on an empty folder but for the name of the platform.
    fn start(&self, folder: &Path) -> Program {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("platform.id"), "the name of a platform, which is no secret").unwrap();
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/distributed.yaml");
        let mut command = program::ticketing(folder, &["--port", "0", "--config", sample]);
        command.envs(self.0.iter().map(|(key, value)| (format!("NEBULA_TICKETING__{key}"), value)));
        Program::spawn(command)
    }
}

/// Somebody who is signed in, wherever that was.
struct Buyer {
    client: Client,
    token: String,
}

impl Buyer {
    async fn ask(&self, request: RequestBuilder, status: StatusCode) -> Value {
        expect(request.bearer_auth(&self.token).send().await.unwrap(), status).await
    }

    async fn get(&self, at: &Program, path: &str) -> Value {
        self.ask(self.client.get(format!("{}/api/v1{path}", at.url)), StatusCode::OK).await
    }

    async fn order(&self, at: &Program, session: &str, seat: &str) -> String {
        let request = self.client.post(format!("{}/api/v1/orders", at.url));
        let wish = json!({"session_id": session, "seats": [seat]});
        self.ask(request.json(&wish), StatusCode::CREATED).await["id"].as_str().unwrap().to_owned()
    }

    /// Asks for the page of the provider that moves no money at one server, and says yes at another one.
    async fn pay(&self, order: &str, at: &Program, yes: &Program) {
        let request = self.client.post(format!("{}/api/v1/orders/{order}/pay", at.url)).json(&json!({}));
        let paying = self.ask(request, StatusCode::OK).await;
        let page = paying["payment"]["pay_url"].as_str().unwrap();
        let pressed = self.client.post(format!("{}{page}/approve", yes.url)).json(&json!({}));
        expect(pressed.send().await.unwrap(), StatusCode::OK).await;
    }

    /// Waits until the order has its ticket there; answers its code.
    async fn ticket(&self, order: &str, at: &Program) -> String {
        let order = format!("/orders/{order}");
        eventually(PATIENCE, || async {
            let order = self.get(at, &order).await;
            let code =
                order["tickets"].as_array().and_then(|tickets| tickets.first()).map(|ticket| ticket["id"].clone());
            code.and_then(|code| code.as_str().map(str::to_owned)).ok_or_else(|| order.to_string())
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_a_folder_in_common_are_one_platform_and_one_that_is_lost_with_its_folder_is_missed_by_nobody()
{
    let redis = RedisServer::start().await;
    let settings = Settings::of(&redis).await;
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("one"), folder.path().join("two"));
    let (one, two) = (settings.start(&here), settings.start(&there));
    let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();

    // Signed in at one, ordered at the other, paid at both, and the ticket is at the first.
    let credentials = json!({"email": "buyer@example.com", "password": "seats please"});
    let signed_in = client.post(format!("{}/api/v1/auth/login", one.url)).json(&credentials).send().await.unwrap();
    let signed_in = expect(signed_in, StatusCode::OK).await;
    let text = |pointer: &str| signed_in.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let buyer = Buyer { client: client.clone(), token: text("/tokens/access_token") };
    let shows = buyer.get(&two, "/shows").await;
    let session = shows["shows"][0]["sessions"][0]["id"].as_str().unwrap().to_owned();
    let first = buyer.order(&two, &session, "stalls-B-1").await;
    let wish = json!({"session_id": session, "seats": ["stalls-B-1"]});
    let taken = client.post(format!("{}/api/v1/orders", one.url)).bearer_auth(&buyer.token).json(&wish);
    common::expect_problem(taken.send().await.unwrap(), ticketing::problem::Code::SeatTaken).await;
    buyer.pay(&first, &two, &one).await;
    let ticket = buyer.ticket(&first, &one).await;
    assert_eq!(buyer.ticket(&first, &two).await, ticket);

    // One of them is lost in the middle of a sale, with all that it had.
    let unpaid = buyer.order(&two, &session, "stalls-B-2").await;
    two.signal(Signal::KILL);
    assert_eq!(two.end().0, None, "it ended by itself");
    std::fs::remove_dir_all(&there).unwrap();
    buyer.pay(&unpaid, &one, &one).await;
    buyer.ticket(&unpaid, &one).await;
    let renewed = client.post(format!("{}/api/v1/auth/refresh", one.url));
    let renewed = renewed.json(&json!({"refresh_token": text("/tokens/refresh_token")})).send().await.unwrap();
    let renewed = expect(renewed, StatusCode::OK).await;

    // A new one on an empty folder takes its place: it knows the sign-in, the orders and the seats, and sells on.
    let three = settings.start(&folder.path().join("three"));
    let token = renewed.pointer("/tokens/access_token").or_else(|| renewed.get("access_token"));
    let buyer = Buyer { client, token: token.and_then(Value::as_str).unwrap().to_owned() };
    assert_eq!(buyer.ticket(&first, &three).await, ticket);
    let orders = buyer.get(&three, "/orders").await;
    assert_eq!(orders["orders"].as_array().map(Vec::len), Some(2), "{orders}");
    let last = buyer.order(&three, &session, "stalls-B-3").await;
    buyer.pay(&last, &one, &three).await;
    buyer.ticket(&last, &one).await;
    for server in [one, three] {
        server.signal(Signal::TERM);
        assert_eq!(server.end().0, Some(0));
    }
}
