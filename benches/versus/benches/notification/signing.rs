//! One signature of a request, against the HMAC and the two hashes that it is made of.

use std::hint::black_box;

use aws_lc_rs::{digest, hmac};
use nebula_notification::{acs3, tc3};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;

const HEADERS: [(&str, &str); 6] = [
    ("host", "dysmsapi.aliyuncs.com"),
    ("x-acs-action", "SendSms"),
    ("x-acs-version", "2017-05-25"),
    ("x-acs-date", "2026-11-21T10:00:00Z"),
    ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
    ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
];
const BODY: &[u8] = br#"{"PhoneNumberSet":["+8613800138000"],"SmsSdkAppId":"1400006666","SignName":"Tickets","TemplateId":"1110","TemplateParamSet":["4711"]}"#;

pub(crate) async fn run(effort: Effort) {
    let times = effort.pick(20_000, 200_000);
    let query =
        acs3::canonical_query(&[("PhoneNumbers", "13800138000"), ("SignName", "Tickets"), ("TemplateCode", "SMS_1")]);
    let text: Vec<u8> = vec![b'x'; 600];
    let bare = |macs: usize| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        for _ in 0..2 {
            black_box(digest::digest(&digest::SHA256, black_box(&text)));
        }
        for _ in 0..macs {
            black_box(hmac::sign(&key, black_box(&text[..100])));
        }
    };
    let mut versus = Versus::new("sign aliyun").unit(Unit::Nanos);
    for _ in 0..rounds(effort) {
        let ours = async || {
            let one = || acs3::sign("id", "secret", "POST", "/", black_box(&query), &HEADERS, HEADERS[5].1);
            Unit::Nanos.time(times, async { (0..times).for_each(|_| drop(black_box(one()))) }).await
        };
        versus
            .round("hmac (limit)", ours, async || {
                Unit::Nanos.time(times, async { (0..times).for_each(|_| bare(1)) }).await
            })
            .await;
    }
    versus.print();
    let mut versus = Versus::new("sign tencent").unit(Unit::Nanos);
    for _ in 0..rounds(effort) {
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("host", "sms.tencentcloudapi.com"),
            ("x-tc-action", "SendSms"),
        ];
        let ours = async || {
            let one = || tc3::sign("id", "secret", "sms", 1_795_161_600, &headers, black_box(BODY));
            Unit::Nanos.time(times, async { (0..times).for_each(|_| drop(black_box(one()))) }).await
        };
        versus
            .round("hmac (limit)", ours, async || {
                Unit::Nanos.time(times, async { (0..times).for_each(|_| bare(4)) }).await
            })
            .await;
    }
    versus.print();
}
