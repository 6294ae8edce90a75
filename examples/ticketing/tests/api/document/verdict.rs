//! What an answer may be.

use reqwest::Response;
use serde_json::Value;

use super::abuse::Case;

/// What is wrong with an answer.
pub struct Defect {
    pub kind: String,
    pub text: String,
}

/// An answer that the document describes, and never a failure.
pub async fn judge(document: &Value, case: &Case, answer: Result<Response, reqwest::Error>) -> Result<(), Defect> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Err(Defect { kind: "no answer".to_owned(), text: format!("{error:?}") }),
    };
    let status = answer.status();
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (kind, declared) = (header("content-type"), declared(document, case, status.as_str()));
    if status.is_success() && kind.starts_with("text/event-stream") {
        // It lasts.
        return declared;
    }
    let text = match answer.text().await {
        Ok(text) => text,
        Err(error) => return Err(Defect { kind: format!("{status} without its body"), text: error.to_string() }),
    };
    let defect = |what: String| Defect { kind: what, text: text.chars().take(600).collect() };
    // Whether it can sell is what is asked there.
    if status.is_server_error() && case.route != "/readyz" {
        return Err(defect(format!("answers {status}")));
    }
    declared.map_err(|found| defect(found.kind))?;
    if !status.is_client_error() {
        return Ok(());
    }
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let known = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    let code = problem["code"].as_str().unwrap_or_default();
    let is_known = known.as_array().is_some_and(|codes| codes.iter().any(|known| known == code));
    if kind != "application/problem+json" || problem["status"] != status.as_u16() || !is_known {
        return Err(defect(format!("{status} is no problem document")));
    }
    // What was sent may come back in a text, a way in must not.
    let leaks = ["sqlx", "sea_orm", "SELECT ", "INSERT ", "panicked", "/src/"];
    match leaks.iter().find(|leak| text.contains(**leak)) {
        Some(leak) => Err(defect(format!("{status} tells of `{leak}`"))),
        None => Ok(()),
    }
}

fn declared(document: &Value, case: &Case, status: &str) -> Result<(), Defect> {
    let operation = &document["paths"][&case.route][case.method.as_str().to_ascii_lowercase()];
    if operation["responses"].get(status).is_some() {
        return Ok(());
    }
    Err(Defect { kind: format!("answers {status}, of which the document says nothing"), text: String::new() })
}
