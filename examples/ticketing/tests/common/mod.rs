//! A platform in this process, on a free port and a temporary folder, and a client to talk to it.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]

use std::{collections::BTreeMap, time::Duration};

use nebula_tenant::TenantId;
use nebula_test_support::postgres_database;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use ticketing::{
    app::App,
    assembly,
    clock::Millis,
    config::{Config, DatabaseProvider, SalesConfig},
    http::Server,
    ids::{SessionId, UserId},
    money::{Currency, Money},
    office::MERCHANT_ROLES,
    problem::Problem,
    show::{HALL_CATEGORY, hall, store},
    storage::{Connection, sql::query},
};
use tokio::task::JoinHandle;

/// Good enough for every account of a test.
pub const PASSWORD: &str = "correct horse battery staple";

pub struct TestApp {
    pub app: App,
    pub url: String,
    pub client: Client,
    server: Option<JoinHandle<()>>,
    folder: Option<TempDir>,
}

/// A signed-in account.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: UserId,
    pub email: String,
    pub access: String,
    pub refresh: String,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts on a fresh folder, with the configuration changed by `change`.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config =
            Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
        // These tests are compiled into `postgres` once more.
        if env!("CARGO_CRATE_NAME") == "postgres" {
            config.database.provider = DatabaseProvider::Postgres;
            config.database.url = Some(postgres_database().await.into());
            config.database.max_connections = 8;
        }
        change(&mut config);
        let mut app = Self::start_on(config).await;
        app.folder = Some(folder);
        app
    }

    /// Starts on a folder that the caller looks after.
    pub async fn start_on(mut config: Config) -> Self {
        // Whoever is not about codes registers without one.
        config.accounts.confirm.get_or_insert(false);
        // A busy machine refuses nothing to tests.
        config.degrade.automatic = false;
        Self::start_late_on(config).await
    }

    /// The same, where the process may give up something by itself.
    pub async fn start_late_on(config: Config) -> Self {
        let server = Server::bind(config.listen).unwrap();
        let url = format!("http://{}", server.address());
        let app = assembly::assemble(config, server.address()).await.unwrap();
        let server = Some(tokio::spawn(server.run(app.clone())));
        let client = Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        Self { app, url, client, server, folder: None }
    }

    /// Stops as a signal would and waits for the end.
    pub async fn stop(mut self) -> Option<TempDir> {
        self.app.stopping.cancel();
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
        self.folder.take()
    }

    /// A request; `path` below `/api/v1`, or absolute when it begins with `//`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path =
            path.strip_prefix('/').filter(|path| path.starts_with('/')).map_or(format!("/api/v1{path}"), str::to_owned);
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn get_as(&self, account: &Account, path: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(&account.access).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    pub async fn post_as(&self, account: &Account, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).bearer_auth(&account.access).json(body).send().await.unwrap()
    }

    /// Registers a buyer.
    pub async fn register(&self, email: &str) -> Account {
        let body = json!({"email": email, "password": PASSWORD, "display_name": "Somebody"});
        account(email, &expect(self.post("/auth/register", &body).await, StatusCode::CREATED).await)
    }

    pub async fn login(&self, email: &str, password: &str) -> Account {
        let body = json!({"email": email, "password": password});
        account(email, &expect(self.post("/auth/login", &body).await, StatusCode::OK).await)
    }

    /// Registers an account and lets it do everything.
    pub async fn register_admin(&self, email: &str) -> Account {
        self.register_staff(email, "platform-operations").await
    }

    /// Registers an account and gives it a role; that of a merchant's staff, at the platform's own merchant.
    pub async fn register_staff(&self, email: &str, role: &str) -> Account {
        self.register_at(&ticketing::ids::platform(), email, role).await
    }

    /// The same at another merchant.
    pub async fn register_at(&self, merchant: &TenantId, email: &str, role: &str) -> Account {
        let account = self.register(email).await;
        if MERCHANT_ROLES.contains(&role) {
            self.app.office.employ(account.id, merchant, role).await.unwrap();
            return account;
        }
        self.app.office.assign(account.id, role, "test").await.unwrap();
        account
    }

    /// A show on sale in a plain hall: seats are named `1-1` … `1-50`, `2-1`, … and cost 380.00 CNY each.
    pub async fn hall(&self, seats: u32) -> SessionId {
        self.hall_with(seats, |_| {}).await
    }

    /// The same, with the session changed by `change`.
    pub async fn hall_with(
        &self,
        seats: u32,
        change: impl FnOnce(&mut store::NewSession) + Send + 'static,
    ) -> SessionId {
        let sales = self.app.config.sales.clone();
        self.write(move |connection| Box::pin(async move { insert_hall(connection, &sales, seats, change).await }))
            .await
    }

    /// A hall in the domain of flash sales, from its first moment: the platform looks at what is on sale by itself.
    pub async fn flash_hall(&self, seats: u32) -> SessionId {
        let sales = self.app.config.sales.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let session = insert_hall(connection, &sales, seats, |_| {}).await?;
                let flash = query("INSERT INTO flash_sessions (session_id, at) VALUES ($1, 0)").bind(session);
                flash.execute(connection).await?;
                Ok(session)
            })
        })
        .await
    }

    /// Writes to the database behind the platform's back, and has the catalog read it again.
    pub async fn write<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: for<'a, 'c> FnOnce(&'a mut Connection<'c>) -> futures_util::future::BoxFuture<'a, Result<T, Problem>>
            + Send
            + 'static,
    {
        let written = self.app.database.write.run::<T, Problem, _>(work).await.unwrap();
        self.app.catalog.forget_everything().await;
        written
    }
}

async fn insert_hall(
    connection: &mut Connection<'_>,
    sales: &SalesConfig,
    seats: u32,
    change: impl FnOnce(&mut store::NewSession) + Send,
) -> Result<SessionId, Problem> {
    let venue = store::venue(connection, "Test hall", "Shanghai", "").await?;
    let plan = store::insert_plan(connection, venue, &hall(seats), |_| {}).await?;
    let show = store::NewShow { title: "Test".into(), title_zh: "测试".into(), ..Default::default() };
    let show = store::insert_show(connection, &show).await?;
    let now = Millis::now();
    let mut session = store::NewSession {
        show,
        plan,
        starts_at: now.plus(Duration::from_secs(86_400)),
        sale_opens_at: now.minus(Duration::from_secs(60)),
        sale_closes_at: now.plus(Duration::from_secs(3_600)),
        hold: sales.hold_time,
        seats_per_user: sales.seats_per_user,
        prices: BTreeMap::from([(HALL_CATEGORY.to_owned(), Money { minor: 38_000, currency: Currency::CNY })]),
    };
    change(&mut session);
    Ok(store::insert_session(connection, &session).await?)
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.stopping.cancel();
    }
}

fn account(email: &str, body: &Value) -> Account {
    let text =
        |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{body}")).to_owned();
    Account {
        id: text("/user/id").parse().unwrap(),
        email: email.to_owned(),
        access: text("/tokens/access_token"),
        refresh: text("/tokens/refresh_token"),
    }
}

/// The messages in the development outbox to an address or a number.
pub async fn mails(app: &TestApp, to: &str) -> Vec<Value> {
    let shown = expect(app.get("//dev/outbox/messages.json").await, StatusCode::OK).await;
    shown.as_array().unwrap().iter().filter(|mail| mail["to"] == to).cloned().collect()
}

/// Title and text of one.
pub fn words(mail: &Value) -> String {
    format!("{}\n{}", mail["title"].as_str().unwrap(), mail["text"].as_str().unwrap())
}

/// Waits until there are so many, and gives their titles and texts.
pub async fn letters(app: &TestApp, to: &str, count: usize) -> Vec<String> {
    nebula_test_support::eventually(Duration::from_secs(60), || async {
        let mails = mails(app, to).await;
        if mails.len() == count { Ok(mails.iter().map(words).collect()) } else { Err(format!("{mails:?}")) }
    })
    .await
}

/// The six digits of one.
pub fn code(letter: &str) -> String {
    let digits = letter.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6);
    digits.unwrap_or_else(|| panic!("{letter}")).to_owned()
}

/// The body, when the status is the expected one.
pub async fn expect(response: Response, status: StatusCode) -> Value {
    let (got, url) = (response.status(), response.url().clone());
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// The body, when it is the problem of this code with its documented status.
pub async fn expect_problem(response: Response, code: ticketing::problem::Code) -> Value {
    let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{status} {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["code"], code.as_str(), "{text}");
    assert_eq!(status.as_u16(), code.status().as_u16(), "{text}");
    assert_eq!(body["status"], code.status().as_u16(), "{text}");
    body
}
