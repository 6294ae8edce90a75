//! Every operation of the served document gets bad and odd requests, made from its own description: none of them is
//! a failure of the server's, all are answered as the document says, and the shop sells on.
//!
//! `TICKETING_SEED` repeats or varies a run; the seed is printed. `TICKETING_SECONDS` makes it longer: by then, what is left is left
//! out.

mod abuse;
mod things;
mod values;
mod verdict;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::common::{TestApp, expect};
use abuse::{Case, cases};
use futures_util::{StreamExt, stream};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::{Client, StatusCode, header::HeaderValue, redirect::Policy};
use serde_json::json;
use things::Things;
use verdict::judge;

/// So many requests are under way at once.
const AT_ONCE: usize = 8;
/// Every operation is asked so often, however long it takes.
const LEAST: usize = 3;
/// What is more than that and not asked by then is left out.
const BUDGET: u64 = 40;
/// Whoever is told that the server is busy comes back, as the answer says, so many times. Then it is no longer busy but broken.
const PATIENT: u32 = 4;
/// No answer by then is a hang.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn nothing_that_anybody_sends_makes_the_server_fail() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("TICKETING_SEED").unwrap_or(20_270_501);
    // On another database it is about what that does with odd texts.
    let usual = if env!("CARGO_CRATE_NAME") == "postgres" { BUDGET / 3 } else { BUDGET };
    let budget = Duration::from_secs(number("TICKETING_SECONDS").unwrap_or(usual));
    println!("TICKETING_SEED={seed}");
    let app = TestApp::start_with(|config| {
        config.refund.review = true;
        // Limits would answer for the handlers.
        let rule = json!({"rate": 1_000_000, "per": "1s", "burst": 1_000_000});
        let names = ["login.ip", "login.account", "register.ip", "order.ip", "order.user", "challenge.user"];
        let rules: BTreeMap<_, _> = names.iter().map(|name| (name, &rule)).collect();
        config.rate_limit = serde_json::from_value(json!({ "rules": rules })).unwrap();
    })
    .await;
    let things = Things::of(&app).await;
    let document = expect(app.get("//api/openapi.json").await, StatusCode::OK).await;
    let client = Client::builder().timeout(DEADLINE).redirect(Policy::none()).no_proxy().build().unwrap();

    let mut rng = StdRng::seed_from_u64(seed);
    let cases = cases(&document, &things, &mut rng);
    let operations: BTreeMap<String, usize> = cases.iter().map(|case| (case.operation(), 0)).collect();
    assert!(operations.len() > 50, "{operations:?}");
    let cases = in_turns(cases, &mut rng);
    let (begun, planned) = (Instant::now(), cases.len());
    let least = LEAST * operations.len();
    let in_time = |(turn, _): &(usize, Case)| std::future::ready(*turn < least || begun.elapsed() < budget);
    let asked = stream::iter(cases.into_iter().enumerate()).take_while(in_time).map(|(_, case)| {
        let (client, url, document) = (&client, &app.url, &document);
        async move {
            let mut verdict = Ok(());
            for _ in 0..PATIENT {
                let Some(answer) = send(client, url, &case).await else { break };
                let busy = answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE);
                verdict = judge(document, &case, answer).await;
                if !busy {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            (case, verdict)
        }
    });
    let mut asked_of = operations;
    let mut defects: BTreeMap<String, String> = BTreeMap::new();
    let mut asked = asked.buffer_unordered(AT_ONCE);
    while let Some((case, verdict)) = asked.next().await {
        *asked_of.get_mut(&case.operation()).unwrap() += 1;
        if let Err(defect) = verdict {
            // One example of each is enough.
            defects
                .entry(format!("{} {}", case.operation(), defect.kind))
                .or_insert_with(|| format!("{case}\n    {}", defect.text));
        }
    }
    let done: usize = asked_of.values().sum();
    println!("{done} of {planned} requests to {} operations in {:?}", asked_of.len(), begun.elapsed());
    assert!(
        defects.is_empty(),
        "{} defects with TICKETING_SEED={seed}:\n{}",
        defects.len(),
        defects.iter().map(|(what, example)| format!("{what}\n    {example}\n")).collect::<String>()
    );
    let neglected: Vec<_> = asked_of.iter().filter(|(_, times)| **times < LEAST).collect();
    assert!(neglected.is_empty(), "{neglected:?}");
    things::sells(&app).await;
}

/// Each operation has its turn before any has the next.
fn in_turns(cases: Vec<Case>, rng: &mut StdRng) -> Vec<Case> {
    let mut by_operation: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        by_operation.entry(case.operation()).or_default().push(case);
    }
    let mut turns: Vec<(usize, Case)> = Vec::new();
    for (_, mut cases) in by_operation {
        cases.shuffle(rng);
        turns.extend(cases.into_iter().enumerate());
    }
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, case)| case).collect()
}

/// The answer, unless the client's own library refuses to send such a thing.
async fn send(client: &Client, url: &str, case: &Case) -> Option<Result<reqwest::Response, reqwest::Error>> {
    let mut request = client.request(case.method.clone(), format!("{url}{}", case.target));
    for (name, value) in &case.headers {
        request = request.header(*name, HeaderValue::from_bytes(value).ok()?);
    }
    if let Some(body) = &case.body {
        request = request.body(body.clone());
    }
    let request = request.build().ok()?;
    Some(client.execute(request).await)
}
