//! From a delivery to the bytes of a mail.

use lettre::{
    Message,
    message::{
        Attachment as Part, Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};

use super::dkim::DkimKey;
use crate::{
    attachment::Attachment,
    clock::Clock,
    kind::Kind,
    outcome::{ErrorClass, Outcome},
    recipient::Address,
    sender::Delivery,
    unsubscribe::UnsubscribeLinks,
};

/// A mail, and under which id it is known.
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) to: lettre::Address,
    pub(super) bytes: Vec<u8>,
}

fn refused(what: &str) -> Outcome {
    Outcome::refused(ErrorClass::Content, "mail", what)
}

/// Every body is base64: no line of it can begin with a dot, or end the message, or be mangled on its way.
fn encoded(bytes: Vec<u8>) -> Result<Body, Outcome> {
    Body::new_with_encoding(bytes, ContentTransferEncoding::Base64).map_err(|_| refused("a body cannot be encoded"))
}

/// Text has the line ends of mail, whatever those of the template are.
fn text(content_type: ContentType, text: &str) -> Result<SinglePart, Outcome> {
    let mut lines = String::with_capacity(text.len() + 64);
    for (number, line) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
        if number > 0 {
            lines.push_str("\r\n");
        }
        lines.push_str(line);
    }
    Ok(SinglePart::builder().header(content_type).body(encoded(lines.into_bytes())?))
}

fn part(attachment: &Attachment) -> Result<SinglePart, Outcome> {
    let kind = ContentType::parse(attachment.content_type()).map_err(|_| refused("this is no media type"))?;
    let part = match attachment.content_id() {
        Some(id) => Part::new_inline(id.to_owned()),
        None => Part::new(attachment.name().to_owned()),
    };
    Ok(part.body(encoded(attachment.bytes().to_vec())?, kind))
}

/// The HTML, together with the images that it shows.
fn html(html: &str, images: &[&Attachment]) -> Result<MultiPart, Outcome> {
    let mut related = MultiPart::related().singlepart(text(ContentType::TEXT_HTML, html)?);
    for image in images {
        related = related.singlepart(part(image)?);
    }
    Ok(related)
}

enum Content {
    Single(SinglePart),
    Multi(MultiPart),
}

fn content(delivery: &Delivery) -> Result<Content, Outcome> {
    let (inline, files): (Vec<&Attachment>, Vec<&Attachment>) =
        delivery.attachments.iter().partition(|one| one.content_id().is_some());
    let plain = delivery.content.text.as_deref().map(|it| text(ContentType::TEXT_PLAIN, it)).transpose()?;
    let body = match (plain, delivery.content.html.as_deref()) {
        (None, None) => {
            return Err(Outcome::refused(ErrorClass::Unmapped, "no content", "the template has no text for mail"));
        }
        (Some(plain), None) => Content::Single(plain),
        (None, Some(source)) if inline.is_empty() => Content::Single(text(ContentType::TEXT_HTML, source)?),
        (None, Some(source)) => Content::Multi(html(source, &inline)?),
        (Some(plain), Some(source)) => {
            let both = MultiPart::alternative().singlepart(plain);
            Content::Multi(if inline.is_empty() {
                both.singlepart(text(ContentType::TEXT_HTML, source)?)
            } else {
                both.multipart(html(source, &inline)?)
            })
        }
    };
    if files.is_empty() {
        return Ok(body);
    }
    let mixed = MultiPart::mixed();
    let mut mixed = match body {
        Content::Single(single) => mixed.singlepart(single),
        Content::Multi(multi) => mixed.multipart(multi),
    };
    for file in files {
        mixed = mixed.singlepart(part(file)?);
    }
    Ok(Content::Multi(mixed))
}

/// What mails of a sender have in common.
pub(super) struct Letterhead {
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    pub(super) unsubscribe: Option<UnsubscribeLinks>,
    pub(super) dkim: Option<DkimKey>,
}

/// The two headers of RFC 8058, by which mail programs show a button.
fn one_click(links: &UnsubscribeLinks, delivery: &Delivery) -> Result<[HeaderValue; 2], Outcome> {
    let link = links.link(&delivery.address);
    let link = link.map_err(|error| Outcome::refused(ErrorClass::Transient, "not sent", error.to_string()))?;
    let header = |name: &'static str, value: String| {
        HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
    };
    let post = "List-Unsubscribe=One-Click".to_owned();
    Ok([header("List-Unsubscribe", format!("<{link}>")), header("List-Unsubscribe-Post", post)])
}

/// Puts a mail together.
pub(super) fn mail(delivery: &Delivery, head: &Letterhead, clock: &dyn Clock) -> Result<Mail, Outcome> {
    let from = &head.from;
    let unreachable = || Outcome::refused(ErrorClass::Recipient, "address", "no mail can be sent to this address");
    let Address::Email(address) = &delivery.address else {
        return Err(Outcome::refused(ErrorClass::Unmapped, "address", "this is no mailbox"));
    };
    let to: lettre::Address = address.as_str().parse().map_err(|_| unreachable())?;
    let subject = delivery.content.title.as_deref().unwrap_or_default();
    if subject.chars().any(char::is_control) {
        return Err(refused("a subject is one line"));
    }
    let id = format!("<{}@{}>", delivery.reference, from.email.domain());
    let mut builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(subject)
        .date(clock.now())
        .message_id(Some(id.clone()));
    if let Some(links) = head.unsubscribe.as_ref().filter(|_| delivery.kind == Kind::Marketing) {
        for header in one_click(links, delivery)? {
            builder = builder.raw_header(header);
        }
    }
    if let Some(reply_to) = &head.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    let message = match content(delivery)? {
        Content::Single(single) => builder.singlepart(single),
        Content::Multi(multi) => builder.multipart(multi),
    };
    let mut bytes = message.map_err(|_| refused("the mail cannot be put together"))?.formatted();
    if let Some(key) = &head.dkim {
        bytes = key.sign(&bytes, clock).map_err(|error| refused(&error.to_string()))?;
    }
    Ok(Mail { id, to, bytes })
}
