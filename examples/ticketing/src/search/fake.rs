//! A search server as the documentation of OpenSearch describes it, as far as [`OpenSearch`](super::OpenSearch) asks it. It knows
//! the queries and bodies that stand here, and refuses all others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{post, put},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What the server has, and what it has seen.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Documents by identifier; nothing where there is no index.
    pub(super) documents: Option<BTreeMap<String, Value>>,
    /// The requests: path, and who asked.
    pub(super) seen: Vec<(String, Option<String>)>,
    /// What the next requests are answered instead.
    pub(super) answers: Vec<(StatusCode, Value)>,
}

/// The server. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Fake(pub(super) Arc<Mutex<Inside>>);

impl Fake {
    /// Opens it, and gives its address.
    pub(super) async fn open() -> (Self, String) {
        let fake = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/{index}", put(create))
            .route("/{index}/_bulk", post(bulk))
            .route("/{index}/_search", post(search))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (fake, url)
    }

    fn asked(&self, path: String, headers: &HeaderMap) -> Option<Response> {
        let mut inside = self.0.lock();
        let by = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        inside.seen.push((path, by));
        (!inside.answers.is_empty()).then(|| {
            let (status, body) = inside.answers.remove(0);
            (status, axum::Json(body)).into_response()
        })
    }
}

fn error(status: StatusCode, kind: &str) -> Response {
    (status, axum::Json(json!({"error": {"type": kind}, "status": status.as_u16()}))).into_response()
}

async fn create(State(fake): State<Fake>, Path(index): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(answer) = fake.asked(format!("PUT {index}"), &headers) {
        return answer;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["settings"]["analysis"]["analyzer"]["words"]["tokenizer"], "whitespace");
    assert_eq!(body["mappings"]["properties"]["title"], json!({"type": "text", "analyzer": "words"}));
    let mut inside = fake.0.lock();
    if inside.documents.is_some() {
        return error(StatusCode::BAD_REQUEST, "resource_already_exists_exception");
    }
    inside.documents = Some(BTreeMap::new());
    axum::Json(json!({"acknowledged": true})).into_response()
}

async fn bulk(State(fake): State<Fake>, Path(index): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(answer) = fake.asked(format!("BULK {index}"), &headers) {
        return answer;
    }
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let body = std::str::from_utf8(&body).unwrap();
    assert!(body.ends_with('\n'), "the last line ends as well");
    let mut lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut inside, mut items) = (fake.0.lock(), Vec::new());
    // As servers do unless they are told not to.
    let documents = inside.documents.get_or_insert_default();
    while let Some(action) = lines.next() {
        let (name, target) = action.as_object().unwrap().iter().next().unwrap();
        let id = target["_id"].as_str().unwrap().to_owned();
        let status = match name.as_str() {
            "index" => {
                documents.insert(id.clone(), lines.next().unwrap());
                201
            }
            "delete" => documents.remove(&id).map_or(404, |_| 200),
            other => panic!("{other}"),
        };
        items.push(json!({ name: {"_id": id, "status": status} }));
    }
    axum::Json(json!({"took": 1, "errors": false, "items": items})).into_response()
}

async fn search(State(fake): State<Fake>, Path(index): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(answer) = fake.asked(format!("SEARCH {index}"), &headers) {
        return answer;
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let inside = fake.0.lock();
    let Some(documents) = &inside.documents else {
        return error(StatusCode::NOT_FOUND, "index_not_found_exception");
    };
    let after = asked["search_after"][0].as_str().unwrap_or_default();
    let size = usize::try_from(asked["size"].as_u64().unwrap()).unwrap();
    assert!(size <= 10_000, "more than servers give");
    let found = documents.iter().filter(|(id, _)| id.as_str() > after);
    let found = found.filter_map(|(id, document)| Some((id, document, score(&asked["query"], document)?)));
    let mut found: Vec<_> = found.collect();
    let sorted = asked.get("sort").is_some();
    if sorted {
        assert_eq!(asked["sort"], json!([{"show": "asc"}]));
    } else {
        found.sort_by(|one, other| other.2.total_cmp(&one.2));
    }
    let hits = found.into_iter().take(size).map(|(id, document, score)| {
        let source = asked["_source"].is_array().then(|| json!({"digest": document["digest"]}));
        json!({"_index": index, "_id": id, "_score": if sorted { Value::Null } else { json!(score) }, "_source": source})
    });
    let hits: Vec<_> = hits.collect();
    axum::Json(json!({
        "took": 1, "timed_out": false, "_shards": {"total": 1, "successful": 1, "failed": 0}, "hits": {"hits": hits},
    }))
    .into_response()
}

/// How well a document answers; nothing if it does not.
fn score(query: &Value, document: &Value) -> Option<f64> {
    let (kind, of) = query.as_object().unwrap().iter().next().unwrap();
    let all = |list: &Value| list.as_array().unwrap().iter().map(|one| score(one, document)).collect::<Vec<_>>();
    match kind.as_str() {
        "match_all" => Some(1.0),
        "bool" if of.get("must").is_some() => all(&of["must"]).into_iter().sum(),
        "bool" => {
            let found: Vec<f64> = all(&of["should"]).into_iter().flatten().collect();
            (!found.is_empty()).then(|| found.iter().sum())
        }
        "dis_max" => {
            let found: Vec<f64> = all(&of["queries"]).into_iter().flatten().collect();
            let best = found.iter().copied().reduce(f64::max)?;
            Some(best + of["tie_breaker"].as_f64().unwrap() * (found.iter().sum::<f64>() - best))
        }
        "constant_score" => score(&of["filter"], document).map(|_| of["boost"].as_f64().unwrap()),
        "term" => word(of, document, |word, wanted, _| word == wanted),
        "prefix" => word(of, document, |word, wanted, _| word.starts_with(wanted)),
        "fuzzy" => word(of, document, |word, wanted, mistakes| distance(word, wanted) <= mistakes),
        other => panic!("a query `{other}`"),
    }
}

fn word(of: &Value, document: &Value, is: impl Fn(&str, &str, u64) -> bool) -> Option<f64> {
    let (field, wanted) = of.as_object().unwrap().iter().next().unwrap();
    let value = wanted.as_str().or(wanted["value"].as_str()).unwrap();
    let mistakes = wanted["fuzziness"].as_u64().unwrap_or_default();
    let texts = document[field].as_array().unwrap();
    let words: BTreeSet<&str> = texts.iter().flat_map(|text| text.as_str().unwrap().split_whitespace()).collect();
    words.iter().any(|word| is(word, value, mistakes)).then(|| wanted["boost"].as_f64().unwrap_or(1.0))
}

/// Insertions, deletions, substitutions, and neighbours that changed places.
fn distance(one: &str, other: &str) -> u64 {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let same = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    u64::try_from(rows[one.len()][other.len()]).unwrap()
}
