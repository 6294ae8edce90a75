//! Alipay: the buyer's app reads a QR code, or the buyer is sent to a page.

mod bill;
mod client;
mod fields;
mod notification;

use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use self::client::Client;
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
    duration,
    ids::PaymentId,
    money::{Currency, Money, decimal, parse_minor},
};

/// Refusals of a refund that asking again does not change. All others are tried again.
const FOR_GOOD: [&str; 8] = [
    "ACQ.DISCORDANT_REPEAT_REQUEST",
    "ACQ.INVALID_PARAMETER",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
    "ACQ.TRADE_HAS_FINISHED",
    "ACQ.TRADE_NOT_ALLOW_REFUND",
    "ACQ.TRADE_NOT_EXIST",
    "ACQ.TRADE_STATUS_ERROR",
];
const NO_CHARGE: &str = "ACQ.TRADE_NOT_EXIST";

/// Where buyers pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlipayWay {
    /// By a QR code that their app reads.
    #[default]
    Qr,
    /// On a page of Alipay.
    Page,
}

/// An application at Alipay.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AlipayConfig {
    /// The application's identifier.
    pub app_id: String,
    /// The user number of the account that is paid, `2088…`.
    pub seller_id: String,
    /// The application's private key.
    pub private_key: SecretString,
    /// Alipay's public key, which is not the application's.
    pub public_key: String,
    /// Where buyers pay.
    #[serde(default)]
    pub way: AlipayWay,
    /// Where Alipay is.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How long a whole answer may take.
    #[serde(default = "remote::patience", with = "duration")]
    pub timeout: Duration,
}

fn endpoint() -> String {
    "https://openapi.alipay.com/gateway.do".to_owned()
}

/// Alipay.
#[derive(Debug)]
pub struct Alipay {
    client: Client,
    seller: String,
    way: AlipayWay,
    /// Where notifications are sent.
    callback: String,
    /// Where buyers go from Alipay's page.
    back: String,
}

impl Alipay {
    /// The provider with this application; notifications are sent to `callback`, which must be reachable from outside, and
    /// buyers come from its page to `back`.
    ///
    /// # Errors
    ///
    /// [`BadAccount`] names the key of the configuration that cannot be used.
    pub fn new(config: &AlipayConfig, callback: String, back: String) -> Result<Self, BadAccount> {
        for (name, value) in [("app-id", &config.app_id), ("seller-id", &config.seller_id)] {
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BadAccount::Value("alipay", name, "is a number of Alipay's, in quotes"));
            }
        }
        let key = |name| move |error| BadAccount::Key("alipay", name, error);
        let own = SigningKey::read(config.private_key.expose_secret()).map_err(key("private-key"))?;
        let theirs = VerifyingKey::read(&config.public_key).map_err(key("public-key"))?;
        let client = Client::new(config, own, theirs)?;
        Ok(Self { client, seller: config.seller_id.clone(), way: config.way, callback, back })
    }
}

/// An amount in yuan, as text.
fn yuan(amount: &str) -> Option<Money> {
    Some(Money { minor: parse_minor(amount)?, currency: Currency::CNY })
}

/// What Alipay says of a charge: `text` gives the named field.
fn charge_state<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Option<ChargeState> {
    if text("trans_currency").is_some_and(|currency| currency != "CNY") {
        return None;
    }
    let taken =
        || Some(ChargeState::Paid(Taken { txn: text("trade_no")?.to_owned(), amount: yuan(text("total_amount")?)? }));
    match text("trade_status")? {
        "WAIT_BUYER_PAY" => Some(ChargeState::Open),
        "TRADE_SUCCESS" | "TRADE_FINISHED" => taken(),
        // Given back as a whole, if it was ever paid.
        "TRADE_CLOSED" if text("send_pay_date").or_else(|| text("gmt_payment")).is_some() => taken(),
        "TRADE_CLOSED" => Some(ChargeState::Closed),
        _ => None,
    }
}

#[async_trait]
impl PaymentProvider for Alipay {
    fn name(&self) -> &'static str {
        "alipay"
    }

    async fn open(&self, charge: &Charge) -> Result<Till, ProviderError> {
        const OPENING: &str = "opening a charge at Alipay";
        if charge.amount.currency != Currency::CNY {
            return Err(ProviderError::new(OPENING, "Alipay takes yuan only"));
        }
        let number = charge.payment.0.simple().to_string();
        let expires = client::time(charge.expires_at).ok_or_else(|| ProviderError::new(OPENING, "no such time"))?;
        let mut content = json!({
            "out_trade_no": number,
            "total_amount": decimal(charge.amount.minor),
            "subject": "Tickets",
            "time_expire": expires,
        });
        let notify = ("notify_url", self.callback.as_str());
        if self.way == AlipayWay::Page {
            content["product_code"] = "FAST_INSTANT_TRADE_PAY".into();
            let extra = [notify, ("return_url", self.back.as_str())];
            let url = self.client.link("alipay.trade.page.pay", &content, &extra).map_err(failed(OPENING))?;
            return Ok(Till { url: Some(url), qr: None });
        }
        let answer = self.client.ask("alipay.trade.precreate", &content, &[notify]).await.map_err(failed(OPENING))?;
        let qr = answer["qr_code"].as_str().filter(|_| answer["out_trade_no"] == *number);
        let qr = qr.ok_or_else(|| failed(OPENING)(Failure::Nonsense("a charge")))?;
        Ok(Till { url: None, qr: Some(qr.to_owned()) })
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        const ASKING: &str = "asking Alipay for a charge";
        let number = payment.0.simple().to_string();
        match self.client.ask("alipay.trade.query", &json!({"out_trade_no": number}), &[]).await {
            // An answer about another charge may be an old one.
            Ok(answer) if answer["out_trade_no"] == *number => {
                let state = charge_state(|name| answer[name].as_str().filter(|text| !text.is_empty()));
                state.ok_or_else(|| failed(ASKING)(Failure::Nonsense("a charge")))
            }
            Ok(_) => Err(failed(ASKING)(Failure::Nonsense("another charge than the one that was asked for"))),
            Err(Failure::Refused { code, .. }) if code == NO_CHARGE => Ok(ChargeState::Unknown),
            Err(failure) => Err(failed(ASKING)(failure)),
        }
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        const CLOSING: &str = "closing a charge at Alipay";
        let content = json!({"out_trade_no": payment.0.simple().to_string()});
        match self.client.ask("alipay.trade.close", &content, &[]).await {
            Ok(_) | Err(Failure::Refused { .. }) => {}
            Err(failure) => return Err(failed(CLOSING)(failure)),
        }
        // Closed, paid before, or not there: only the charge itself says which. A code that nobody has read yet is no charge
        // at Alipay, and ends by its time; money that comes by it until then comes too late, and goes back.
        match self.query(payment).await? {
            ChargeState::Paid(taken) => Ok(Close::AlreadyPaid(taken)),
            ChargeState::Closed | ChargeState::Declined | ChargeState::Unknown => Ok(Close::Closed),
            ChargeState::Open => Err(ProviderError::new(CLOSING, "it is still open")),
        }
    }

    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        let content = json!({
            "trade_no": refund.txn,
            "refund_amount": decimal(refund.amount.minor),
            "refund_reason": refund.reason.chars().take(80).collect::<String>(),
            "out_request_no": refund.id.0.simple().to_string(),
        });
        match self.client.ask("alipay.trade.refund", &content, &[]).await {
            Ok(answer) if answer["fund_change"] == "Y" => Ok(Returned::Done),
            // Nothing moved by this request: by an earlier one of the same name, or not yet.
            Ok(_) => match self.query_refund(refund).await? {
                Returned::Done => Ok(Returned::Done),
                _ => Ok(Returned::Processing),
            },
            Err(Failure::Refused { code, .. }) if FOR_GOOD.contains(&code.as_str()) => Ok(Returned::Refused(code)),
            Err(failure) => Err(failed("refunding a charge at Alipay")(failure)),
        }
    }

    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        const ASKING: &str = "asking Alipay for a refund";
        let number = refund.id.0.simple().to_string();
        let content = json!({"trade_no": refund.txn, "out_request_no": number});
        match self.client.ask("alipay.trade.fastpay.refund.query", &content, &[]).await {
            // Without a status there is no such refund, or it failed: it is asked for again under the same name.
            Ok(answer) if answer["refund_status"] == Value::Null => Ok(Returned::Unknown),
            Ok(answer) if answer["out_request_no"] != *number => {
                Err(failed(ASKING)(Failure::Nonsense("another refund than the one that was asked for")))
            }
            Ok(answer) if answer["refund_status"] == "REFUND_SUCCESS" => Ok(Returned::Done),
            Ok(_) => Ok(Returned::Processing),
            Err(Failure::Refused { code, .. }) if code == NO_CHARGE => Ok(Returned::Unknown),
            Err(failure) => Err(failed(ASKING)(failure)),
        }
    }

    async fn statement(&self, day: Date) -> Result<Vec<StatementLine>, ProviderError> {
        let lines = async {
            let content = json!({"bill_type": "trade", "bill_date": day.to_string()});
            let link = match self.client.ask("alipay.data.dataservice.bill.downloadurl.query", &content, &[]).await {
                // Nothing happened that day.
                Err(Failure::Refused { code, .. }) if code.to_ascii_lowercase().ends_with("bill_not_exist") => {
                    return Ok(Vec::new());
                }
                link => link?,
            };
            let url = link["bill_download_url"].as_str().ok_or(Failure::Nonsense("a bill"))?;
            let bill = self.client.download(url).await?;
            bill::read(&bill).ok_or(Failure::Nonsense("a bill"))
        };
        lines.await.map_err(failed("fetching a bill of Alipay"))
    }

    fn read_notification(&self, _: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification> {
        let fields = self.client.opened(body)?;
        notification::read(&fields, self.client.app(), &self.seller, Millis::now())
    }

    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement::Word { accepted: "success", refused: "fail" }
    }
}
