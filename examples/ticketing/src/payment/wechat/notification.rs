//! What notifications say, once they are opened.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

use super::{charge_state, fen, returned};
use crate::{
    ids::{PaymentId, RefundId},
    payment::provider::{BadNotification, ChargeState, News, Notification},
};

/// Opens what is sealed with the key of version 3.
pub(super) struct Sealed(LessSafeKey);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(..)")
    }
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    event_type: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    algorithm: String,
    ciphertext: String,
    nonce: String,
    #[serde(default)]
    associated_data: String,
}

impl Sealed {
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    fn open(&self, resource: &Resource) -> Option<Value> {
        let mut text = BASE64_STANDARD.decode(&resource.ciphertext).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(resource.nonce.as_bytes()).ok()?;
        let aad = Aad::from(resource.associated_data.as_bytes());
        let opened = self.0.open_in_place(nonce, aad, &mut text).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

/// Reads a notification whose signature was checked.
pub(super) fn read(sealed: &Sealed, app: &str, merchant: &str, body: &[u8]) -> Result<Notification, BadNotification> {
    let malformed = |what: &str| BadNotification::Malformed(what.to_owned());
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|error| BadNotification::Malformed(error.to_string()))?;
    if envelope.resource.algorithm != "AEAD_AES_256_GCM" {
        return Err(malformed("an unknown algorithm"));
    }
    let said = sealed.open(&envelope.resource).ok_or_else(|| malformed("the resource cannot be opened"))?;
    if said["mchid"].as_str() != Some(merchant) {
        return Err(malformed("it speaks to another merchant"));
    }
    let news = if envelope.event_type.starts_with("TRANSACTION.") {
        if said["appid"].as_str() != Some(app) {
            return Err(malformed("it speaks of another application"));
        }
        charge(&said, merchant).ok_or_else(|| malformed("a charge that is not understood"))?
    } else if envelope.event_type.starts_with("REFUND.") {
        refund(&said).ok_or_else(|| malformed("a refund that is not understood"))?
    } else {
        News::Nothing
    };
    Ok(Notification { id: envelope.id, news })
}

fn charge(said: &Value, merchant: &str) -> Option<News> {
    let payment = PaymentId(uuid::Uuid::parse_str(said["out_trade_no"].as_str()?).ok()?);
    Some(match charge_state(said, merchant)? {
        ChargeState::Paid(taken) => News::Charge { payment, txn: taken.txn, amount: taken.amount, paid: true },
        ChargeState::Declined => {
            News::Charge { payment, txn: String::new(), amount: fen(&said["amount"], "total")?, paid: false }
        }
        ChargeState::Open | ChargeState::Closed | ChargeState::Unknown => News::Nothing,
    })
}

fn refund(said: &Value) -> Option<News> {
    let refund = RefundId(uuid::Uuid::parse_str(said["out_refund_no"].as_str()?).ok()?);
    Some(News::Refund { refund, outcome: returned(said)? })
}
