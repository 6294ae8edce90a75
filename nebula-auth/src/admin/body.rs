//! What requests carry.

use std::time::SystemTime;

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::answer::Failure;

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Failure::Invalid(rejection.status(), rejection.body_text())),
        }
    }
}

/// The query.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Failure::Invalid(rejection.status(), rejection.body_text())),
        }
    }
}

/// The names in the path: names of roles, ids and permissions say themselves what they may be.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(rejection) => Err(Failure::Invalid(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// Which part of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) after: Option<String>,
    limit: Option<u32>,
}

/// At most this many at once.
const MOST: u32 = 200;

pub(super) fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(50).clamp(1, MOST)
}

impl Part {
    pub(super) fn limit(&self) -> u32 {
        limit(self.limit)
    }
}

/// Until when something is given.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Until {
    #[serde(default, deserialize_with = "time")]
    pub(super) until: Option<SystemTime>,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SystemTime>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let read = |text: String| humantime::parse_rfc3339_weak(&text).map_err(serde::de::Error::custom);
    text.map(read).transpose()
}

/// As RFC 3339, in UTC.
pub(super) fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
