//! Rules as text: in configuration, and in the book that all nodes share.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::calendar::Calendar;
use super::quota::{Kind, Quota, invalid};
use super::rule::{LEASE_TIME, Rule, WhenDown};
use crate::duration;
use crate::error::{Error, ErrorKind, Result};

/// A rule without its name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RuleText {
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    #[serde(deserialize_with = "duration::optional", serialize_with = "text", skip_serializing_if = "Option::is_none")]
    per: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(deserialize_with = "duration::optional", serialize_with = "text", skip_serializing_if = "Option::is_none")]
    window: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar: Option<Calendar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_down: Option<WhenDown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<u64>,
    #[serde(deserialize_with = "duration::optional", serialize_with = "text", skip_serializing_if = "Option::is_none")]
    lease_time: Option<Duration>,
}

#[allow(clippy::ref_option, reason = "as serde calls it")]
fn text<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(time.unwrap_or_default()))
}

impl RuleText {
    pub(super) fn rule(&self, name: &str) -> Result<Rule> {
        self.build(name).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, format!("the rate limit {name:?}: {error}")).with_source(error)
        })
    }

    fn build(&self, name: &str) -> Result<Rule> {
        let misplaced = |what: &str| Err(invalid(format!("{what} do not go together")));
        let quota = match (self.rate, self.limit, self.window, self.calendar) {
            (Some(rate), None, None, None) => {
                if self.time_zone.is_some() {
                    return misplaced("`rate` and `time-zone`");
                }
                let quota = Quota::rate(rate, self.per.unwrap_or(Duration::from_secs(1)))?;
                match self.burst {
                    Some(burst) => quota.with_burst(burst)?,
                    None => quota,
                }
            }
            (None, Some(_), ..) if self.per.is_some() || self.burst.is_some() => {
                return misplaced("`limit` and `per` or `burst`");
            }
            (None, Some(limit), Some(window), None) => Quota::rolling(limit, window)?,
            (None, Some(limit), None, Some(unit)) => {
                Quota::calendar(limit, unit, self.time_zone.as_deref().unwrap_or("UTC"))?
            }
            _ => {
                return Err(invalid(
                    "either `rate` with `per` and `burst`, or `limit` with `window`, or `limit` with `calendar` and `time-zone`",
                ));
            }
        };
        let rule = Rule::new(name, quota)?.with_when_down(self.when_down.unwrap_or_default());
        match (self.lease, self.lease_time) {
            (Some(most), time) => rule.with_lease(most, time.unwrap_or(LEASE_TIME)),
            (None, Some(_)) => Err(invalid("`lease-time` without `lease`")),
            (None, None) => Ok(rule),
        }
    }

    pub(super) fn of(rule: &Rule) -> Self {
        let mut text = Self {
            when_down: Some(rule.when_down),
            lease: rule.lease.map(|lease| lease.most),
            lease_time: rule.lease.map(|lease| lease.time),
            ..Self::default()
        };
        match &rule.quota.0 {
            Kind::Rate(rate) => {
                (text.rate, text.burst) = (Some(rate.count), Some(rate.burst));
                text.per = Some(Duration::from_micros(rate.per));
            }
            Kind::Rolling(rolling) => {
                text.limit = Some(rolling.limit);
                text.window = Some(Duration::from_micros(rolling.window));
            }
            Kind::Calendar(calendar) => {
                (text.limit, text.calendar) = (Some(calendar.limit), Some(calendar.unit));
                text.time_zone = calendar.zone.iana_name().map(ToOwned::to_owned);
            }
        }
        text
    }
}

/// The book as it is stored.
#[derive(Deserialize, Serialize)]
struct Stored {
    format: u32,
    rules: BTreeMap<String, RuleText>,
}

/// The format that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

pub(super) fn write<'a>(rules: impl Iterator<Item = &'a Rule>) -> Result<String> {
    let rules = rules.map(|rule| (rule.name().to_owned(), RuleText::of(rule))).collect();
    serde_json::to_string(&Stored { format: FORMAT, rules })
        .map_err(|error| Error::new(ErrorKind::Codec, "the rate limits cannot be written").with_source(error))
}

pub(super) fn read(text: &str) -> Result<Vec<Rule>> {
    let unreadable = |error| Error::new(ErrorKind::Codec, "the shared rate limits cannot be read").with_source(error);
    let stored: Stored = serde_json::from_str(text).map_err(unreadable)?;
    if stored.format != FORMAT {
        return Err(Error::new(
            ErrorKind::Codec,
            format!(
                "the shared rate limits are written in format {}, and format {FORMAT} is understood",
                stored.format
            ),
        ));
    }
    stored.rules.iter().map(|(name, text)| text.rule(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_being_written() {
        let rules = [
            Rule::new("a", Quota::rate(7, Duration::from_micros(1_500)).unwrap().with_burst(9).unwrap()).unwrap(),
            Rule::new("b", Quota::rolling(5, Duration::from_secs(86_400)).unwrap())
                .unwrap()
                .with_when_down(WhenDown::Closed),
            Rule::new("c", Quota::calendar(5, Calendar::Month, "Asia/Shanghai").unwrap()).unwrap(),
            Rule::new("d", Quota::rate(1_000, Duration::from_secs(1)).unwrap())
                .unwrap()
                .with_lease(100, Duration::from_millis(150))
                .unwrap(),
        ];
        assert_eq!(read(&write(rules.iter()).unwrap()).unwrap(), rules);
    }

    #[test]
    fn what_another_version_wrote_is_told() {
        let error = read(r#"{ "format": 2, "rules": {} }"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec);
        assert!(error.to_string().contains("format 2"), "{error}");
        assert!(read("[]").is_err());
    }
}
