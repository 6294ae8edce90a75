//! Traces, as a collector receives them from the program.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod program;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use nebula_test_support::eventually;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, span::SpanKind},
};
use parking_lot::Mutex;
use program::{Program, ticketing};
use prost::Message;
use reqwest::{Client, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Spans, and the resource of each request.
type Sent = (Vec<Span>, Vec<BTreeMap<String, String>>);

/// What was sent to a collector: the spans, and what every resource said of itself.
#[derive(Clone, Debug, Default)]
struct Collected(Arc<Mutex<Sent>>);

impl Collected {
    /// The spans of a trace by their names.
    fn trace(&self, id: &str) -> Vec<Span> {
        self.0.lock().0.iter().filter(|span| hex(&span.trace_id) == id).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.clone().and_then(|value| value.value) {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// A collector that keeps what it gets, if it has the header that it asks for.
async fn collector() -> (String, Collected) {
    let collected = Collected::default();
    let take = |State(collected): State<Collected>, headers: HeaderMap, body: Bytes| async move {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["x-collector-key"], "let me in");
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let mut kept = collected.0.lock();
        for resource in request.resource_spans {
            kept.1.push(attributes(&resource.resource.unwrap().attributes));
            kept.0.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        ExportTraceServiceResponse::default().encode_to_vec()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let routes = Router::new().route("/v1/traces", post(take)).with_state(collected.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, collected)
}

/// The program, which sends its traces there.
fn traced(folder: &Path, endpoint: &str, settings: &[(&str, &str)]) -> Program {
    let mut command = ticketing(folder, &["--port", "0"]);
    command.env("NEBULA_TICKETING__TRACE__ENDPOINT", endpoint);
    command.env("NEBULA_TICKETING__TRACE__HEADERS__X_COLLECTOR_KEY", "let me in");
    command.env("NEBULA_TICKETING__DEGRADE__AUTOMATIC", "false");
    command.envs(settings.iter().copied());
    Program::spawn(command)
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// A buyer of the demo who has an order, and may pay for it.
struct Buyer {
    url: String,
    token: String,
    order: String,
}

impl Buyer {
    async fn order(program: &Program) -> Self {
        let url = format!("{}/api/v1", program.url);
        let credentials = json!({"email": "buyer@example.com", "password": "seats please"});
        let login = client().post(format!("{url}/auth/login")).json(&credentials).send().await.unwrap();
        let token = common::expect(login, StatusCode::OK).await["tokens"]["access_token"].as_str().unwrap().to_owned();
        let shows = client().get(format!("{url}/shows")).send().await.unwrap();
        let shows = common::expect(shows, StatusCode::OK).await;
        let open = |session: &&Value| {
            let time = |key: &str| session[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            time("sale_opens_at") <= time("server_time")
        };
        let mut sessions =
            shows["shows"].as_array().unwrap().iter().flat_map(|show| show["sessions"].as_array().unwrap());
        let session = sessions.find(open).unwrap()["id"].clone();
        let order = json!({"session_id": session, "seats": ["stalls-A-1"]});
        let mut buyer = Self { url, token, order: String::new() };
        buyer.order = buyer.post("/orders", &order).await["id"].as_str().unwrap().to_owned();
        buyer
    }

    /// Asks as a part of the caller's trace.
    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = client().post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        let response = request.header("traceparent", CONTEXT).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {response:?}");
        response.json().await.unwrap_or_default()
    }

    /// Pays at the provider that moves no money.
    async fn pay(&self) {
        let paying = self.post(&format!("/orders/{}/pay", self.order), &json!({})).await;
        let page = paying["payment"]["pay_url"].as_str().unwrap();
        let host = self.url.trim_end_matches("/api/v1");
        let pressed = client().post(format!("{host}{page}/approve")).header("traceparent", CONTEXT);
        let pressed = pressed.json(&json!({})).send().await.unwrap();
        assert_eq!(pressed.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q6_one_trace_leads_from_a_request_over_the_queue_to_its_consumers() {
    let (endpoint, collected) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let program = traced(&folder.path().join("data"), &endpoint, &[("NEBULA_TICKETING__TRACE__SAMPLING_RATIO", "0")]);
    let buyer = Buyer::order(&program).await;
    buyer.pay().await;
    eventually(PATIENCE, || async {
        let names: Vec<_> = collected.trace(TRACE).into_iter().map(|span| span.name).collect();
        let all = ["process ledger.follow", "process ticket.issue", "process notice.send"];
        if all.iter().all(|name| names.iter().any(|known| known == name)) { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;

    let spans = collected.trace(TRACE);
    let by_id: BTreeMap<String, &Span> = spans.iter().map(|span| (hex(&span.span_id), span)).collect();
    let named =
        |name: &str| *by_id.values().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let parent = |span: &Span| by_id.get(&hex(&span.parent_span_id)).map(|span| span.name.as_str());
    let place = named("POST /api/v1/orders");
    assert_eq!((hex(&place.parent_span_id).as_str(), place.kind()), (CALLER, SpanKind::Server));
    let told = attributes(&place.attributes);
    assert_eq!(told["http.response.status_code"], "201");
    assert_eq!(told["http.route"], "/api/v1/orders");
    assert!(told["user_id"].len() > 30, "{told:?}");
    // Whatever is about an order names it: its own request, those with its path, what a provider says, and messages.
    let about = ["POST /api/v1/orders", "POST /api/v1/orders/{id}/pay", "POST /api/v1/payments/{provider}/callback"];
    for name in about.into_iter().chain(["process ledger.follow", "process ticket.issue"]) {
        assert_eq!(attributes(&named(name).attributes)["order_id"], buyer.order, "{name}");
    }
    // The provider was asked by the request, and its call back has led to the messages.
    let asked = |call: &str| {
        spans.iter().find(|span| attributes(&span.attributes).get("call").is_some_and(|known| known == call))
    };
    let open = asked("open").unwrap();
    assert_eq!((parent(open), open.kind()), (Some("POST /api/v1/orders/{id}/pay"), SpanKind::Client));
    let callback = named("POST /api/v1/payments/{provider}/callback");
    for consumer in ["process ledger.follow", "process ticket.issue"] {
        let span = named(consumer);
        assert_eq!((parent(span), span.kind()), (Some(callback.name.as_str()), SpanKind::Consumer), "{consumer}");
    }
    assert_eq!(parent(named("process notice.send")), Some("process ticket.issue"));
    let resource = collected.0.lock().1[0].clone();
    assert_eq!(resource["service.name"], "ticketing");
    assert!(resource.contains_key("service.instance.id") && resource.contains_key("service.version"), "{resource:?}");
    // Nothing else was recorded: no trace that began here is sampled.
    assert!(collected.0.lock().0.iter().all(|span| hex(&span.trace_id) == TRACE));
    program.signal(Signal::TERM);
    assert_eq!(program.end().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn q6_the_last_spans_are_sent_before_the_end() {
    let (endpoint, collected) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    // What waits is sent at the end, and never before.
    let program = traced(&folder.path().join("data"), &endpoint, &[("NEBULA_TICKETING__TRACE__INTERVAL", "1h")]);
    Buyer::order(&program).await;
    assert!(collected.trace(TRACE).is_empty());
    program.signal(Signal::TERM);
    assert_eq!(program.end().0, Some(0));
    let names: Vec<_> = collected.trace(TRACE).into_iter().map(|span| span.name).collect();
    assert!(names.iter().any(|name| name == "POST /api/v1/orders"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q6_a_collector_that_never_answers_is_in_nobody_s_way() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            open.push(stream);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let few = [
        ("NEBULA_TICKETING__TRACE__SAMPLING_RATIO", "1"),
        ("NEBULA_TICKETING__TRACE__QUEUE", "4"),
        ("NEBULA_TICKETING__TRACE__INTERVAL", "10ms"),
        // Longer than everything here may take: who waited for it would be seen.
        ("NEBULA_TICKETING__TRACE__TIMEOUT", "10m"),
        ("NEBULA_TICKETING__HTTP__DRAIN", "2s"),
    ];
    let program = traced(&folder.path().join("data"), &endpoint, &few);
    let buyer = Buyer::order(&program).await;
    buyer.pay().await;
    eventually(PATIENCE, || async {
        let order = client().get(format!("{}/orders/{}", buyer.url, buyer.order)).bearer_auth(&buyer.token);
        let order: Value = order.send().await.unwrap().json().await.unwrap();
        if order["state"] == "ISSUED" { Ok(()) } else { Err(order.to_string()) }
    })
    .await;
    program.signal(Signal::TERM);
    assert_eq!(program.end().0, Some(0));
    held.abort();
}
