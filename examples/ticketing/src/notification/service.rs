//! Hands what happened to nebula-notification, and keeps inboxes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use nebula_notification::{
    DevelopmentOutbox, EmailAddress, Fanout, Inbox, Notification, Notifier, Params, Phone, Pump, Recipient, SqlStore,
};

use super::{config::NoticeConfig, storage, templates};
use crate::{
    counter,
    delivery::{Delivery, failed},
    ids::UserId,
    merchant::Merchants,
    order::{
        sale_of,
        storage::{self as orders, OrderRow},
    },
    outbox::{Notice, Recorded, Topic},
    payment::storage::refunds,
    personal::Vault,
    problem::Result,
    show::Catalog,
    storage::Database,
    user::{Reader, Users},
    wanted::Reminder,
};

/// Where the venues are: times are told as their clocks show them.
const VENUES: jiff::tz::Offset = jiff::tz::Offset::constant(8);

/// How often a message is tried whose server is away. With the pause doubling from half a minute: for a day and a half.
const ROUNDS: u32 = 13;

/// How often is looked for what waits.
const EVERY: Duration = Duration::from_secs(1);

/// What notices are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The database.
    pub database: Database,
    /// What opens the addresses of those who bought at a counter.
    pub vault: Vault,
    /// Who buys.
    pub users: Users,
    /// Shows and sessions.
    pub catalog: Catalog,
    /// Who sells.
    pub merchants: Merchants,
    /// Where links lead to.
    pub here: String,
}

/// Tells buyers what happened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    notifier: Notifier,
    inbox: Inbox,
    development: Option<DevelopmentOutbox>,
    keep: Duration,
    /// Sends what waits as long as this lives.
    _pump: Option<Pump>,
}

impl Notices {
    /// Opens the store, connects the senders of the configuration, and starts to send what waits there.
    ///
    /// # Errors
    ///
    /// The store cannot be opened, or the configuration cannot work; the text says which.
    ///
    /// # Cancel safety
    ///
    /// The tables may have been made.
    pub async fn open(
        config: &NoticeConfig,
        data: &Path,
        delivery: &Delivery,
        parts: Parts,
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let store = storage::open(data, &parts.database, &parts.vault).await?;
        let inbox = Inbox::new(store.clone());
        let notifier = notifier(config, delivery, &store, &inbox).await?;
        let pump = config.workers.then(|| notifier.start(EVERY.min(config.retry)));
        let development = delivery.development().cloned();
        Ok(Self(Arc::new(Inner { parts, notifier, inbox, development, keep: config.keep, _pump: pump })))
    }

    /// The inboxes.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.0.inbox
    }

    /// What was sent, and what waits.
    #[must_use]
    pub fn notifier(&self) -> &Notifier {
        &self.0.notifier
    }

    /// Where messages are shown instead of sent, if they are.
    #[must_use]
    pub fn development(&self) -> Option<&DevelopmentOutbox> {
        self.0.development.as_ref()
    }

    /// Puts a notice into the store, from where it goes to the inbox and by mail. Told again, it is the same notice.
    ///
    /// # Errors
    ///
    /// When a database cannot be reached: tell it again.
    ///
    /// # Cancel safety
    ///
    /// Stored or not; telling it again finds out.
    pub async fn tell(&self, notice: Notice) -> Result<()> {
        let inner = &self.0;
        let Some(order) = orders::find(&inner.parts.database.read, notice.order).await? else { return Ok(()) };
        let Some(Addressed { recipient, template, link }) = self.addressed(&order, notice.topic).await? else {
            return Ok(());
        };
        let session = inner.parts.catalog.session(order.session).await?;
        let refund = match notice.refund {
            Some(id) => refunds::find(&inner.parts.database.read, &id.to_string()).await?,
            None => None,
        };
        let amount = refund.as_ref().map_or(order.total, |refund| refund.amount);
        let mut params = Params::new()
            .with("show", session.title.as_str())
            .with("show_zh", session.title_zh.as_str())
            .with("amount", amount.to_string())
            .with("link", link);
        if let Some(note) = refund.and_then(|refund| refund.note) {
            params = params.with("reason", note);
        }
        let notification = Notification::new(template)
            .to(recipient)
            .params(params)
            .fanout(Fanout::All)
            .tenant(session.merchant.to_string())
            .idempotency_key(notice.id());
        inner.notifier.enqueue(notification).await.map_err(failed)?;
        Ok(())
    }

    /// Who hears of it, in which words; nobody if there is nobody to write to.
    async fn addressed(&self, order: &OrderRow, topic: Topic) -> Result<Option<Addressed>> {
        let inner = &self.0;
        if order.user != UserId::COUNTER {
            let reader = inner.parts.users.reader(order.user).await?;
            let link = format!("{}/orders/{}", inner.parts.here, order.id);
            return Ok(reader.map(|reader| Addressed {
                recipient: recipient(order.user, reader),
                template: topic.as_str(),
                link,
            }));
        }
        let Some(sold) = sale_of(&inner.parts.database.read, order.id).await? else { return Ok(None) };
        let Some(address) = counter::buyer_address(&inner.parts.vault, order.id, &sold.sale).await? else {
            return Ok(None);
        };
        let Ok(address) = EmailAddress::new(address) else { return Ok(None) };
        let recipient = Recipient::address_only(address).with_locale(sold.sale.language);
        // They have paper tickets and no account: there is no page of the order for them.
        let template = if topic == Topic::TicketsIssued { templates::RECEIPT } else { topic.as_str() };
        Ok(Some(Addressed { recipient, template, link: format!("{}/", inner.parts.here) }))
    }

    /// Tells a buyer that a sale opens soon, if that is still so. Told again, it is the same notice.
    ///
    /// # Errors
    ///
    /// When a database cannot be reached: tell it again.
    ///
    /// # Cancel safety
    ///
    /// Stored or not; telling it again finds out.
    pub async fn remind(&self, reminder: Reminder) -> Result<()> {
        let inner = &self.0;
        let session = inner.parts.catalog.session(reminder.session).await?;
        if !reminder.is_apt(&inner.parts.database, &inner.parts.merchants, &session).await? {
            return Ok(());
        }
        let Some(reader) = inner.parts.users.reader(reminder.user).await? else { return Ok(()) };
        let opens = session.sale_opens_at.timestamp().to_zoned(VENUES.to_time_zone());
        let params = Params::new()
            .with("show", session.title.as_str())
            .with("show_zh", session.title_zh.as_str())
            .with("time", opens.strftime("%Y-%m-%d %H:%M (UTC%:z)").to_string())
            .with("link", format!("{}/sessions/{}", inner.parts.here, session.id));
        let notification = Notification::new(Topic::SaleOpens.as_str())
            .to(recipient(reminder.user, reader))
            .params(params)
            .fanout(Fanout::All)
            .tenant(session.merchant.to_string())
            .idempotency_key(format!("{}:{}", Topic::SaleOpens.as_str(), reminder.key()));
        inner.notifier.enqueue(notification).await.map_err(failed)?;
        Ok(())
    }

    /// Removes what is older than is kept.
    ///
    /// # Errors
    ///
    /// When the store cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Removes some of it.
    pub async fn forget(&self) -> Result<u64> {
        let before = SystemTime::now().checked_sub(self.0.keep).unwrap_or(SystemTime::UNIX_EPOCH);
        let messages = self.0.inbox.forget_older_than(self.0.keep).await.map_err(failed)?;
        Ok(messages + self.0.notifier.records().forget(before).await.map_err(failed)?)
    }
}

/// To whom a notice goes, by which template, and where its link leads.
struct Addressed {
    recipient: Recipient,
    template: &'static str,
    link: String,
}

fn recipient(user: UserId, reader: Reader) -> Recipient {
    let recipient = Recipient::user(user.to_string()).with_locale(reader.language.as_str());
    // What no message can go to leaves the inbox.
    let recipient = match reader.phone.map(|phone| Phone::parse(&phone, None)) {
        Some(Ok(phone)) => recipient.with(phone),
        _ => recipient,
    };
    match EmailAddress::new(reader.email) {
        Ok(address) => recipient.with(address),
        Err(_) => recipient,
    }
}

/// The inbox, and what delivers.
async fn notifier(
    config: &NoticeConfig,
    delivery: &Delivery,
    store: &SqlStore,
    inbox: &Inbox,
) -> nebula_notification::Result<Notifier> {
    Ok(delivery
        .notifier(templates::all)
        .await?
        .records(store.clone())
        .audience(store.clone())
        .sender(inbox.clone())
        .rounds(ROUNDS, config.retry)
        .breaker(5, config.retry)
        .build())
}
