//! An authority over HTTP, as the configuration describes it.

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{
    authority::{Answer, Authority, AuthorityError},
    config::AuthorityConfig,
    document::DocumentKind,
    person::Person,
};
use crate::{endpoint::is_here, telemetry::context};

/// Most bytes of an answer.
const MOST: usize = 64 * 1024;

/// Asks the service of the configuration.
#[derive(Debug)]
pub struct HttpAuthority {
    http: reqwest::Client,
    config: AuthorityConfig,
}

impl HttpAuthority {
    /// For that service.
    ///
    /// # Errors
    ///
    /// The HTTP client cannot be set up.
    pub fn new(config: &AuthorityConfig) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().timeout(config.timeout).redirect(reqwest::redirect::Policy::none());
        let http = if is_here(&config.endpoint) { http.no_proxy() } else { http };
        Ok(Self { http: http.build()?, config: config.clone() })
    }

    fn question(&self, person: &Person) -> Value {
        let document = person.document();
        let kind = match document.kind() {
            DocumentKind::CnId => "cn-id",
            DocumentKind::Passport => "passport",
        };
        let members =
            [("name", person.name()), ("kind", kind), ("country", document.country()), ("number", document.number())];
        let renamed = |name: &str| self.config.fields.get(name).map_or(name, String::as_str).to_owned();
        let members = members.into_iter().map(|(name, value)| (renamed(name), Value::from(value)));
        Value::Object(members.filter(|(name, _)| !name.is_empty()).collect::<Map<_, _>>())
    }
}

#[async_trait]
impl Authority for HttpAuthority {
    fn name(&self) -> &'static str {
        "http"
    }

    async fn ask(&self, person: &Person) -> Result<Option<Answer>, AuthorityError> {
        let mut request = self.http.post(&self.config.endpoint).json(&self.question(person));
        if let Some(token) = &self.config.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let mut reply = context::propagate(request).send().await.map_err(reqwest::Error::without_url)?;
        if reply.status() != reqwest::StatusCode::OK {
            return Err(AuthorityError::Refused(reply.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(reqwest::Error::without_url)? {
            if bytes.len() + chunk.len() > MOST {
                return Err(AuthorityError::Nonsense("it has no end"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| AuthorityError::Nonsense("it is not JSON"))?;
        let word = answer.pointer(&self.config.answer).and_then(Value::as_str);
        let word = word.ok_or(AuthorityError::Nonsense("there is no word where it should be"))?;
        match word {
            _ if word == self.config.matches => Ok(Some(Answer::Matches)),
            _ if word == self.config.differs => Ok(Some(Answer::Differs)),
            _ if word == self.config.unknown => Ok(None),
            _ => Err(AuthorityError::Nonsense("its word is none of the three")),
        }
    }
}
