//! Seats over HTTP: their state, and the stream of changes.

use std::time::Duration;

use crate::common::{TestApp, expect, expect_problem};
use futures_util::StreamExt;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    ids::{OrderId, SessionId},
    problem::{Code, Problem},
    show::store::NewSession,
    storage::sql::query,
    warm::Ahead,
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A reader of server-sent events.
struct Events {
    response: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<axum::body::Bytes>> + Send>>,
    text: String,
}

#[derive(Debug, Default)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Events {
    fn new(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert!(!response.headers().contains_key("content-encoding"));
        Self { response: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// The next event, comments left out; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => event.name = name.to_owned(),
                        Some(("id", id)) => event.id = id.to_owned(),
                        Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                        _ => {}
                    }
                }
                if !event.name.is_empty() {
                    return Some(event);
                }
            }
            let chunk = timeout(PATIENCE, self.response.next()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk.ok()?).unwrap());
        }
    }
}

async fn events(app: &TestApp, session: SessionId, after: &str) -> Events {
    Events::new(app.get(&format!("/sessions/{session}/events?after={after}")).await)
}

async fn seats(app: &TestApp, session: SessionId) -> Value {
    expect(app.get(&format!("/sessions/{session}/seats")).await, StatusCode::OK).await
}

#[tokio::test]
async fn seats_are_listed_and_followed_live() {
    let app = TestApp::start().await;
    let session = app.hall(5).await;
    let buyer = app.register("a@example.com").await;
    let before = seats(&app, session).await;
    assert_eq!(before["states"], "AAAAA");
    assert_eq!(before["counts"], json!({"seats": 5, "available": 5, "locked": 0, "sold": 0}));
    let cursor = before["cursor"].as_str().unwrap();
    let mut live = events(&app, session, cursor).await;

    let body = json!({"session_id": session, "seats": ["1-2", "1-4"]});
    let order = expect(app.post_as(&buyer, "/orders", &body).await, StatusCode::CREATED).await;
    let event = live.next().await.unwrap();
    assert_eq!(event.name, "seats");
    assert_eq!(
        event.data,
        json!({"seats": [[1, "L"], [3, "L"]], "counts": {"seats": 5, "available": 3, "locked": 2, "sold": 0}})
    );
    let after = seats(&app, session).await;
    assert_eq!((&after["states"], after["cursor"].as_str().unwrap()), (&json!("ALALA"), &*event.id));

    let path = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    expect(app.post_as(&buyer, &path, &json!({})).await, StatusCode::OK).await;
    let freed = live.next().await.unwrap();
    assert_eq!(freed.data["seats"], json!([[1, "A"], [3, "A"]]));
    assert_eq!(seats(&app, session).await["states"], "AAAAA");

    // A stream that begins in the past tells all of it at once; the header knows better than the address.
    let mut whole = events(&app, session, cursor).await;
    let both = whole.next().await.unwrap();
    assert_eq!((both.id, &both.data["seats"]), (freed.id.clone(), &json!([[1, "A"], [3, "A"]])));
    let request = app.request(reqwest::Method::GET, &format!("/sessions/{session}/events?after=1-1"));
    let mut resumed = Events::new(request.header("Last-Event-ID", &event.id).send().await.unwrap());
    assert_eq!(resumed.next().await.unwrap().id, freed.id);
}

#[tokio::test]
async fn a_cursor_of_another_time_begins_with_a_reset() {
    let app = TestApp::start().await;
    let session = app.hall(2).await;
    let mut live = events(&app, session, "1-0").await;
    let event = live.next().await.unwrap();
    assert_eq!((&*event.name, &event.data), ("reset", &json!({})));
}

#[tokio::test]
async fn bad_requests_have_their_problems() {
    let app = TestApp::start().await;
    let session = app.hall(2).await;
    for path in ["seats", "events"] {
        let unknown = SessionId::new();
        expect_problem(app.get(&format!("/sessions/{unknown}/{path}")).await, Code::NotFound).await;
        expect_problem(app.get(&format!("/sessions/nonsense/{path}")).await, Code::NotFound).await;
    }
    for cursor in ["x", "1", "1-", "-1-2", "%01", "1-99999999999999999999999"] {
        let response = app.get(&format!("/sessions/{session}/events?after={cursor}")).await;
        assert_eq!(expect_problem(response, Code::MalformedRequest).await["path"], "after", "{cursor}");
    }
    // An order's identifier is no session's.
    expect_problem(app.get(&format!("/sessions/{}/seats", OrderId::new())).await, Code::NotFound).await;
}

#[tokio::test]
async fn streams_end_when_the_platform_stops() {
    let app = TestApp::start().await;
    let session = app.hall(2).await;
    let cursor = seats(&app, session).await["cursor"].as_str().unwrap().to_owned();
    let mut live = events(&app, session, &cursor).await;
    let stopped = tokio::spawn(app.stop());
    assert!(live.next().await.is_none());
    timeout(PATIENCE, stopped).await.expect("the server ends").unwrap();
}

#[tokio::test]
async fn a_crowd_gets_the_same_seats() {
    let app = TestApp::start().await;
    let session = app.hall(3_000).await;
    let path = format!("/sessions/{session}/seats");
    let crowd = futures_util::future::join_all((0..200).map(|_| app.get(&path))).await;
    for response in crowd {
        let body = expect(response, StatusCode::OK).await;
        assert_eq!(body["states"].as_str().unwrap().len(), 3_000);
    }
}

#[tokio::test]
async fn metrics_tell_what_is_left() {
    let app = TestApp::start().await;
    let session = app.hall(5).await;
    let buyer = app.register("m@example.com").await;
    let body = json!({"session_id": session, "seats": ["1-1", "1-2"]});
    expect(app.post_as(&buyer, "/orders", &body).await, StatusCode::CREATED).await;
    let text = app.get("//metrics").await.text().await.unwrap();
    for (gauge, seats) in [("available", 3), ("locked", 2), ("sold", 0)] {
        let line = format!("ticket_inventory_{gauge}_seats{{session=\"{session}\"}} {seats}");
        assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
    }
    // With the sale its figures go, instead of staying at their last value.
    app.write(move |connection| {
        Box::pin(async move {
            let end = "UPDATE sessions SET sale_opens_at = 0, sale_closes_at = 1 WHERE id = $1";
            ticketing::storage::sql::query(end).bind(session).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    let text = app.get("//metrics").await.text().await.unwrap();
    assert!(!text.contains(&session.to_string()), "{text}");
}

#[tokio::test]
async fn what_a_sale_needs_is_loaded_before_it_opens() {
    let app = TestApp::start().await;
    let now = Millis::now();
    let (hour, minutes) = (Duration::from_secs(3_600), |count: u64| Duration::from_secs(60 * count));
    let opens = move |session: &mut NewSession| {
        session.sale_opens_at = now.plus(hour);
        session.sale_closes_at = now.plus(2 * hour);
    };
    let (soon, later) = (app.hall_with(30, opens).await, app.hall_with(20, opens).await);
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE sessions SET published = 0 WHERE id = $1").bind(later).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    let (database, catalog) = (app.app.database.clone(), app.app.catalog.clone());
    let ahead = Ahead::new(database, catalog, app.app.inventory.clone(), minutes(10));
    let seats = async |session| app.app.ledger.counts(session).await.unwrap().map(|counts| counts.seats);

    assert!(ahead.load(now).await.unwrap().is_empty(), "not within ten minutes");
    assert!(ahead.load(now.plus(minutes(49))).await.unwrap().is_empty());
    assert_eq!(seats(soon).await, None, "nobody has asked for it");
    assert_eq!(ahead.load(now.plus(minutes(51))).await.unwrap(), [soon], "and not what nobody can find");
    assert_eq!((seats(soon).await, seats(later).await), (Some(30), None));
    // The plan is here, too: without its rows in the database it is still shown. Nobody tells the catalog.
    let gone = app.app.database.write.run::<_, Problem, _>(|connection| {
        Box::pin(async move {
            query("DELETE FROM plan_seats").execute(connection).await?;
            Ok(())
        })
    });
    gone.await.unwrap();
    let map = expect(app.get(&format!("/sessions/{soon}/seatmap")).await, StatusCode::OK).await;
    assert_eq!(map["seats"].as_array().map(Vec::len), Some(30));
    assert_eq!(ahead.load(now.plus(minutes(59))).await.unwrap(), [soon], "again and again until it opens");
    assert!(ahead.load(now.plus(hour)).await.unwrap().is_empty(), "it has opened");
}

#[tokio::test]
async fn a_server_is_ready_when_what_is_listed_is_loaded_and_says_how_far_it_is() {
    let app = TestApp::start().await;
    let (one, other) = (app.hall(60).await, app.hall(40).await);
    let ready = || async { app.get("//readyz").await };
    expect(ready().await, StatusCode::OK).await;

    // As at a start: nobody has counted what there is. The sweep and the comparison of the stock may have loaded some of it.
    app.app.warmth.begin();
    let problem = expect_problem(ready().await, Code::Unavailable).await;
    assert_eq!(problem["loading"], json!({"loaded": 0, "all": 0}));
    ticketing::warm::load(&app.app).await;
    expect(ready().await, StatusCode::OK).await;
    let text = app.get("//metrics").await.text().await.unwrap();
    for state in ["listed", "loaded"] {
        assert!(text.contains(&format!("ticketing_warm_sessions{{state=\"{state}\"}} 2")), "{text}");
    }
    for (session, seats) in [(one, 60), (other, 40)] {
        let counts = app.app.ledger.counts(session).await.unwrap();
        assert_eq!(counts.map(|counts| counts.seats), Some(seats), "the ledger was not loaded");
    }
    // The plans are here, too: without their rows in the database they are still shown. Nobody tells the catalog.
    let gone = app.app.database.write.run::<_, Problem, _>(|connection| {
        Box::pin(async move {
            query("DELETE FROM plan_seats").execute(connection).await?;
            Ok(())
        })
    });
    gone.await.unwrap();
    for (session, seats) in [(one, 60), (other, 40)] {
        let map = expect(app.get(&format!("/sessions/{session}/seatmap")).await, StatusCode::OK).await;
        assert_eq!(map["seats"].as_array().map(Vec::len), Some(seats), "the plan was not loaded");
    }
}
