//! What the messages say, in English and Chinese.

use nebula_notification::{Channel, Content, Kind, MemoryTemplates, NotificationTemplate, ParamSpec, Result};

use crate::outbox::Topic;

/// What whoever bought at a counter reads instead of [`Topic::TicketsIssued`].
pub(super) const RECEIPT: &str = "counter-receipt";

/// Every template. A buyer whose language has no text reads the English one.
pub(super) fn all() -> Result<MemoryTemplates> {
    let known = MemoryTemplates::new().with(at_counter())?;
    Topic::ALL.into_iter().try_fold(known, |templates, topic| templates.with(of(topic)))
}

struct Said {
    title: &'static str,
    text: &'static str,
}

fn of(topic: Topic) -> NotificationTemplate {
    let template = template(topic.as_str(), words(topic)).channels(channels(topic).iter().copied());
    match topic {
        Topic::SaleOpens => template.param("time", ParamSpec::text()),
        _ => of_money(template),
    }
}

fn of_money(template: NotificationTemplate) -> NotificationTemplate {
    template.param("amount", ParamSpec::text()).param("reason", ParamSpec::text().optional())
}

fn at_counter() -> NotificationTemplate {
    of_money(template(RECEIPT, receipt())).channels([Channel::Email])
}

fn receipt() -> (Said, Said) {
    let en = Said {
        title: "Your receipt: {{ show }}",
        text: "You bought tickets for {{ show }} at the counter and paid {{ amount }}. Keep the printed tickets: the door reads them.",
    };
    let zh = Said {
        title: "购票凭证：{{ show_zh }}",
        text: "您已在柜台购买《{{ show_zh }}》门票，支付 {{ amount }}。请妥善保管纸质票，入场时需要扫码。",
    };
    (en, zh)
}

fn template(name: &'static str, (en, zh): (Said, Said)) -> NotificationTemplate {
    let content = |said: Said| Content::new().title(said.title).text(format!("{}\n\n{{{{ link }}}}", said.text));
    NotificationTemplate::new(name, Kind::Notice)
        .param("show", ParamSpec::text())
        .param("show_zh", ParamSpec::text())
        .param("link", ParamSpec::text())
        .content("en", content(en))
        .content("zh", content(zh))
}

/// What matters on the way there goes to telephones, too.
const fn channels(topic: Topic) -> &'static [Channel] {
    match topic {
        Topic::TicketsIssued | Topic::RefundDone => &[Channel::Inbox, Channel::Email, Channel::Sms],
        _ => &[Channel::Inbox, Channel::Email],
    }
}

fn words(topic: Topic) -> (Said, Said) {
    let (title, text, title_zh, text_zh) = match topic {
        Topic::TicketsIssued => (
            "Your tickets: {{ show }}",
            "Your order is paid ({{ amount }}), and your tickets for {{ show }} are ready. Show their codes at the door.",
            "电子票已出：{{ show_zh }}",
            "订单已支付（{{ amount }}），《{{ show_zh }}》的电子票已生成。入场时请出示二维码。",
        ),
        Topic::Ended => (
            "Your order has ended: {{ show }}",
            "Your order for {{ show }} ended unpaid. Nothing was charged, and its seats are on sale again.",
            "订单已关闭：{{ show_zh }}",
            "《{{ show_zh }}》的订单未支付，现已关闭。没有扣款，座位已重新开售。",
        ),
        Topic::EndedByName => (
            "Your order has ended: {{ show }}",
            "Your order for {{ show }} was placed while names could not be checked. They have been checked since, and one of them does not belong to its document, so the order has ended. Nothing was charged, and its seats are on sale again: you may order anew with the name as the document has it.",
            "订单已关闭：{{ show_zh }}",
            "《{{ show_zh }}》的订单提交时暂时无法核验实名信息。现已核验，其中有姓名与证件不符，订单已关闭。没有扣款，座位已重新开售；请按证件上的姓名重新下单。",
        ),
        Topic::ReturnedByName => (
            "Your tickets are void: {{ show }}",
            "You ordered for {{ show }} while names could not be checked. They have been checked since, and one of them does not belong to its document. The tickets of this order open no door any more, and all you paid ({{ amount }}) is to go back to you at no fee; we tell you when it does.",
            "电子票已失效：{{ show_zh }}",
            "您订购《{{ show_zh }}》时暂时无法核验实名信息。现已核验，其中有姓名与证件不符。该订单的电子票已失效，所付 {{ amount }} 将全额退还，不收手续费；退款完成后会通知您。",
        ),
        Topic::RefundAgreed => (
            "Your refund is on its way: {{ show }}",
            "We agreed to your refund for {{ show }}: {{ amount }} are on their way back to you.",
            "退款已通过：{{ show_zh }}",
            "《{{ show_zh }}》的退款申请已通过，{{ amount }} 正在退回。",
        ),
        Topic::RefundRefused => (
            "No refund: {{ show }}",
            "Your money for {{ show }} does not go back; your tickets are valid again.{% if reason %} The reason: {{ reason }}{% endif %}",
            "退款未成功：{{ show_zh }}",
            "《{{ show_zh }}》的退款未成功，电子票重新有效。{% if reason %}原因：{{ reason }}{% endif %}",
        ),
        Topic::RefundDone => (
            "Your money is back: {{ show }}",
            "{{ amount }} for {{ show }} went back the way you paid.",
            "退款完成：{{ show_zh }}",
            "《{{ show_zh }}》的退款 {{ amount }} 已按原支付方式退回。",
        ),
        Topic::SaleOpens => (
            "On sale soon: {{ show }}",
            "You want to see {{ show }}: its sale opens on {{ time }}.",
            "即将开售：{{ show_zh }}",
            "您想看的《{{ show_zh }}》将于 {{ time }} 开售。",
        ),
    };
    (Said { title, text }, Said { title: title_zh, text: text_zh })
}

#[cfg(test)]
mod tests {
    use nebula_notification::Params;

    use super::*;

    #[test]
    fn every_topic_is_told_in_both_languages() {
        for topic in Topic::ALL {
            let params =
                Params::new().with("show", "Peony").with("show_zh", "牡丹亭").with("link", "http://here/orders/1");
            let params = match topic {
                Topic::SaleOpens => params.with("time", "2026-12-24 20:00 (UTC+08)"),
                _ => params.with("amount", "380.00 CNY"),
            };
            for (locale, show) in [("en", "Peony"), ("zh", "牡丹亭"), ("fr", "Peony")] {
                let said = of(topic).render(locale, &params).unwrap();
                let (title, text) = (said.title.unwrap(), said.text.unwrap());
                assert!(title.contains(show) && text.contains(show), "{topic:?} {locale}: {title} {text}");
                assert!(text.ends_with("http://here/orders/1"), "{text}");
            }
        }
        let params = Params::new().with("show", "P").with("show_zh", "牡").with("amount", "1").with("link", "l");
        for (locale, word) in [("en", "printed tickets"), ("zh", "纸质票")] {
            let said = at_counter().render(locale, &params).unwrap();
            assert!(said.text.unwrap().contains(word));
        }
        let refused = Params::new().with("show", "P").with("show_zh", "牡").with("amount", "1").with("link", "l");
        let said = of(Topic::RefundRefused).render("en", &refused.with("reason", "Used <b>")).unwrap();
        assert!(said.text.unwrap().contains("The reason: Used <b>"));
    }
}
