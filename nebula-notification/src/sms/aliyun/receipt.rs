use serde::Deserialize;

use super::AliyunSms;
use crate::{
    error::{Error, ErrorKind, Result},
    outcome::ErrorClass,
    record::DeliveryReceipt,
    sms::times::beijing,
};

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    report_time: String,
    success: bool,
    #[serde(default)]
    err_code: String,
    #[serde(default)]
    biz_id: String,
    #[serde(default)]
    out_id: String,
}

impl AliyunSms {
    /// What to answer the provider with when its receipts are stored; with anything else it comes again.
    pub const RECEIPT_ANSWER: &'static str = r#"{"code":0,"msg":"OK"}"#;

    /// Reads the receipts that the provider posts (`SmsReport`). They are not signed: take them at an address that nobody can
    /// guess, and give them to [`Notifier::receipt`](crate::Notifier::receipt), which believes only what it has sent.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if this is no such list.
    pub fn receipts(&self, body: &[u8]) -> Result<Vec<DeliveryReceipt>> {
        let corrupt = |error| Error::new(ErrorKind::Corrupt, "these are no receipts of Aliyun").with_source(error);
        let reports: Vec<Report> = serde_json::from_slice(body).map_err(corrupt)?;
        Ok(reports.into_iter().map(|report| self.receipt(report)).collect())
    }

    fn receipt(&self, report: Report) -> DeliveryReceipt {
        let receipt = if report.success {
            DeliveryReceipt::delivered(self.service.name.as_ref())
        } else {
            DeliveryReceipt::failed(self.service.name.as_ref(), class(&report.err_code), report.err_code)
        };
        receipt.provider_id(report.biz_id).reference(report.out_id).at(beijing(&report.report_time))
    }
}

/// Carriers say in receipts mostly what is wrong with the telephone: it is off, full, or does not exist.
fn class(code: &str) -> ErrorClass {
    match code {
        "MOBILE_SEND_LIMIT" | "CONTENT_KEYWORD" | "CONTENT_ERROR" => ErrorClass::Content,
        "SIGNATURE_BLACKLIST" | "TEMPLATE_BLACKLIST" | "NO_ROUTE" | "REQUEST_SUCCESS" => ErrorClass::Account,
        _ => ErrorClass::Recipient,
    }
}
