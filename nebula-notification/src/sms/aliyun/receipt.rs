use serde::Deserialize;

use super::AliyunSms;
use crate::{
    error::{Error, ErrorKind, Result},
    outcome::ErrorClass,
    phone::Phone,
    record::DeliveryReceipt,
    sms::{receipts::ReceiptReader, times::beijing},
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
    #[serde(default)]
    phone_number: String,
}

/// `SmsReport`, as the provider posts it.
impl ReceiptReader for AliyunSms {
    fn provider(&self) -> &str {
        &self.service.name
    }

    fn receipts(&self, body: &[u8]) -> Result<Vec<DeliveryReceipt>> {
        let invalid = |_| Error::new(ErrorKind::InvalidReceipt, "these are no receipts of Aliyun");
        let reports: Vec<Report> = serde_json::from_slice(body).map_err(invalid)?;
        Ok(reports.into_iter().map(|report| self.receipt(report)).collect())
    }

    fn answer(&self) -> &'static str {
        r#"{"code":0,"msg":"OK"}"#
    }
}

impl AliyunSms {
    fn receipt(&self, report: Report) -> DeliveryReceipt {
        let receipt = if report.success {
            DeliveryReceipt::delivered(self.service.name.as_ref())
        } else {
            DeliveryReceipt::failed(self.service.name.as_ref(), class(&report.err_code), report.err_code)
        };
        let receipt = receipt.provider_id(report.biz_id).reference(report.out_id).phone(phone(&report.phone_number));
        receipt.at(beijing(&report.report_time))
    }
}

/// As the provider writes numbers: see [`number`](super::number).
fn phone(text: &str) -> Option<Phone> {
    Phone::parse(text, Some("CN")).or_else(|_| Phone::parse(&format!("+{text}"), None)).ok()
}

/// Carriers say in receipts mostly what is wrong with the telephone: it is off, full, or does not exist.
fn class(code: &str) -> ErrorClass {
    match code {
        "MOBILE_SEND_LIMIT" | "CONTENT_KEYWORD" | "CONTENT_ERROR" => ErrorClass::Content,
        "SIGNATURE_BLACKLIST" | "TEMPLATE_BLACKLIST" | "NO_ROUTE" | "REQUEST_SUCCESS" => ErrorClass::Account,
        _ => ErrorClass::Recipient,
    }
}
