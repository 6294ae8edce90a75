//! The server's own binary with its demo data, and its interface as another buyer uses it.

use std::{sync::Arc, time::Duration};

use nebula_test_support::{ReservedPort, ServerProcess, ServerSpec, eventually, unique};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::PATIENCE;

pub struct Shop {
    pub url: String,
    client: Client,
    _process: ServerProcess,
    _port: ReservedPort,
    folder: TempDir,
}

/// A session of the demo data that is on sale.
pub struct OnSale {
    pub show: String,
    pub session: String,
}

/// A buyer who uses no browser.
#[derive(Clone)]
pub struct Rival {
    pub email: String,
    token: String,
}

/// A rival who asks for the turn again and again.
pub struct Stay {
    leaving: oneshot::Sender<()>,
    asking: JoinHandle<()>,
}

impl Stay {
    /// Asks no more: whatever was asked is answered.
    pub async fn end(self) {
        let _ = self.leaving.send(());
        self.asking.await.unwrap();
    }
}

/// Every rival's.
pub const PASSWORD: &str = "a rival's long pass phrase";

impl Shop {
    /// Where nobody needs a code to register.
    pub async fn open() -> Self {
        Self::open_with(&[("NEBULA_TICKETING__ACCOUNTS__CONFIRM", "false")]).await
    }

    pub async fn open_with(environment: &[(&'static str, &str)]) -> Self {
        let given: Vec<_> = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self::open_at(|_| given).await
    }

    /// The same, where the environment has to know the address.
    pub async fn open_at(environment: impl FnOnce(&str) -> Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = ReservedPort::pick().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let url = format!("http://{address}");
        let client = Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().unwrap();
        let probe = {
            let (client, ready) = (client.clone(), format!("{url}/readyz"));
            move |_| -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
                let request = client.get(&ready).send();
                Box::pin(async move {
                    request.await.and_then(Response::error_for_status).map(drop).map_err(|error| error.to_string())
                })
            }
        };
        let spec = ServerSpec::new(env!("CARGO_BIN_EXE_ticketing"), folder.path())
            .args(["serve", "--listen", &address, "--data"])
            .args([folder.path().join("data")]);
        let spec = environment(&url)
            .into_iter()
            .fold(spec, |spec, (name, value)| spec.env(name, value))
            .probe(Arc::new(probe))
            .ready_within(PATIENCE);
        let process = ServerProcess::start(spec).await.unwrap_or_else(|error| panic!("the shop did not open: {error}"));
        Self { url, client, _process: process, _port: port, folder }
    }

    /// The database that the shop sells from.
    pub async fn database(&self) -> sqlx::SqlitePool {
        let file = self.folder.path().join("data/ticketing.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).busy_timeout(PATIENCE);
        sqlx::SqlitePool::connect_with(options).await.unwrap()
    }

    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The first session that can be bought right now.
    pub async fn on_sale(&self) -> OnSale {
        let list = self.get("/shows").await;
        let sessions = list["shows"].as_array().unwrap().iter().flat_map(|show| show["sessions"].as_array().unwrap());
        let open = |session: &&Value| {
            let text = |name: &str| session[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            text("sale_opens_at") <= text("server_time") && text("server_time") < text("sale_closes_at")
        };
        let session = sessions.into_iter().find(open).expect("the demo data has a session on sale");
        OnSale { show: session["show_id"].as_str().unwrap().into(), session: session["id"].as_str().unwrap().into() }
    }

    pub async fn get(&self, path: &str) -> Value {
        read(self.client.get(self.page(&format!("/api/v1{path}")))).await
    }

    /// The same, for whoever has the token.
    pub async fn get_as(&self, token: &str, path: &str) -> Value {
        read(self.client.get(self.page(&format!("/api/v1{path}"))).bearer_auth(token)).await
    }

    /// Orders a standing ticket.
    pub async fn stand(&self, rival: &Rival, session: &str, area: &str) {
        let body = json!({"session_id": session, "best": {"count": 1, "area": area}});
        self.post("/api/v1/orders", &body, Some(&rival.token)).await;
    }

    async fn post(&self, path: &str, body: &Value, token: Option<&str>) -> Value {
        let request = self.client.post(self.page(path)).json(body).header("Accept", "application/json");
        read(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    /// The code of the latest mail to an address whose title has these words.
    pub async fn code(&self, email: &str, words: &str) -> String {
        eventually(PATIENCE, || async {
            let shown = read(self.client.get(self.page("/dev/outbox/messages.json"))).await;
            let mails = shown.as_array().unwrap().iter().filter(|mail| mail["to"] == email);
            let text = |mail: &Value| format!("{} {}", mail["title"], mail["text"]);
            let mail = mails.map(text).rfind(|mail| mail.contains(words));
            let digits = mail.as_deref().and_then(|mail| {
                mail.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).map(str::to_owned)
            });
            digits.ok_or_else(|| shown.to_string())
        })
        .await
    }

    pub async fn rival(&self) -> Rival {
        let account = json!({
            "email": format!("{}@example.com", unique("rival")),
            "password": PASSWORD,
            "display_name": "Rival",
        });
        let signed_in = self.post("/api/v1/auth/register", &account, None).await;
        Rival {
            email: account["email"].as_str().unwrap().into(),
            token: signed_in["tokens"]["access_token"].as_str().unwrap().into(),
        }
    }

    /// The codes of an order's tickets, once it has them.
    pub async fn codes(&self, rival: &Rival, order: &str) -> Vec<String> {
        eventually(PATIENCE, || async {
            let request = self.client.get(self.page(&format!("/api/v1/orders/{order}"))).bearer_auth(&rival.token);
            let order = read(request).await;
            let tickets = order["tickets"].as_array().ok_or_else(|| order.to_string())?;
            Ok::<_, String>(tickets.iter().map(|ticket| ticket["code"].as_str().unwrap().to_owned()).collect())
        })
        .await
    }

    /// Waits until an order is in this state.
    pub async fn reaches(&self, rival: &Rival, order: &str, state: &str) {
        eventually(PATIENCE, || async {
            let request = self.client.get(self.page(&format!("/api/v1/orders/{order}"))).bearer_auth(&rival.token);
            let order = read(request).await;
            if order["state"] == state { Ok(()) } else { Err(order.to_string()) }
        })
        .await;
    }

    /// Signs in and gives the token.
    pub async fn sign_in(&self, email: &str, password: &str) -> String {
        let body = json!({ "email": email, "password": password });
        let signed_in = self.post("/api/v1/auth/login", &body, None).await;
        signed_in["tokens"]["access_token"].as_str().unwrap().into()
    }

    /// Lets so many into a sale at a time.
    pub async fn open_room(&self, session: &str, admitted: u32) {
        self.set_policy(session, json!({ "slider": true, "room": { "admitted": admitted } })).await;
    }

    /// Asks for the name on each ticket of a sale.
    pub async fn ask_names(&self, session: &str) {
        self.set_policy(session, json!({ "real_name": { "names": "per-ticket" } })).await;
    }

    /// The same, and sells also while names cannot be checked.
    pub async fn ask_names_later(&self, session: &str) {
        self.set_policy(session, json!({ "real_name": { "names": "per-ticket", "when_down": "later" } })).await;
    }

    async fn set_policy(&self, session: &str, policy: Value) {
        let token = self.sign_in(ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
        let path = self.page(&format!("/api/v1/admin/sessions/{session}/admission"));
        read(self.client.put(path).bearer_auth(token).json(&json!({ "policy": policy }))).await;
    }

    /// Joins the waiting room of a sale.
    pub async fn wait(&self, rival: &Rival, session: &str) -> Value {
        self.post(&format!("/api/v1/sessions/{session}/waiting-room"), &json!({}), Some(&rival.token)).await
    }

    /// Keeps the place in the waiting room by asking again and again, as an open page does.
    pub fn stay(self: &Arc<Self>, rival: &Rival, session: &str) -> Stay {
        let (shop, rival, session) = (Arc::clone(self), rival.clone(), session.to_owned());
        let (leaving, mut left) = oneshot::channel();
        let asking = tokio::spawn(async move {
            while timeout(Duration::from_secs(2), &mut left).await.is_err() {
                shop.wait(&rival, &session).await;
            }
        });
        Stay { leaving, asking }
    }

    /// Gives up the place in the waiting room.
    pub async fn leave(&self, rival: &Rival, session: &str) {
        let path = self.page(&format!("/api/v1/sessions/{session}/waiting-room"));
        let left = self.client.delete(path).bearer_auth(&rival.token).send().await.unwrap();
        assert!(left.status().is_success(), "{}", left.status());
    }

    /// Orders one seat and gives the order's id.
    pub async fn take(&self, rival: &Rival, session: &str, seat: &str) -> String {
        let wish = json!({ "session_id": session, "seats": [seat] });
        self.post("/api/v1/orders", &wish, Some(&rival.token)).await["id"].as_str().unwrap().into()
    }

    /// The same, for somebody of this name.
    pub async fn take_for(&self, rival: &Rival, session: &str, seat: &str, name: &str) -> String {
        let person = json!({ "name": name, "kind": "cn-id", "number": "11010519491231002X" });
        let wish = json!({ "session_id": session, "seats": [seat], "attendees": [{ "person": person }] });
        self.post("/api/v1/orders", &wish, Some(&rival.token)).await["id"].as_str().unwrap().into()
    }

    pub async fn pay(&self, rival: &Rival, order: &str) {
        let begun = self.post(&format!("/api/v1/orders/{order}/pay"), &json!({}), Some(&rival.token)).await;
        let page = begun["payment"]["pay_url"].as_str().unwrap();
        self.post(&format!("{page}/approve"), &json!({}), None).await;
    }
}

async fn read(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}
