//! Mails in bulk to a server in this process, over STARTTLS. Both sides have eight connections, and put every mail together anew.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, stream};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::MultiPart,
    transport::smtp::{
        PoolConfig,
        client::{Certificate, Tls, TlsParameters},
    },
};
use nebula_notification::{Delivery, EmailAddress, EmailSender, NotificationSender, Rendered};
use nebula_test_support::{Effort, SmtpServer, Unit, Versus};
use nebula_versus::rounds;

const CONNECTIONS: usize = 8;
const TEXT: &str = "Your order T-4711 is paid. The tickets are in the app, and at the entrance from 18:00 on.\n";

pub(crate) async fn run(effort: Effort) {
    let server = SmtpServer::start().await;
    let mails = effort.pick(500, 3_000);
    let html = format!("<p>{TEXT}</p>").repeat(20);
    let ours = EmailSender::builder("localhost", "Tickets <tickets@example.org>")
        .port(server.port())
        .authority(server.authority())
        .connections(CONNECTIONS)
        .mails_per_connection(u32::MAX)
        .build()
        .unwrap();
    let tls = TlsParameters::builder("localhost".to_owned())
        .add_root_certificate(Certificate::from_pem(server.authority()).unwrap())
        .build_rustls()
        .unwrap();
    let size = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let limit = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("localhost")
        .port(server.port())
        .tls(Tls::Required(tls))
        .pool_config(PoolConfig::new().max_size(size))
        .build();
    let number = AtomicU64::new(0);
    let mut versus = Versus::new("mail bulk").unit(Unit::OpsPerSec);
    for _ in 0..rounds(effort) {
        let send_ours = async || {
            Unit::OpsPerSec
                .time(mails, async {
                    let send = |_| {
                        let reference = format!("job{}.1", number.fetch_add(1, Ordering::Relaxed));
                        let content = Rendered {
                            title: Some("Paid".to_owned()),
                            text: Some(TEXT.to_owned()),
                            html: Some(html.clone()),
                        };
                        let delivery = Delivery::new(reference, EmailAddress::new("ada@example.org").unwrap(), content);
                        let ours = &ours;
                        async move { assert!(ours.send(&delivery).await.is_accepted()) }
                    };
                    stream::iter(0..mails).map(send).buffer_unordered(CONNECTIONS).for_each(async |()| {}).await;
                })
                .await
        };
        let send_bare = async || {
            Unit::OpsPerSec
                .time(mails, async {
                    let send = |_| {
                        let message = Message::builder()
                            .from("Tickets <tickets@example.org>".parse().unwrap())
                            .to("ada@example.org".parse().unwrap())
                            .subject("Paid")
                            .multipart(MultiPart::alternative_plain_html(TEXT.to_owned(), html.clone()))
                            .unwrap();
                        let limit = &limit;
                        async move { assert!(limit.send(message).await.unwrap().is_positive()) }
                    };
                    stream::iter(0..mails).map(send).buffer_unordered(CONNECTIONS).for_each(async |()| {}).await;
                })
                .await
        };
        versus.round("lettre pool (limit)", send_ours, send_bare).await;
    }
    versus.print();
}
