use serde::Deserialize;

use super::TencentSms;
use crate::{
    error::{Error, ErrorKind, Result},
    outcome::ErrorClass,
    phone::Phone,
    record::DeliveryReceipt,
    sms::{receipts::ReceiptReader, times::beijing},
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
    #[serde(default)]
    nationcode: String,
    #[serde(default)]
    mobile: String,
}

impl ReceiptReader for TencentSms {
    fn provider(&self) -> &str {
        &self.service.name
    }

    fn receipts(&self, body: &[u8]) -> Result<Vec<DeliveryReceipt>> {
        let invalid = |_| Error::new(ErrorKind::InvalidReceipt, "these are no receipts of Tencent Cloud");
        let all: Vec<Status> = serde_json::from_slice(body).map_err(invalid)?;
        Ok(all.into_iter().map(|status| self.receipt(status)).collect())
    }

    fn answer(&self) -> &'static str {
        r#"{"result":0,"errmsg":"OK"}"#
    }
}

impl TencentSms {
    fn receipt(&self, status: Status) -> DeliveryReceipt {
        let receipt = if status.report_status == "SUCCESS" {
            DeliveryReceipt::delivered(self.service.name.as_ref())
        } else {
            DeliveryReceipt::failed(self.service.name.as_ref(), ErrorClass::Recipient, status.errmsg)
        };
        let phone = Phone::parse(&format!("+{}{}", status.nationcode, status.mobile), None).ok();
        receipt.provider_id(status.sid).reference(status.ext).phone(phone).at(beijing(&status.user_receive_time))
    }
}
