//! WeChat Pay, version 3 of its interface: the buyer's app reads a QR code ("native").

mod bill;
mod client;
mod notification;

use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, Method};
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use self::{client::Client, notification::Sealed};
use super::{
    provider::{
        Acknowledgement, BadNotification, Charge, ChargeState, Close, Notification, PaymentProvider, ProviderError,
        RefundOrder, Returned, StatementLine, Taken, Till,
    },
    remote::{self, BadAccount, Failure, failed},
    rsa::{SigningKey, VerifyingKey},
};
use crate::{
    clock::Millis,
    day, duration,
    ids::PaymentId,
    money::{Currency, Money},
};

/// A merchant's account at WeChat Pay.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WeChatConfig {
    /// The application's identifier.
    pub app_id: String,
    /// The merchant's number.
    pub merchant_id: String,
    /// Serial number of the merchant's certificate.
    pub serial: String,
    /// The merchant's private key, PEM.
    pub private_key: SecretString,
    /// The key of version 3, 32 bytes: opens notifications.
    pub api_v3_key: SecretString,
    /// Identifier of WeChat Pay's public key, as `PUB_KEY_ID_…`.
    pub public_key_id: String,
    /// WeChat Pay's public key, PEM.
    pub public_key: String,
    /// Where WeChat Pay is.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How long a whole answer may take.
    #[serde(default = "remote::patience", with = "duration")]
    pub timeout: Duration,
}

fn endpoint() -> String {
    "https://api.mch.weixin.qq.com".to_owned()
}

/// WeChat Pay.
#[derive(Debug)]
pub struct WeChat {
    client: Client,
    sealed: Sealed,
    app_id: String,
    merchant: String,
    /// Where notifications are sent.
    callback: String,
}

impl WeChat {
    /// The provider with this account; notifications are sent to `callback`, which must be reachable from outside.
    ///
    /// # Errors
    ///
    /// [`BadAccount`] names the key of the configuration that cannot be used.
    pub fn new(config: &WeChatConfig, callback: String) -> Result<Self, BadAccount> {
        let key = |name| move |error| BadAccount::Key("wechat", name, error);
        let own = SigningKey::read(config.private_key.expose_secret()).map_err(key("private-key"))?;
        let theirs = VerifyingKey::read(&config.public_key).map_err(key("public-key"))?;
        let sealed = Sealed::new(config.api_v3_key.expose_secret().as_bytes()).ok_or(BadAccount::Value(
            "wechat",
            "api-v3-key",
            "has 32 bytes",
        ))?;
        let client = Client::new(config, own, theirs)?;
        Ok(Self { client, sealed, app_id: config.app_id.clone(), merchant: config.merchant_id.clone(), callback })
    }

    async fn charge(&self, payment: PaymentId) -> Result<ChargeState, Failure> {
        let path = format!("/v3/pay/transactions/out-trade-no/{}?mchid={}", payment.0.simple(), self.merchant);
        match self.client.ask(Method::GET, &path, None).await {
            Ok(answer) => charge_state(&answer, &self.merchant).ok_or(Failure::Nonsense("a charge")),
            Err(Failure::Refused { status: 404, .. }) => Ok(ChargeState::Unknown),
            Err(failure) => Err(failure),
        }
    }
}

/// An amount in fen; other currencies are not sold at WeChat Pay.
fn fen(amount: &Value, name: &str) -> Option<Money> {
    let currency = amount["currency"].as_str().map_or(Some(Currency::CNY), Currency::from_code)?;
    Some(Money { minor: amount[name].as_i64()?, currency })
}

fn charge_state(answer: &Value, merchant: &str) -> Option<ChargeState> {
    (answer["mchid"].as_str()? == merchant).then_some(())?;
    Some(match answer["trade_state"].as_str()? {
        // A refunded charge was paid.
        "SUCCESS" | "REFUND" => ChargeState::Paid(Taken {
            txn: answer["transaction_id"].as_str()?.to_owned(),
            amount: fen(&answer["amount"], "total")?,
        }),
        "NOTPAY" | "USERPAYING" => ChargeState::Open,
        "CLOSED" | "REVOKED" => ChargeState::Closed,
        "PAYERROR" => ChargeState::Declined,
        _ => return None,
    })
}

fn returned(answer: &Value) -> Option<Returned> {
    Some(match answer["status"].as_str().or_else(|| answer["refund_status"].as_str())? {
        "SUCCESS" => Returned::Done,
        "PROCESSING" => Returned::Processing,
        "CLOSED" => Returned::Refused("closed by WeChat Pay".to_owned()),
        // The buyer's bank card is gone: the merchant has to act at WeChat Pay, and then it is done.
        "ABNORMAL" => Returned::Processing,
        _ => return None,
    })
}

#[async_trait]
impl PaymentProvider for WeChat {
    fn name(&self) -> &'static str {
        "wechat"
    }

    async fn open(&self, charge: &Charge) -> Result<Till, ProviderError> {
        const OPENING: &str = "opening a charge at WeChat Pay";
        if charge.amount.currency != Currency::CNY {
            return Err(ProviderError::new(OPENING, "WeChat Pay takes yuan only"));
        }
        // Whole seconds, with China's offset.
        let expires = jiff::Timestamp::from_second(charge.expires_at.0.div_euclid(1_000));
        let expires = expires.map_err(|error| ProviderError::new(OPENING, error))?;
        let body = json!({
            "appid": self.app_id,
            "mchid": self.merchant,
            "description": "Tickets",
            "out_trade_no": charge.payment.0.simple().to_string(),
            "time_expire": expires.display_with_offset(day::BILLS).to_string(),
            "notify_url": self.callback,
            "amount": {"total": charge.amount.minor, "currency": "CNY"},
        });
        let answer = self.client.ask(Method::POST, "/v3/pay/transactions/native", Some(body)).await;
        let answer = answer.map_err(failed(OPENING))?;
        let qr = answer["code_url"].as_str().ok_or_else(|| failed(OPENING)(Failure::Nonsense("a charge")))?;
        Ok(Till { url: None, qr: Some(qr.to_owned()) })
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        self.charge(payment).await.map_err(failed("asking WeChat Pay for a charge"))
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        let path = format!("/v3/pay/transactions/out-trade-no/{}/close", payment.0.simple());
        let closed = self.client.ask(Method::POST, &path, Some(json!({"mchid": self.merchant}))).await;
        match closed {
            Ok(_) | Err(Failure::Refused { .. }) => {}
            Err(failure) => return Err(failed("closing a charge at WeChat Pay")(failure)),
        }
        // Closed, paid before, or never opened: only the charge itself says which.
        match self.query(payment).await? {
            ChargeState::Paid(taken) => Ok(Close::AlreadyPaid(taken)),
            ChargeState::Closed | ChargeState::Declined | ChargeState::Unknown => Ok(Close::Closed),
            ChargeState::Open => Err(ProviderError::new("closing a charge at WeChat Pay", "it is still open")),
        }
    }

    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        const REFUNDING: &str = "refunding a charge at WeChat Pay";
        let body = json!({
            "transaction_id": refund.txn,
            "out_refund_no": refund.id.0.simple().to_string(),
            "reason": refund.reason.chars().take(26).collect::<String>(),
            "notify_url": self.callback,
            "amount": {"refund": refund.amount.minor, "total": refund.charged.minor, "currency": "CNY"},
        });
        match self.client.ask(Method::POST, "/v3/refund/domestic/refunds", Some(body)).await {
            Ok(answer) => returned(&answer).ok_or_else(|| failed(REFUNDING)(Failure::Nonsense("a refund"))),
            // The request itself is impossible; too little money in the account (403) is not, and is tried again.
            Err(Failure::Refused { status: 400 | 404, code }) => Ok(Returned::Refused(code)),
            Err(failure) => Err(failed(REFUNDING)(failure)),
        }
    }

    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        const ASKING: &str = "asking WeChat Pay for a refund";
        let path = format!("/v3/refund/domestic/refunds/{}", refund.id.0.simple());
        match self.client.ask(Method::GET, &path, None).await {
            Ok(answer) => returned(&answer).ok_or_else(|| failed(ASKING)(Failure::Nonsense("a refund"))),
            Err(Failure::Refused { status: 404, .. }) => Ok(Returned::Unknown),
            Err(failure) => Err(failed(ASKING)(failure)),
        }
    }

    async fn statement(&self, day: Date) -> Result<Vec<StatementLine>, ProviderError> {
        let lines = async {
            let path = format!("/v3/bill/tradebill?bill_date={day}&bill_type=ALL");
            let link = match self.client.ask(Method::GET, &path, None).await {
                // Nothing happened that day.
                Err(Failure::Refused { code, .. }) if code == "NO_STATEMENT_EXIST" => return Ok(Vec::new()),
                link => link?,
            };
            let text = |name: &str| link[name].as_str().ok_or(Failure::Nonsense("a bill"));
            let bill = self.client.download(text("download_url")?).await?;
            if text("hash_type")? != "SHA1" || !bill::has_hash(&bill, text("hash_value")?) {
                return Err(Failure::Nonsense("a bill, whose hash is wrong"));
            }
            bill::read(&bill).ok_or(Failure::Nonsense("a bill"))
        };
        lines.await.map_err(failed("fetching a bill of WeChat Pay"))
    }

    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification> {
        self.client.check(headers, body, Millis::now())?;
        notification::read(&self.sealed, &self.app_id, &self.merchant, body)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement::Empty
    }
}
