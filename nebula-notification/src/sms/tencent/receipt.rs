use serde::Deserialize;

use super::TencentSms;
use crate::{
    error::{Error, ErrorKind, Result},
    outcome::ErrorClass,
    record::DeliveryReceipt,
    sms::times::beijing,
};

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    user_receive_time: String,
    report_status: String,
    #[serde(default)]
    errmsg: String,
    #[serde(default)]
    sid: String,
    #[serde(default)]
    ext: String,
}

impl TencentSms {
    /// What to answer the provider with when its receipts are stored; with anything else it comes again.
    pub const RECEIPT_ANSWER: &'static str = r#"{"result":0,"errmsg":"OK"}"#;

    /// Reads the receipts that the provider posts. They are not signed: take them from the provider's addresses only, at a path that
    /// nobody can guess, and give them to [`Notifier::receipt`](crate::Notifier::receipt), which believes only what it has sent.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if this is no such list.
    pub fn receipts(&self, body: &[u8]) -> Result<Vec<DeliveryReceipt>> {
        let corrupt =
            |error| Error::new(ErrorKind::Corrupt, "these are no receipts of Tencent Cloud").with_source(error);
        let all: Vec<Status> = serde_json::from_slice(body).map_err(corrupt)?;
        Ok(all.into_iter().map(|status| self.receipt(status)).collect())
    }

    fn receipt(&self, status: Status) -> DeliveryReceipt {
        let receipt = if status.report_status == "SUCCESS" {
            DeliveryReceipt::delivered(self.service.name.as_ref())
        } else {
            DeliveryReceipt::failed(self.service.name.as_ref(), ErrorClass::Recipient, status.errmsg)
        };
        receipt.provider_id(status.sid).reference(status.ext).at(beijing(&status.user_receive_time))
    }
}
