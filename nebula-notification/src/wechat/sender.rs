use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    token::{Tokens, post},
    values,
};
use crate::{
    error::Result,
    http::{self, Answer, Service, service_options},
    kind::Channel,
    outcome::{ErrorClass, Outcome},
    recipient::Address,
    sender::{Delivery, NotificationSender},
    template::ProviderTemplate,
};

/// Sends subscribe messages of a WeChat mini-program to users by their open ids.
///
/// Templates are WeChat's: a logical one names theirs under the provider `wechat`, with their names for values
/// (`thing1`, `amount2`). A value that does not fit its type is refused here and never cut. The access token is the stable one,
/// fetched once for all who wait, and replaced when WeChat refuses it. That a user has not subscribed (`43101`) concerns the
/// recipient: nobody else is asked, and nothing is tried again.
///
/// ```
/// use nebula_notification::{Content, ProviderTemplate, WechatSender};
///
/// let sender = WechatSender::new("wx0123456789abcdef", "secret")?.with_page("order.paid", "pages/order/index");
/// let content = Content::new()
///     .text("Order {{ order }} is paid.")
///     .provider("wechat", ProviderTemplate::renamed("tmpl-id", [("thing1", "show"), ("character_string2", "order")]));
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct WechatSender {
    tokens: Arc<Tokens>,
    service: Service,
    state: String,
    pages: BTreeMap<String, String>,
    templates: BTreeMap<String, ProviderTemplate>,
}

service_options!(WechatSender, "wechat");

impl WechatSender {
    /// The mini-program of that id.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) if no HTTP client can be made.
    pub fn new(app_id: impl Into<String>, secret: impl Into<SecretString>) -> Result<Self> {
        Ok(Self {
            tokens: Arc::new(Tokens::new(app_id.into(), secret.into())),
            service: Service::new("wechat", "https://api.weixin.qq.com")?,
            state: "formal".to_owned(),
            pages: BTreeMap::new(),
            templates: BTreeMap::new(),
        })
    }

    /// Says how WeChat knows a logical template, if the template does not say it itself.
    #[must_use]
    pub fn with_template(mut self, name: impl Into<String>, template: ProviderTemplate) -> Self {
        self.templates.insert(name.into(), template);
        self
    }

    /// The page of the mini-program that a message of that template opens.
    #[must_use]
    pub fn with_page(mut self, template: impl Into<String>, page: impl Into<String>) -> Self {
        self.pages.insert(template.into(), page.into());
        self
    }

    /// Opens the trial version of the mini-program instead of the released one.
    #[must_use]
    pub fn with_trial(mut self) -> Self {
        self.state = "trial".to_owned();
        self
    }

    fn body(&self, delivery: &Delivery) -> Result<Value, Outcome> {
        let theirs =
            delivery.provider_templates.get(&*self.service.name).or_else(|| self.templates.get(&delivery.template));
        let (Address::OpenId(user), Some(template)) = (&delivery.address, theirs) else {
            return Err(Outcome::refused(ErrorClass::Unmapped, "no template", "WeChat has no template for it"));
        };
        let mut data = serde_json::Map::new();
        for (name, value) in template.by_name(&delivery.params) {
            values::check(&name, &value).map_err(|why| Outcome::refused(ErrorClass::Content, "value", why))?;
            data.insert(name, json!({ "value": value }));
        }
        let language = match delivery.locale.get(..2) {
            Some("en") => "en_US",
            _ if delivery.locale.contains("TW") || delivery.locale.contains("Hant") => "zh_TW",
            _ => "zh_CN",
        };
        let mut body = json!({ "touser": user, "template_id": template.code, "miniprogram_state": self.state,
            "lang": language, "data": data });
        if let Some(page) = self.pages.get(&delivery.template) {
            body["page"] = json!(page);
        }
        Ok(body)
    }

    async fn ask(&self, token: &SecretString, body: &Value) -> Result<Answer, Outcome> {
        let mut url = self.service.at("/cgi-bin/message/subscribe/send");
        url.query_pairs_mut().append_pair("access_token", token.expose_secret());
        self.service.ask(Ok(post(url, body))).await
    }

    async fn hand_over(&self, delivery: &Delivery) -> Result<Outcome, Outcome> {
        let body = self.body(delivery)?;
        let token = self.tokens.get(&self.service, None).await?;
        let outcome = read(&self.ask(&token, &body).await?);
        // WeChat says so before it looks at the message: it certainly has not taken it.
        if !is_token_refused(&outcome) {
            return Ok(outcome);
        }
        let token = self.tokens.get(&self.service, Some(&token)).await?;
        Ok(read(&self.ask(&token, &body).await?))
    }
}

fn is_token_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(refusal) if ["40001", "40014", "42001"].contains(&refusal.code.as_str()))
}

/// The published codes.
fn read(answer: &Answer) -> Outcome {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(code) = body["errcode"].as_i64() else { return http::by_status(answer) };
    let class = match code {
        0 => {
            return match &body["msgid"] {
                Value::Number(id) => Outcome::accepted(id.to_string()),
                Value::String(id) => Outcome::accepted(id.as_str()),
                _ => Outcome::accepted_without_id(),
            };
        }
        -1 | 45009 | 45011 => ErrorClass::Transient,
        40003 | 43101 | 43004 => ErrorClass::Recipient,
        47003 | 41030 => ErrorClass::Content,
        _ => ErrorClass::Account,
    };
    Outcome::refused(class, code.to_string(), body["errmsg"].as_str().unwrap_or_default())
}

#[async_trait]
impl NotificationSender for WechatSender {
    fn provider(&self) -> &str {
        &self.service.name
    }

    fn channel(&self) -> Channel {
        Channel::MiniProgram
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        self.hand_over(delivery).await.unwrap_or_else(|outcome| outcome)
    }
}

impl fmt::Debug for WechatSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatSender")
            .field("name", &self.service.name)
            .field("app_id", &self.tokens.app_id)
            .finish_non_exhaustive()
    }
}
