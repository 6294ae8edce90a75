use std::{sync::Arc, time::SystemTime};

use super::state::Inner;
use crate::{
    error::{Error, ErrorKind, Result},
    kind::{Channel, Kind},
    notification::{Fanout, Notification},
    random,
    recipient::Recipient,
    record::{Job, JobStatus},
    template::StoredTemplate,
};

/// One job for each recipient and channel, and the template they share.
pub(super) struct Planned {
    pub(super) jobs: Vec<Job>,
    pub(super) template: Arc<StoredTemplate>,
}

pub(super) async fn plan(inner: &Inner, notification: &Notification, at_once: bool) -> Result<Planned> {
    notification.check()?;
    let now = inner.now();
    let (due, expires) = notification.times(now)?;
    let template = inner.template(&notification.template, None).await?;
    template.template.check_params(&notification.params)?;
    let kind = match (template.template.kind(), notification.kind) {
        (Kind::Code, _) => Kind::Code,
        (usual, wanted) => wanted.unwrap_or(usual),
    };
    let later = due > now || !at_once;
    if kind.is_secret() && later {
        return Err(Error::new(ErrorKind::InvalidNotification, "a code is sent at once or not at all"));
    }
    let id = random::public_id();
    let mut jobs = Vec::new();
    for recipient in &notification.recipients {
        let channels = channels(inner, notification, recipient, &template).await?;
        let Some((&first, rest)) = channels.split_first() else {
            let text = "no channel has both an address of the recipient and a sender";
            return Err(Error::new(ErrorKind::InvalidRecipient, text));
        };
        let each: Vec<(Channel, Vec<Channel>)> = match notification.fanout {
            Fanout::InTurn => vec![(first, rest.to_vec())],
            Fanout::All => channels.iter().map(|channel| (*channel, Vec::new())).collect(),
        };
        for (channel, fallback) in each {
            let Some(address) = recipient.address(channel) else { continue };
            let locale = recipient.locale().unwrap_or(&notification.locale);
            // What is wrong with the values is said before anything is sent.
            template.template.render(locale, &notification.params)?;
            jobs.push(Job {
                id: random::public_id(),
                notification: id.clone(),
                tenant: notification.tenant.clone(),
                kind,
                channel,
                address: address.clone(),
                recipient: recipient.clone(),
                fallback,
                template: notification.template.clone(),
                template_version: template.version,
                params: (!kind.is_secret()).then(|| notification.params.clone()),
                locale: locale.to_owned(),
                attachments: Arc::clone(&notification.attachments),
                origin: notification.origin,
                status: if later { JobStatus::Waiting } else { JobStatus::Sending },
                reason: later.then(|| "scheduled".to_owned()),
                due: if later { due } else { now + inner.lease() },
                expires,
                created: now,
                updated: now,
                version: 1,
                rounds: 0,
                charged: false,
                attempts: Vec::new(),
            });
        }
    }
    Ok(Planned { jobs, template })
}

/// The channels for a recipient: those the notification names, else those she prefers, else the template's, else all; of these,
/// those that there is an address and a sender for.
async fn channels(
    inner: &Inner,
    notification: &Notification,
    recipient: &Recipient,
    template: &StoredTemplate,
) -> Result<Vec<Channel>> {
    let wanted = if !notification.channels.is_empty() {
        notification.channels.clone()
    } else {
        let preferred = match recipient.user_id() {
            Some(user) => inner.audience.get(&format!("user:{user}")).await?.map(|it| it.preferred),
            None => None,
        };
        match preferred {
            Some(preferred) if !preferred.is_empty() => preferred,
            _ if !template.template.channels.is_empty() => template.template.channels.clone(),
            _ => Channel::ALL.to_vec(),
        }
    };
    let mut channels: Vec<Channel> = Vec::new();
    for channel in wanted {
        let possible = recipient.address(channel).is_some() && inner.routes.serves(channel);
        if possible && !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    Ok(channels)
}

/// The job that takes over on the next channel when one has failed for good.
pub(super) fn next_channel(job: &Job, now: SystemTime, lease: std::time::Duration) -> Option<Job> {
    let (&channel, rest) = job.fallback.split_first()?;
    let address = job.recipient.address(channel)?.clone();
    Some(Job {
        id: random::public_id(),
        channel,
        address,
        fallback: rest.to_vec(),
        status: JobStatus::Sending,
        reason: None,
        due: now + lease,
        created: now,
        updated: now,
        version: 1,
        rounds: 0,
        charged: false,
        attempts: Vec::new(),
        ..job.clone()
    })
}
