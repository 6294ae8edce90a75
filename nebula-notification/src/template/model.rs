use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    kind::{Channel, Kind},
    params::{Params, Value},
};

/// What a notification says, under a logical name that all providers and channels share.
///
/// ```
/// use nebula_notification::{Content, Kind, NotificationTemplate, ParamSpec, Params, ProviderTemplate};
///
/// let template = NotificationTemplate::new("order.paid", Kind::Notice)
///     .param("order", ParamSpec::text().with_max(32))
///     .param("seats", ParamSpec::integer())
///     .content(
///         "en",
///         Content::new()
///             .title("Order {{ order }}")
///             .text("Your {{ seats }} seats are booked.")
///             .provider("aliyun", ProviderTemplate::named("SMS_123456"))
///             .provider("tencent", ProviderTemplate::positional("1110", ["order", "seats"])),
///     );
/// let shown = template.render("en-GB", &Params::new().with("order", "T-1").with("seats", 2))?;
/// assert_eq!(shown.title.as_deref(), Some("Order T-1"));
/// assert!(template.render("en", &Params::new().with("order", "T-1")).is_err(), "seats are missing");
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationTemplate {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, ParamSpec>,
    /// By locale; the first one that was added is the last resort.
    #[serde(default)]
    pub(crate) contents: BTreeMap<String, Content>,
    #[serde(default)]
    pub(crate) fallback: String,
    #[serde(default)]
    pub(crate) channels: Vec<Channel>,
}

/// What a template says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Content {
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) providers: BTreeMap<String, ProviderTemplate>,
}

/// How a provider that keeps templates itself knows one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderTemplate {
    /// The provider's id of the template.
    pub code: String,
    /// Which value goes where.
    pub params: ProviderParams,
    /// The signature to send under, if it is not the sender's usual one.
    #[serde(default)]
    pub sign_name: Option<String>,
}

/// Which value goes where in a provider's template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderParams {
    /// Every value under its own name.
    Same,
    /// By name: the provider's name, and ours.
    Named(BTreeMap<String, String>),
    /// In this order.
    Positional(Vec<String>),
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamSpec {
    #[serde(rename = "type")]
    kind: ParamType,
    #[serde(default = "yes")]
    required: bool,
    #[serde(default)]
    max: Option<usize>,
}

const fn yes() -> bool {
    true
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParamType {
    /// A text; numbers are not texts.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Flag,
}

impl ParamSpec {
    const fn new(kind: ParamType) -> Self {
        Self { kind, required: true, max: None }
    }

    /// A text.
    #[must_use]
    pub const fn text() -> Self {
        Self::new(ParamType::Text)
    }

    /// A whole number.
    #[must_use]
    pub const fn integer() -> Self {
        Self::new(ParamType::Integer)
    }

    /// True or false.
    #[must_use]
    pub const fn flag() -> Self {
        Self::new(ParamType::Flag)
    }

    /// It may be left out.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// At most so many characters.
    #[must_use]
    pub const fn with_max(mut self, characters: usize) -> Self {
        self.max = Some(characters);
        self
    }

    fn check(&self, name: &str, value: &Value) -> Result<()> {
        let refuse = |what: String| Err(Error::new(ErrorKind::InvalidParams, what));
        let fits = matches!(
            (self.kind, value),
            (ParamType::Text, Value::Text(_))
                | (ParamType::Integer, Value::Integer(_))
                | (ParamType::Flag, Value::Flag(_))
        );
        if !fits {
            return refuse(format!("{name:?} has to be {:?}", self.kind));
        }
        match self.max {
            Some(max) if value.to_text().chars().count() > max => refuse(format!("{name:?} may have {max} characters")),
            _ => Ok(()),
        }
    }
}

impl ProviderTemplate {
    /// Every value under its own name.
    #[must_use]
    pub fn named(code: impl Into<String>) -> Self {
        Self { code: code.into(), params: ProviderParams::Same, sign_name: None }
    }

    /// By name: the provider's name, and ours.
    #[must_use]
    pub fn renamed<K: Into<String>, V: Into<String>>(
        code: impl Into<String>,
        names: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let names = names.into_iter().map(|(theirs, ours)| (theirs.into(), ours.into())).collect();
        Self { code: code.into(), params: ProviderParams::Named(names), sign_name: None }
    }

    /// In order.
    #[must_use]
    pub fn positional<N: Into<String>>(code: impl Into<String>, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { code: code.into(), params: ProviderParams::Positional(names), sign_name: None }
    }

    /// Sends under another signature than usual.
    #[must_use]
    pub fn with_sign_name(mut self, name: impl Into<String>) -> Self {
        self.sign_name = Some(name.into());
        self
    }

    /// The values by the provider's names. Positional ones are named `1`, `2`, …
    #[must_use]
    pub fn by_name(&self, params: &Params) -> BTreeMap<String, String> {
        match &self.params {
            ProviderParams::Same => params.iter().map(|(name, value)| (name.to_owned(), value.to_text())).collect(),
            ProviderParams::Named(names) => {
                names.iter().filter_map(|(theirs, ours)| Some((theirs.clone(), params.text(ours)?))).collect()
            }
            ProviderParams::Positional(names) => {
                let number = |(at, ours): (usize, &String)| Some(((at + 1).to_string(), params.text(ours)?));
                names.iter().enumerate().filter_map(number).collect()
            }
        }
    }

    /// The values in order; by name where the template has no order. A value that is missing is empty.
    #[must_use]
    pub fn by_position(&self, params: &Params) -> Vec<String> {
        match &self.params {
            ProviderParams::Positional(names) => {
                names.iter().map(|ours| params.text(ours).unwrap_or_default()).collect()
            }
            _ => self.by_name(params).into_values().collect(),
        }
    }

    fn names(&self) -> Vec<&String> {
        match &self.params {
            ProviderParams::Same => Vec::new(),
            ProviderParams::Named(names) => names.values().collect(),
            ProviderParams::Positional(names) => names.iter().collect(),
        }
    }
}

impl Content {
    /// Says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The subject of a mail, the title of a push or of an entry in the inbox. Rendered as text, on one line.
    #[must_use]
    pub fn title(mut self, source: impl Into<String>) -> Self {
        self.title = Some(source.into());
        self
    }

    /// The text.
    #[must_use]
    pub fn text(mut self, source: impl Into<String>) -> Self {
        self.text = Some(source.into());
        self
    }

    /// The HTML of a mail. Values are escaped.
    #[must_use]
    pub fn html(mut self, source: impl Into<String>) -> Self {
        self.html = Some(source.into());
        self
    }

    /// How a provider knows it.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>, template: ProviderTemplate) -> Self {
        self.providers.insert(name.into(), template);
        self
    }
}

impl NotificationTemplate {
    /// A template that says nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        let (params, contents, fallback, channels) = Default::default();
        Self { name: name.into(), kind, params, contents, fallback, channels }
    }

    /// Declares a value.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, spec: ParamSpec) -> Self {
        self.params.insert(name.into(), spec);
        self
    }

    /// Adds what it says in a language, such as `zh-CN`. The first one that is added is the last resort.
    #[must_use]
    pub fn content(mut self, locale: impl Into<String>, content: Content) -> Self {
        let locale = locale.into();
        if self.contents.is_empty() {
            self.fallback.clone_from(&locale);
        }
        self.contents.insert(locale, content);
        self
    }

    /// Sets the channels it goes by if the notification names none.
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = Channel>) -> Self {
        self.channels = channels.into_iter().collect();
        self
    }

    /// Its logical name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it says in the language that fits best: `zh-Hant-TW`, then `zh-Hant`, then `zh`, then the last resort.
    #[must_use]
    pub fn best(&self, locale: &str) -> Option<(&str, &Content)> {
        let find = |wanted: &str| {
            let same = |(name, _): &(&String, &Content)| name.eq_ignore_ascii_case(wanted);
            self.contents.iter().find(same).map(|(name, content)| (name.as_str(), content))
        };
        let mut wanted = locale;
        loop {
            if let Some(found) = find(wanted) {
                return Some(found);
            }
            match wanted.rsplit_once(['-', '_']) {
                Some((shorter, _)) => wanted = shorter,
                None => {
                    return find(&self.fallback).or_else(|| self.contents.iter().next().map(|(n, c)| (n.as_str(), c)));
                }
            }
        }
    }

    /// Whether values are what the template asks for: none missing, none unknown, all of their type.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParams`], naming the value but never repeating it.
    pub fn check_params(&self, params: &Params) -> Result<()> {
        for (name, value) in params.iter() {
            match self.params.get(name) {
                Some(spec) => spec.check(name, value)?,
                None => {
                    let text = format!("the template {:?} knows no {name:?}", self.name);
                    return Err(Error::new(ErrorKind::InvalidParams, text));
                }
            }
        }
        match self.params.iter().find(|(name, spec)| spec.required && params.get(name).is_none()) {
            Some((name, _)) => {
                let text = format!("the template {:?} needs {name:?}", self.name);
                Err(Error::new(ErrorKind::InvalidParams, text))
            }
            None => Ok(()),
        }
    }

    /// Whether it can be rendered: something to say in every language, correct syntax, and only declared values in it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTemplate`], naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::InvalidTemplate, text));
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(word) {
            return refuse("a name has 1 to 64 letters, digits, dots, dashes and underscores".to_owned());
        }
        if self.contents.is_empty() {
            return refuse(format!("{:?} says nothing", self.name));
        }
        let declared: BTreeSet<&String> = self.params.keys().collect();
        for (locale, content) in &self.contents {
            let empty = content.text.is_none() && content.html.is_none() && content.providers.is_empty();
            if empty || locale.is_empty() || locale.len() > 35 {
                return refuse(format!("{:?} says nothing in {locale:?}", self.name));
            }
            for provider in content.providers.values() {
                if let Some(unknown) = provider.names().into_iter().find(|name| !declared.contains(name)) {
                    return refuse(format!("{:?} maps {unknown:?}, which is not declared", self.name));
                }
            }
            super::render::check(self, content)?;
        }
        Ok(())
    }
}
