//! A search server: OpenSearch or Elasticsearch, which share what is used here.
//!
//! The words are those of the index in memory: texts are split and folded here, and the server gets them with spaces in between,
//! so that both find the same shows. It keeps one document for each show, by the show's identifier.
//!
//! Wire format: <https://docs.opensearch.org/latest/api-reference/>, sections Create index, Bulk and Search, and its query DSL;
//! <https://www.elastic.co/docs/api/doc/elasticsearch/> has the same.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header::CONTENT_TYPE};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    config::OpenSearchConfig,
    domain::{Entry, Field},
    engine::{EngineError, Hit, SearchEngine},
    words::{Word, Words, mistakes, plain, searchable},
};
use crate::{
    breaker::{Breaker, Circuit, LeftAlone},
    endpoint::is_here,
    ids::ShowId,
    telemetry::context,
};

/// Most hits of an answer: what servers give unless they are told otherwise.
const MOST_HITS: usize = 10_000;
/// Documents of one answer, where all are looked through.
const PAGE: usize = 1_000;
/// Bytes of one bulk request, but for its last document.
const BULK: usize = 4 << 20;
/// Most bytes of an answer.
const MOST_BYTES: usize = 64 << 20;
/// How long writing may take.
const WRITING: Duration = Duration::from_secs(30);

/// Finds shows on a search server, which several processes may share.
#[derive(Debug)]
pub struct OpenSearch {
    http: reqwest::Client,
    config: OpenSearchConfig,
    breaker: Breaker,
}

impl From<LeftAlone> for EngineError {
    fn from(alone: LeftAlone) -> Self {
        Self::new("it is left alone").caused_by(alone)
    }
}

#[derive(Deserialize)]
struct Found {
    hits: Hits,
    /// Some shards may have been silent: what they have is missing.
    #[serde(rename = "_shards")]
    shards: Shards,
    timed_out: bool,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_score")]
    score: Option<f32>,
    #[serde(rename = "_source")]
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    digest: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Cause,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Written {
    items: Vec<HashMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
}

impl OpenSearch {
    /// The server of the configuration.
    ///
    /// # Errors
    ///
    /// The HTTP client cannot be set up.
    pub fn new(config: &OpenSearchConfig) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = if is_here(&config.url) { http.no_proxy() } else { http };
        Ok(Self { http: http.build()?, config: config.clone(), breaker: Breaker::new("search server") })
    }

    /// What guards it.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.breaker.circuit()
    }

    fn request(&self, method: Method, path: &str, timeout: Duration) -> RequestBuilder {
        let OpenSearchConfig { url, index, username, password, api_key, .. } = &self.config;
        let request = self.http.request(method, format!("{}/{index}{path}", url.trim_end_matches('/')));
        let request = match (username, password, api_key) {
            (Some(name), Some(password), _) => request.basic_auth(name, Some(password.expose_secret())),
            (_, _, Some(key)) => request.header("authorization", format!("ApiKey {}", key.expose_secret())),
            _ => request,
        };
        context::propagate(request.timeout(timeout))
    }

    /// The answer to a question; nothing where there is no index.
    async fn search(&self, question: &Value) -> Result<Option<Vec<Document>>, EngineError> {
        let asked = async {
            let request = self.request(Method::POST, "/_search", self.config.timeout).json(question);
            let (status, body) = answered(request).await?;
            if status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            good(status)?;
            let found: Found = read(&body)?;
            if found.timed_out || found.shards.failed > 0 {
                return Err(EngineError::new("a part of the index did not answer"));
            }
            Ok(Some(found.hits.hits))
        };
        self.breaker.call(asked, |_| true).await
    }

    /// Makes the index, unless another process was quicker.
    async fn create(&self) -> Result<(), EngineError> {
        let text = json!({"type": "text", "analyzer": "words"});
        let mut properties = json!({"show": {"type": "keyword"}, "digest": {"type": "keyword", "index": false}});
        for field in Field::ALL {
            properties[name(field)] = text.clone();
        }
        let body = json!({
            "settings": {
                "number_of_shards": 1,
                "auto_expand_replicas": "0-1",
                "analysis": {"analyzer": {"words": {"type": "custom", "tokenizer": "whitespace"}}},
            },
            "mappings": {"dynamic": "strict", "properties": properties},
        });
        let (status, body) = answered(self.request(Method::PUT, "", WRITING).json(&body)).await?;
        let refused: Option<Refused> = serde_json::from_slice(&body).ok();
        match refused {
            // By another process.
            Some(Refused { error }) if error.kind == "resource_already_exists_exception" => Ok(()),
            _ => good(status),
        }
    }

    /// Does these lines of a bulk request, and shows what they changed.
    async fn bulk(&self, lines: String) -> Result<(), EngineError> {
        let request = self.request(Method::POST, "/_bulk?refresh=true", WRITING);
        let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(lines);
        let (status, body) = answered(request).await?;
        good(status)?;
        let written: Written = read(&body)?;
        let failed = |item: &&Item| item.status >= 300 && item.status != 404;
        match written.items.iter().flat_map(HashMap::values).find(failed) {
            None => Ok(()),
            Some(item) => Err(EngineError::new(format!("a document was not written: {}", item.status))),
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), EngineError> {
        let held = match self.all().await? {
            Some(held) => held,
            None => {
                self.create().await?;
                HashMap::new()
            }
        };
        let mut lines = String::new();
        let mut known = HashSet::new();
        for entry in entries {
            known.insert(entry.show.id);
            if held.get(&entry.show.id) == Some(&entry.digest()) {
                continue;
            }
            lines += &format!("{}\n{}\n", json!({"index": {"_id": entry.show.id}}), document(entry));
            if lines.len() >= BULK {
                self.bulk(std::mem::take(&mut lines)).await?;
            }
        }
        for show in held.keys().filter(|show| !known.contains(show)) {
            lines += &format!("{}\n", json!({"delete": {"_id": show}}));
        }
        if lines.is_empty() { Ok(()) } else { self.bulk(lines).await }
    }

    /// All documents with their digests; nothing where there is no index.
    async fn all(&self) -> Result<Option<HashMap<ShowId, u64>>, EngineError> {
        let mut held = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let mut question = json!({
                "size": PAGE, "_source": ["digest"], "query": {"match_all": {}}, "sort": [{"show": "asc"}],
            });
            if let Some(after) = &after {
                question["search_after"] = json!([after]);
            }
            let Some(page) = self.search(&question).await? else { return Ok(after.map(|_| held)) };
            let full = page.len() == PAGE;
            after = page.last().map(|last| last.id.clone()).or(after);
            for document in page {
                let digest = document.source.and_then(|source| source.digest.parse().ok());
                // What cannot be read is not what it should be: zero is no digest of ours, but for one in very many.
                held.insert(show(&document.id)?, digest.unwrap_or_default());
            }
            if !full {
                return Ok(Some(held));
            }
        }
    }
}

#[async_trait]
impl SearchEngine for OpenSearch {
    async fn replace(&self, entries: Arc<[Entry]>) -> Result<(), EngineError> {
        self.write(&entries).await
    }

    async fn find(&self, words: &Words) -> Result<Vec<Hit>, EngineError> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let all: Vec<Value> = words.iter().map(word).collect();
        let question = json!({
            "size": MOST_HITS, "_source": false, "track_total_hits": false, "query": {"bool": {"must": all}},
        });
        let found = self.search(&question).await?.ok_or_else(|| EngineError::new("there is no index"))?;
        let hit = |found: Document| Ok(Hit { show: show(&found.id)?, score: found.score.unwrap_or_default() });
        found.into_iter().map(hit).collect()
    }

    async fn held(&self) -> Result<HashMap<ShowId, u64>, EngineError> {
        Ok(self.all().await?.unwrap_or_default())
    }
}

fn good(status: StatusCode) -> Result<(), EngineError> {
    if status.is_success() { Ok(()) } else { Err(EngineError::new(format!("it answered {}", status.as_u16()))) }
}

/// An answer.
async fn answered(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), EngineError> {
    let broken = |error: reqwest::Error| EngineError::new("no answer").caused_by(error.without_url());
    let mut reply: Response = request.send().await.map_err(broken)?;
    let status = reply.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(EngineError::new("an answer without an end"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((status, bytes))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EngineError> {
    serde_json::from_slice(body).map_err(|error| EngineError::new("it was not understood").caused_by(error))
}

fn show(id: &str) -> Result<ShowId, EngineError> {
    id.parse().map_err(|error: uuid::Error| EngineError::new("a document is no show").caused_by(error))
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Artist => "artist",
        Field::Place => "place",
        Field::Genre => "genre",
        Field::Description => "description",
    }
}

/// A show as the server keeps it.
fn document(entry: &Entry) -> Value {
    let mut document = json!({"show": entry.show.id, "digest": entry.digest().to_string()});
    for field in Field::ALL {
        let texts: Vec<String> = entry.texts(field).into_iter().map(searchable).collect();
        document[name(field)] = json!(texts);
    }
    document
}

/// A word in one field or another, as the index in memory weighs it.
fn word(word: &Word) -> Value {
    let text = plain(word);
    let ways = Field::ALL.into_iter().flat_map(|field| ways(&text, word, field)).collect::<Vec<_>>();
    json!({"dis_max": {"tie_breaker": 0.1, "queries": ways}})
}

fn ways(text: &str, word: &Word, field: Field) -> Vec<Value> {
    let (field, weight) = (name(field), field.weight());
    let constant = |filter: Value, score: f32| json!({"constant_score": {"filter": filter, "boost": score * weight}});
    let term = json!({"term": {field: {"value": text, "boost": weight}}});
    let mut ways = vec![json!({"bool": {"should": [constant(json!({"term": {field: text}}), 3.0), term]}})];
    let Some(mistakes) = mistakes(word, text) else { return ways };
    ways.push(constant(json!({"prefix": {field: text}}), 2.0));
    if mistakes > 0 {
        ways.push(constant(
            json!({"fuzzy": {field: {"value": text, "fuzziness": mistakes, "transpositions": true}}}),
            0.5,
        ));
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::{
        super::{fake::Fake, suite},
        *,
    };

    fn config(url: &str) -> OpenSearchConfig {
        serde_json::from_value(json!({"url": url})).unwrap()
    }

    async fn served() -> (Fake, OpenSearch) {
        let (fake, url) = Fake::open().await;
        (fake, OpenSearch::new(&config(&url)).unwrap())
    }

    #[tokio::test]
    async fn only_what_it_was_given_last_is_found() {
        let (_fake, server) = served().await;
        suite::only_what_it_was_given_last_is_found(&server).await;
    }

    #[tokio::test]
    async fn the_word_itself_comes_before_beginnings_and_these_before_slips() {
        let (_fake, server) = served().await;
        suite::the_word_itself_comes_before_beginnings_and_these_before_slips(&server).await;
    }

    #[tokio::test]
    async fn words_of_every_script_are_found_without_accents_and_years_are_exact() {
        let (_fake, server) = served().await;
        suite::words_of_every_script_are_found_without_accents_and_years_are_exact(&server).await;
    }

    #[tokio::test]
    async fn what_it_has_already_is_not_written_again_and_another_process_may_be_quicker() {
        let (fake, one) = served().await;
        let other = OpenSearch::new(&one.config).unwrap();
        let shows: Arc<[Entry]> = (0..2_500).map(|number| suite::entry(&format!("Show {number}"), "")).collect();
        assert!(one.find(&Words::of("show")).await.is_err(), "without an index it does not say that there is nothing");
        let (first, second) = tokio::join!(one.replace(Arc::clone(&shows)), other.replace(Arc::clone(&shows)));
        first.and(second).unwrap();
        assert_eq!(one.held().await.unwrap().len(), 2_500, "by several pages");
        assert_eq!(other.find(&Words::of("show")).await.unwrap().len(), 2_500);
        fake.0.lock().seen.clear();
        one.replace(shows).await.unwrap();
        assert!(fake.0.lock().seen.iter().all(|(path, _)| path.starts_with("SEARCH")), "nothing had to be written");
        // Somebody removes the index: it is made anew.
        fake.0.lock().documents = None;
        assert!(one.held().await.unwrap().is_empty());
        one.replace(Arc::new([suite::entry("Jazz", "")])).await.unwrap();
        assert_eq!(one.find(&Words::of("jazz")).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn half_an_answer_is_none_and_who_fails_again_and_again_is_left_alone() {
        let (fake, server) = served().await;
        server.replace(Arc::new([suite::entry("Jazz", "")])).await.unwrap();
        let words = Words::of("jazz");
        let shards = |failed: u64, late: bool| {
            (StatusCode::OK, json!({"timed_out": late, "_shards": {"failed": failed}, "hits": {"hits": []}}))
        };
        let no = (StatusCode::FORBIDDEN, json!({"error": {"reason": "not you"}}));
        let answers = [shards(1, false), shards(0, true), no, (StatusCode::OK, json!({"hits": "none"}))];
        for answer in answers {
            fake.0.lock().answers.push(answer);
            let told = server.find(&words).await.unwrap_err().to_string();
            assert!(!told.contains("not you"), "{told}");
            // One failure among several is no reason to leave it alone.
            for _ in 0..4 {
                server.find(&words).await.unwrap();
            }
        }
        fake.0.lock().documents = None;
        let wrong = (StatusCode::BAD_REQUEST, json!({"error": {"type": "illegal_argument_exception"}, "status": 400}));
        let none = (StatusCode::NOT_FOUND, json!({}));
        fake.0.lock().answers.extend([none, wrong]);
        let told = server.replace(Arc::new([suite::entry("Soul", "")])).await.unwrap_err().to_string();
        assert!(
            told.contains("400") && fake.0.lock().documents.is_none(),
            "nothing is written without an index: {told}"
        );
        let failed = json!({"items": [{"index": {"status": 201}}, {"index": {"status": 429}}]});
        fake.0.lock().answers.extend([shards(0, false), (StatusCode::OK, failed)]);
        let told = server.replace(Arc::new([suite::entry("Blues", "")])).await.unwrap_err().to_string();
        assert!(told.contains("429"), "{told}");
        fake.0.lock().answers.extend(vec![(StatusCode::SERVICE_UNAVAILABLE, json!({})); 5]);
        for _ in 0..5 {
            server.find(&words).await.unwrap_err();
        }
        let asked = fake.0.lock().seen.len();
        let told = chained(&server.find(&words).await.unwrap_err());
        assert!(told.contains("left alone"), "{told}");
        assert_eq!(fake.0.lock().seen.len(), asked, "nobody was asked");
        assert_eq!(server.circuit().state(), "open");
    }

    fn chained(error: &EngineError) -> String {
        crate::problem::chain(error).to_string()
    }

    #[tokio::test]
    async fn a_password_or_a_key_is_sent_and_shown_nowhere() {
        let (fake, url) = Fake::open().await;
        let mut by_name = config(&url);
        (by_name.username, by_name.password) = (Some("tickets".into()), Some("open sesame".into()));
        let mut by_key = config(&url);
        by_key.api_key = Some("a2V5".into());
        for (config, sent) in [(by_name, "Basic dGlja2V0czpvcGVuIHNlc2FtZQ=="), (by_key, "ApiKey a2V5")] {
            let server = OpenSearch::new(&config).unwrap();
            assert!(server.held().await.unwrap().is_empty());
            let (path, by) = fake.0.lock().seen.pop().unwrap();
            assert_eq!((path.as_str(), by.as_deref()), ("SEARCH ticketing-shows", Some(sent)));
            let shown = format!("{server:?}");
            assert!(!shown.contains("sesame") && !shown.contains("a2V5"), "{shown}");
        }
        let nobody = OpenSearch::new(&config("http://127.0.0.1:1")).unwrap();
        let told = chained(&nobody.held().await.unwrap_err());
        assert!(told.contains("no answer") && !told.contains("127.0.0.1"), "{told}");
    }
}
