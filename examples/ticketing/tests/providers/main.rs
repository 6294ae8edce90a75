//! The providers over the network, against stand-ins that check every signature, answer as documented and sign what they say.
#![allow(
    clippy::expect_used,
    clippy::future_not_send,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod alipay;
mod alipay_client;
#[path = "../common/mod.rs"]
mod common;
mod keys;
mod sale;
mod wechat;
mod wechat_client;

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures_util::{StreamExt, stream};
use ticketing::{
    clock::Millis,
    ids::PaymentId,
    money::{Currency, Money},
    payment::provider::Charge,
};

/// How long the clients wait for an answer when the test wants to see them give up.
const PATIENCE: Duration = Duration::from_millis(300);
/// Nothing takes longer than this, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(60);

/// How a stand-in behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Fine,
    /// Signs with somebody else's key.
    Forged,
    /// Signs as if an hour ago.
    Old,
    /// Does what it is asked for, and never answers.
    Silent,
    /// Does what it is asked for, and stops in the middle of its answer.
    Half,
    /// Something in front of it answers in its own name.
    Away,
}

/// What a client sees of an answer.
async fn told(mood: Mood, answer: Response) -> Response {
    match mood {
        Mood::Silent => std::future::pending().await,
        Mood::Half => {
            let (parts, body) = answer.into_parts();
            let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let half: Bytes = whole.slice(..whole.len() / 2);
            let half = stream::once(async move { Ok::<_, std::io::Error>(half) }).chain(stream::pending());
            Response::from_parts(parts, Body::from_stream(half))
        }
        Mood::Away => Response::builder().status(502).body(Body::from("<html>Bad gateway</html>")).unwrap(),
        Mood::Fine | Mood::Forged | Mood::Old => answer,
    }
}

fn cny(minor: i64) -> Money {
    Money { minor, currency: Currency::CNY }
}

fn a_charge() -> Charge {
    let expires_at = Millis::now().plus(Duration::from_secs(900));
    Charge { payment: PaymentId::new(), amount: cny(76_000), expires_at }
}
