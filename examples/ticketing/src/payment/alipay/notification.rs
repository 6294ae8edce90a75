//! What notifications say, once their signature was checked.

use std::time::Duration;

use super::{charge_state, client::instant, fields::Fields, yuan};
use crate::{
    clock::Millis,
    ids::{PaymentId, RefundId},
    payment::{
        provider::{BadNotification, ChargeState, News, Notification, Returned},
        remote,
    },
};

/// Alipay repeats a notification for 25 hours, and nothing says that it dates it anew.
const OLDEST: Duration = Duration::from_secs(26 * 3_600);

/// Reads the fields of a notification for this application and this account.
pub(super) fn read(fields: &Fields, app: &str, seller: &str, now: Millis) -> Result<Notification, BadNotification> {
    let malformed = |what: &str| BadNotification::Malformed(what.to_owned());
    let text = |name: &str| fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
    if text("app_id") != Some(app) {
        return Err(malformed("it speaks of another application"));
    }
    if text("seller_id") != Some(seller) {
        return Err(malformed("it speaks to another account"));
    }
    let id = text("notify_id").ok_or_else(|| malformed("it has no name"))?;
    let sent = text("notify_time").and_then(instant).ok_or_else(|| malformed("it has no time"))?;
    remote::fresh(now, sent, OLDEST)?;
    let number = |name: &str| text(name).and_then(|text| uuid::Uuid::parse_str(text).ok());
    // With the charge's own news it may stand as nothing.
    let news = if text("refund_fee").and_then(yuan).is_some_and(|back| back.minor > 0) {
        // Of a refund that we did not ask for, nothing has to be done here: the bill tells of it.
        match number("out_biz_no") {
            Some(refund) => News::Refund { refund: RefundId(refund), outcome: Returned::Done },
            None => News::Nothing,
        }
    } else {
        let payment = PaymentId(number("out_trade_no").ok_or_else(|| malformed("a charge that is not ours"))?);
        match charge_state(text).ok_or_else(|| malformed("a charge that is not understood"))? {
            ChargeState::Paid(taken) => News::Charge { payment, txn: taken.txn, amount: taken.amount, paid: true },
            _ => News::Nothing,
        }
    };
    Ok(Notification { id: id.to_owned(), news })
}
