//! Mail over a real connection to a server that keeps what it gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::{collections::HashSet, time::Duration};

use mail_parser::{Message, MessageParser, MimeHeaders};
use nebula_notification::{
    Attachment, Channel, Content, Delivery, EmailAddress, EmailSender, EmailSenderBuilder, ErrorClass, ErrorKind,
    JobStatus, Kind, MemoryTemplates, Notification, NotificationSender, NotificationTemplate, Notifier, Outcome,
    ParamSpec, Recipient, Rendered, SmtpSecurity,
};
use nebula_test_support::{SmtpFault, SmtpServer, SmtpStage};

const PATIENCE: Duration = Duration::from_secs(60);

fn sender(server: &SmtpServer) -> EmailSenderBuilder {
    EmailSender::builder("localhost", "票务平台 <tickets@example.org>")
        .port(server.port())
        .authority(server.authority())
        .timeout(PATIENCE)
}

fn ada() -> EmailAddress {
    EmailAddress::new("ada@example.org").unwrap()
}

fn mail(content: Rendered) -> Delivery {
    Delivery::new("job.1", ada(), content)
}

fn hello() -> Delivery {
    mail(Rendered { title: Some("Hello".to_owned()), text: Some("Hello".to_owned()), html: None })
}

fn parsed(raw: &[u8]) -> Message<'_> {
    MessageParser::default().parse(raw).unwrap()
}

/// Line ends of a text, as they are before they are sent.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

#[tokio::test]
async fn everything_arrives_as_it_was() {
    let server = SmtpServer::options().login("tickets", "pässword").start().await;
    let sender = sender(&server).credentials("tickets", "pässword").reply_to("help@example.org").build().unwrap();
    let text = "Dots:\n.\n..\n.leading\nand a bare\rreturn; 订单\n".to_owned();
    let html = "<p>订单 <img src=\"cid:logo\">\n.\n</p>".to_owned();
    let content =
        Rendered { title: Some("订单 T-1 已支付 – 🎫".to_owned()), text: Some(text), html: Some(html) };
    let png = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0];
    let all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let attachments = [
        Attachment::inline("logo", "image/png", png.clone()).unwrap(),
        Attachment::new("电子票.pdf", "application/pdf", all_bytes.clone()).unwrap(),
        Attachment::new("dots.txt", "text/plain", "a\r\n.\r\nQUIT\r\n\n.\n\r.\r").unwrap(),
    ];
    let delivery = mail(content.clone()).with_attachments(attachments);
    assert_eq!(sender.send(&delivery).await, Outcome::accepted("<job.1@example.org>"));
    let received = server.received();
    let [received] = &received[..] else { panic!("{} mails", received.len()) };
    assert_eq!(
        (received.from.as_str(), &received.to[..]),
        ("tickets@example.org", &["ada@example.org".to_owned()][..])
    );
    assert!(received.encrypted && received.user.as_deref() == Some("tickets"));
    assert!(received.raw.is_ascii() && !received.raw.windows(2).any(|two| two[0] != b'\r' && two[1] == b'\n'));
    let message = parsed(&received.raw);
    assert_eq!(message.subject(), content.title.as_deref());
    assert_eq!(message.message_id(), Some("job.1@example.org"));
    let from = message.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("票务平台"), Some("tickets@example.org")));
    assert_eq!(message.reply_to().unwrap().first().unwrap().address(), Some("help@example.org"));
    assert!(message.date().is_some());
    assert_eq!(lines(&message.body_text(0).unwrap()), lines(content.text.as_deref().unwrap()).replace('\r', "\n"));
    assert_eq!(lines(&message.body_html(0).unwrap()), content.html.unwrap());
    let parts: Vec<_> = message.parts.iter().filter(|part| part.is_content_type("image", "png")).collect();
    assert_eq!((parts[0].content_id(), parts[0].contents()), (Some("logo"), &png[..]));
    let named = |name: &str| message.parts.iter().find(|part| part.attachment_name() == Some(name)).unwrap();
    assert_eq!(named("电子票.pdf").contents(), all_bytes);
    assert_eq!(named("dots.txt").contents(), b"a\r\n.\r\nQUIT\r\n\n.\n\r.\r");
    assert!(message.parts.iter().any(|part| part.is_content_type("multipart", "related")));
    assert!(!format!("{sender:?}").contains("pässword"));
}

#[tokio::test]
async fn ten_megabytes() {
    let server = SmtpServer::start().await;
    let bytes: Vec<u8> = (0..10 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = Attachment::new("big.bin", "application/octet-stream", bytes.clone()).unwrap();
    let outcome = sender(&server).build().unwrap().send(&hello().with_attachments([file])).await;
    assert!(outcome.is_accepted(), "{outcome:?}");
    let received = server.received();
    assert!(parsed(&received[0].raw).attachment(0).unwrap().contents() == bytes);
}

#[tokio::test]
async fn headers_cannot_be_broken_out_of() {
    let server = SmtpServer::start().await;
    let sender = sender(&server).build().unwrap();
    let broken =
        mail(Rendered { title: Some("Hi\r\nBcc: eve@example.org".to_owned()), text: Some("x".to_owned()), html: None });
    assert_eq!(sender.send(&broken).await.class(), Some(ErrorClass::Content));
    let empty = mail(Rendered { title: Some("Hi".to_owned()), text: None, html: None });
    assert_eq!(sender.send(&empty).await.class(), Some(ErrorClass::Unmapped));
    assert!(server.received().is_empty());
    let evil = EmailSender::builder("localhost", "A\r\nBcc: eve@example.org <a@example.org>").build();
    assert_eq!(evil.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    let clear = EmailSender::builder("smtp.example.org", "a@example.org").security(SmtpSecurity::None);
    assert_eq!(clear.credentials("a", "b").build().unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test]
async fn what_the_server_says_at_each_step() {
    let server = SmtpServer::options().login("u", "p").start().await;
    let sender = sender(&server).credentials("u", "p").build().unwrap();
    let answer = |stage, line: &str| SmtpFault::Answer(stage, line.to_owned());
    let cases = [
        (answer(SmtpStage::Rcpt, "550 5.1.1 nobody"), ErrorClass::Recipient),
        (answer(SmtpStage::Rcpt, "451 4.7.1 greylisted"), ErrorClass::Transient),
        (answer(SmtpStage::Mail, "553 5.1.8 not your address"), ErrorClass::Account),
        (answer(SmtpStage::Data, "554 5.7.1 no"), ErrorClass::Content),
        (answer(SmtpStage::Message, "554 5.7.1 spam"), ErrorClass::Content),
        (answer(SmtpStage::Message, "452 4.3.1 disk full"), ErrorClass::Transient),
        (SmtpFault::Cut(SmtpStage::Rcpt), ErrorClass::Transient),
        (SmtpFault::Cut(SmtpStage::Data), ErrorClass::Transient),
        (SmtpFault::Cut(SmtpStage::Message), ErrorClass::Unknown),
    ];
    for (fault, expected) in cases {
        server.fail([fault.clone()]);
        let outcome = sender.send(&hello()).await;
        assert_eq!(outcome.class(), Some(expected), "{fault:?}: {outcome:?}");
    }
    assert!(sender.send(&hello()).await.is_accepted());
    assert_eq!(server.received().len(), 2, "the one that was cut, and the last");
}

#[tokio::test]
async fn connections_that_cannot_be_made() {
    let server = SmtpServer::options().login("u", "p").start().await;
    let class = async |builder: EmailSenderBuilder| builder.build().unwrap().send(&hello()).await.class();
    assert_eq!(class(sender(&server).credentials("u", "wrong")).await, Some(ErrorClass::Account));
    assert_eq!(class(sender(&server)).await, Some(ErrorClass::Account), "nobody logs in");
    let untrusted = EmailSender::builder("localhost", "a@example.org").port(server.port());
    assert_eq!(class(untrusted).await, Some(ErrorClass::Account), "a certificate of nobody we know");
    let plain = SmtpServer::options().without_tls().start().await;
    assert_eq!(class(sender(&plain)).await, Some(ErrorClass::Account), "it does not encrypt");
    assert_eq!(class(sender(&plain).security(SmtpSecurity::None)).await, None);
    plain.fail([SmtpFault::Answer(SmtpStage::Greeting, "421 4.3.2 too busy".to_owned())]);
    assert_eq!(class(sender(&plain).security(SmtpSecurity::None)).await, Some(ErrorClass::Transient));
    plain.fail([SmtpFault::Slow(SmtpStage::Greeting, PATIENCE)]);
    let hasty = sender(&plain).security(SmtpSecurity::None).timeout(Duration::from_millis(300));
    assert_eq!(class(hasty).await, Some(ErrorClass::Transient), "nothing was written");
    plain.fail([SmtpFault::Slow(SmtpStage::Message, PATIENCE)]);
    let hasty = sender(&plain).security(SmtpSecurity::None).timeout(Duration::from_millis(1500));
    assert_eq!(class(hasty).await, Some(ErrorClass::Unknown), "it has been written");
    let port = nebula_test_support::ReservedPort::pick().unwrap();
    let nobody = EmailSender::builder("localhost", "a@example.org").port(port.number());
    assert_eq!(class(nobody).await, Some(ErrorClass::Transient));
}

#[tokio::test]
async fn connections_are_kept_bounded_and_replaced_when_the_server_closed_them() {
    let server = SmtpServer::options().close_idle_after(Duration::from_millis(200)).start().await;
    let one = sender(&server).connections(1).mails_per_connection(3).build().unwrap();
    for _ in 0..3 {
        assert!(one.send(&hello()).await.is_accepted());
    }
    assert_eq!(server.connections(), 1);
    assert!(one.send(&hello()).await.is_accepted());
    assert_eq!(server.connections(), 2, "three mails each");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(one.send(&hello()).await.is_accepted(), "the server has closed it meanwhile");
    assert_eq!(server.connections(), 3);
    server.fail([SmtpFault::Cut(SmtpStage::Mail)]);
    assert!(one.send(&hello()).await.is_accepted(), "once more, on a new one");
    assert_eq!(server.received().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mails_each_once() {
    const COUNT: usize = 1000;
    let server = SmtpServer::start().await;
    let content = Content::new().title("Ticket {{ number }}").text("Number {{ number }}").html("<b>{{ number }}</b>");
    let template = NotificationTemplate::new("ticket", Kind::Notice).param("number", ParamSpec::text());
    let templates = MemoryTemplates::new().with(template.content("en", content)).unwrap();
    let mails = sender(&server).connections(8).build().unwrap();
    let notifier = Notifier::builder(templates).sender(mails).timeouts(PATIENCE, PATIENCE * 2).build();
    let people = (0..COUNT).map(|at| Recipient::from(EmailAddress::new(format!("p{at}@example.org")).unwrap()));
    let notification = Notification::new("ticket").to_all(people).param("number", "<7>").channels([Channel::Email]);
    let sent = notifier.send(notification).await.unwrap();
    assert_eq!(sent.jobs.iter().filter(|job| job.status == JobStatus::Accepted).count(), COUNT);
    let received = server.received();
    let to: HashSet<&str> = received.iter().flat_map(|mail| mail.to.iter().map(String::as_str)).collect();
    let ids: HashSet<String> = received.iter().map(|mail| parsed(&mail.raw).message_id().unwrap().to_owned()).collect();
    assert_eq!((received.len(), to.len(), ids.len()), (COUNT, COUNT, COUNT));
    assert!(received.iter().all(|mail| mail.to.len() == 1), "nobody sees the others");
    assert!(server.connections() <= COUNT / 100 + 16, "{} connections", server.connections());
    assert_eq!(parsed(&received[0].raw).body_html(0).as_deref(), Some("<b>&lt;7&gt;</b>"));
}

#[tokio::test]
async fn mails_are_spread_over_time() {
    let server = SmtpServer::start().await;
    let sender = sender(&server).per_second(20).build().unwrap();
    let started = std::time::Instant::now();
    let all = (0..11).map(|_| {
        let sender = sender.clone();
        async move { sender.send(&hello()).await.is_accepted() }
    });
    assert!(futures_util::future::join_all(all).await.into_iter().all(|sent| sent));
    assert!(started.elapsed() >= Duration::from_millis(490), "never faster; slower is the machine's affair");
}

/// Checks a signature as RFC 6376 describes it, with canonicalization written a second time.
fn verify_dkim(raw: &str, key: &dyn Fn(&[u8], &[u8]) -> bool) -> Vec<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n\t", "\t").replace("\r\n ", " ");
    let mut headers: Vec<(String, String)> = unfolded
        .split("\r\n")
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    let (name, signature) = headers.remove(0);
    assert_eq!(name, "dkim-signature");
    let tags: std::collections::BTreeMap<&str, &str> = signature
        .split(';')
        .map(|tag| tag.split_once('=').unwrap())
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    assert_eq!((tags["v"], tags["c"], tags["d"], tags["s"]), ("1", "relaxed/relaxed", "example.org", "mail"));
    let lines: Vec<String> = body
        .trim_end_matches("\r\n")
        .split("\r\n")
        .map(|line| line.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
        .collect();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, (lines.join("\r\n") + "\r\n").as_bytes());
    assert_eq!(tags["bh"], STANDARD.encode(hash));
    let mut text = String::new();
    for name in tags["h"].split(':') {
        // Each time a name is given, the lowest header of that name that is left; none if there is none.
        if let Some(at) = headers.iter().rposition(|(known, _)| known == name) {
            let (name, value) = headers.remove(at);
            text.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    let (unsigned, encoded) = signature.rsplit_once(" b=").unwrap();
    text.push_str(&format!("dkim-signature:{unsigned} b="));
    assert!(key(text.as_bytes(), &STANDARD.decode(encoded.replace(' ', "")).unwrap()), "the signature does not fit");
    tags["h"].split(':').map(str::to_owned).collect()
}

fn pem(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[tokio::test]
async fn marketing_is_signed_and_has_a_way_out() {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::KeySize,
        signature::{ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey},
    };
    use nebula_notification::{DkimKey, UnsubscribeLinks};

    let server = SmtpServer::start().await;
    let links =
        UnsubscribeLinks::new("https://tickets.example/unsubscribe", "at least 32 bytes of a secret key").unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
    let key = DkimKey::new("example.org", "mail", pem(der.as_ref())).unwrap();
    let signed = sender(&server).dkim(key).unsubscribe(links.clone()).build().unwrap();
    let content = Rendered {
        title: Some(
            "周末音乐会 – a subject that is so long that it is folded over several lines of the header 🎫".to_owned(),
        ),
        text: Some("Trailing  spaces \n\n\n".to_owned()),
        html: Some("<p>Hello</p>".to_owned()),
    };
    let to = || "ada@example.org".parse::<EmailAddress>().unwrap();
    assert!(signed.send(&mail(content.clone()).with_kind(Kind::Marketing)).await.is_accepted());
    let received = server.received().remove(0).raw;
    let raw = std::str::from_utf8(&received).unwrap();
    let public = rsa.public_key().as_ref().to_vec();
    let fits = |text: &[u8], signature: &[u8]| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(text, signature).is_ok()
    };
    let names = verify_dkim(raw, &fits);
    for name in ["from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"] {
        assert!(names.iter().any(|one| one == name), "{name} is not signed");
    }
    assert_eq!(names.iter().filter(|name| *name == "from").count(), 2, "no other sender can be put above it");
    let message = parsed(&received);
    let header = |name: &str| message.header_raw(name).map(|value| value.split_whitespace().collect::<String>());
    assert_eq!(header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    let link = header("List-Unsubscribe").unwrap();
    let token = link.strip_prefix("<https://tickets.example/unsubscribe?token=").unwrap().strip_suffix('>').unwrap();
    assert_eq!(links.read(token), Some((Channel::Email, nebula_notification::Address::Email(to()).key())));

    // Notices have no such header; an Ed25519 key does as well.
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let public = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap().public_key().as_ref().to_vec();
    let key = DkimKey::new("example.org", "mail", pem(pkcs8.as_ref())).unwrap();
    assert!(!format!("{key:?}").contains("PRIVATE"));
    let signed = sender(&server).dkim(key).unsubscribe(links).build().unwrap();
    assert!(signed.send(&mail(content)).await.is_accepted());
    let received = server.received().remove(1).raw;
    let fits = |text: &[u8], signature: &[u8]| {
        // What is signed is the hash.
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
        UnparsedPublicKey::new(&ED25519, &public).verify(hash.as_ref(), signature).is_ok()
    };
    let names = verify_dkim(std::str::from_utf8(&received).unwrap(), &fits);
    assert!(!names.iter().any(|name| name.starts_with("list-")));
    for (domain, selector, text) in
        [("", "mail", "x"), ("example.org", "a;b", "x"), ("example.org", "mail", "not a key")]
    {
        assert_eq!(DkimKey::new(domain, selector, text).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}
