//! A code that lets somebody in, and an order notice that is sent once. `cargo run -p quickstart --bin notification`

use nebula_notification::{
    Channel, CodeRequest, Content, DevelopmentOutbox, Inbox, Kind, MemoryCodes, Notification, NotificationTemplate,
    Notifier, ParamSpec, Phone, Recipient, SqlStore, VerificationCodes,
};
use sqlx::SqlitePool;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In a file it outlives the process; on PostgreSQL or MySQL several share it.
    let store = SqlStore::new(SqlitePool::connect("sqlite::memory:").await?);
    store.migrate().await?;

    // Shows text messages instead of sending them. In production: SmsSender::new(AliyunSms::new(…)?).
    let outbox = DevelopmentOutbox::for_environment("development")?;
    let inbox = Inbox::new(store.clone());
    let notifier = Notifier::builder(store.clone())
        .records(store.clone())
        .audience(store)
        .sender(outbox.sender(Channel::Sms))
        .sender(inbox.clone())
        .build();

    let login = NotificationTemplate::new("login", Kind::Code)
        .param("code", ParamSpec::text())
        .content("en", Content::new().text("Your code is {{ code }}."));
    let paid = NotificationTemplate::new("order.paid", Kind::Notice)
        .param("order", ParamSpec::text().with_max(20))
        .content("en", Content::new().title("Order {{ order }}").text("Order {{ order }} is paid."));
    for template in [login, paid] {
        notifier.templates().put(&template, 0, notifier.now()).await?;
    }

    // A code holds for five minutes and five tries, for one scene and one number, and once.
    let codes =
        VerificationCodes::new(notifier.clone(), MemoryCodes::new(), "at least 32 random bytes, from configuration")?;
    let phone = Phone::parse("+8613800138000", None)?;
    codes.send(CodeRequest::new("login", "login", phone.clone())).await?;
    let typed = outbox.messages().first().and_then(|message| message.params.get("code").cloned()).unwrap_or_default();
    println!("a guess: {:?}", codes.verify("login", phone.clone(), "000-000").await?);
    println!("the code: {:?}", codes.verify("login", phone.clone(), &typed).await?);
    println!("once more: {:?}", codes.verify("login", phone.clone(), &typed).await?);

    // The same key sends once, whoever says it how often.
    for _ in 0..2 {
        let notification = Notification::new("order.paid")
            .to(Recipient::user("ada").with(phone.clone()))
            .param("order", "T-4711")
            .idempotency_key("order:4711:paid");
        let sent = notifier.send(notification).await?;
        println!("sent before: {}, jobs: {}", sent.duplicate, sent.jobs.len());
    }
    println!("unread: {}", inbox.state("ada").await?.unread);
    Ok(())
}
