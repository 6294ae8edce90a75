//! Pushes that wait at JPush: once, or again and again.

use std::time::SystemTime;

use jiff::civil::Time;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{jpush::JpushProvider, provider::PushMessage};
use crate::{
    clock,
    error::{Error, ErrorKind, Result},
    http::Answer,
};

/// A push that waits at JPush.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct JpushSchedule {
    /// Its id, by which it is changed and called back.
    #[serde(rename = "schedule_id")]
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Whether it will be sent.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// When a push goes out again and again. Times of the day are those of UTC+8, as everything at JPush.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use nebula_notification::JpushPeriod;
///
/// let now = SystemTime::now();
/// let mondays = JpushPeriod::weekly(now, now + Duration::from_secs(90 * 24 * 3600), "09:00:00", ["MON"])?;
/// assert!(JpushPeriod::weekly(now, now, "09:00:00", ["MON"]).is_err());
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct JpushPeriod {
    start: SystemTime,
    end: SystemTime,
    time: String,
    unit: &'static str,
    points: Vec<String>,
}

const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

fn refuse(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidNotification, format!("JPush schedule: {}", what.into()))
}

impl JpushPeriod {
    fn new(start: SystemTime, end: SystemTime, time: &str, unit: &'static str, points: Vec<String>) -> Result<Self> {
        if end <= start {
            return Err(refuse("it ends before it begins"));
        }
        let time: Time = time.parse().map_err(|_| refuse("this is no time of the day"))?;
        Ok(Self { start, end, time: time.strftime("%H:%M:%S").to_string(), unit, points })
    }

    /// Every day at a time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNotification`] for a span without length, and for what is no time.
    pub fn daily(start: SystemTime, end: SystemTime, time: &str) -> Result<Self> {
        Self::new(start, end, time, "day", Vec::new())
    }

    /// On days of the week (`MON` to `SUN`) at a time.
    ///
    /// # Errors
    /// As [`daily`](Self::daily), and for what is no day of the week.
    pub fn weekly<'a>(
        start: SystemTime,
        end: SystemTime,
        time: &str,
        days: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let days: Vec<String> = days.into_iter().map(str::to_ascii_uppercase).collect();
        if days.is_empty() || !days.iter().all(|day| DAYS.contains(&day.as_str())) {
            return Err(refuse("the days of a week are MON, TUE, WED, THU, FRI, SAT, SUN"));
        }
        Self::new(start, end, time, "week", days)
    }

    /// On days of the month (1 to 31) at a time; months without such a day are left out.
    ///
    /// # Errors
    /// As [`daily`](Self::daily), and for what is no day of a month.
    pub fn monthly(start: SystemTime, end: SystemTime, time: &str, days: impl IntoIterator<Item = u8>) -> Result<Self> {
        let days: Vec<u8> = days.into_iter().collect();
        if days.is_empty() || !days.iter().all(|day| (1..=31).contains(day)) {
            return Err(refuse("the days of a month are 1 to 31"));
        }
        Self::new(start, end, time, "month", days.into_iter().map(|day| format!("{day:02}")).collect())
    }

    fn trigger(&self) -> Result<Value> {
        let mut period = json!({ "start": beijing(self.start)?, "end": beijing(self.end)?, "time": self.time,
            "time_unit": self.unit, "frequency": 1 });
        if !self.points.is_empty() {
            period["point"] = json!(self.points);
        }
        Ok(json!({ "periodical": period }))
    }
}

fn beijing(time: SystemTime) -> Result<String> {
    clock::beijing(time).ok_or_else(|| refuse("no such time"))
}

fn path(id: &str) -> Result<String> {
    if id.is_empty() || !id.chars().all(|one| one.is_ascii_alphanumeric() || one == '-') {
        return Err(refuse("this is no id of a schedule"));
    }
    Ok(format!("/v3/schedules/{id}"))
}

fn parse<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "JPush has answered with no schedule").with_source(error))
}

/// One page of JPush's list.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    total_pages: u32,
    #[serde(default)]
    schedules: Vec<JpushSchedule>,
}

impl JpushProvider {
    /// Leaves a push at JPush until a time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`] for an empty audience, [`ErrorKind::InvalidNotification`] for what JPush does not take,
    /// [`ErrorKind::Unavailable`] if it does not answer: it may have it.
    ///
    /// # Cancel safety
    /// Dropping the future does not call back what was written.
    pub async fn schedule(&self, name: &str, at: SystemTime, message: &PushMessage) -> Result<JpushSchedule> {
        self.create(name, &json!({ "single": { "time": beijing(at)? } }), message).await
    }

    /// Leaves a push at JPush that goes out again and again.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    ///
    /// # Cancel safety
    /// As [`schedule`](Self::schedule).
    pub async fn schedule_periodic(
        &self,
        name: &str,
        period: &JpushPeriod,
        message: &PushMessage,
    ) -> Result<JpushSchedule> {
        self.create(name, &period.trigger()?, message).await
    }

    async fn create(&self, name: &str, trigger: &Value, message: &PushMessage) -> Result<JpushSchedule> {
        message.target.check()?;
        let body = json!({ "name": name, "enabled": true, "trigger": trigger, "push": self.body(message) });
        parse(&self.ask(Method::POST, "/v3/schedules", Some(&body)).await?)
    }

    /// Moves a push that was left until a time to another one. One that goes out again and again stays so: JPush does not make the one of the
    /// other.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    ///
    /// # Cancel safety
    /// As [`schedule`](Self::schedule).
    pub async fn reschedule(&self, id: &str, at: SystemTime) -> Result<JpushSchedule> {
        let body = json!({ "trigger": { "single": { "time": beijing(at)? } } });
        parse(&self.ask(Method::PUT, &path(id)?, Some(&body)).await?)
    }

    /// Stops a scheduled push for now, or lets it go on.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    ///
    /// # Cancel safety
    /// As [`schedule`](Self::schedule).
    pub async fn enable_schedule(&self, id: &str, enabled: bool) -> Result<JpushSchedule> {
        parse(&self.ask(Method::PUT, &path(id)?, Some(&json!({ "enabled": enabled }))).await?)
    }

    /// Looks a scheduled push up; `None` if there is none of that id.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if JPush does not answer.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn scheduled(&self, id: &str) -> Result<Option<JpushSchedule>> {
        match self.ask(Method::GET, &path(id)?, None).await {
            Ok(answer) => parse(&answer).map(Some),
            Err(error) if error.kind() == ErrorKind::InvalidNotification => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All pushes that wait.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if JPush does not answer.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn schedules(&self) -> Result<Vec<JpushSchedule>> {
        let mut all = Vec::new();
        // At most a hundred wait at a time; fifty are on a page.
        for number in 1..=10_u32 {
            let path = format!("/v3/schedules?page={number}");
            let page: Page = parse(&self.ask(Method::GET, &path, None).await?)?;
            all.extend(page.schedules);
            if number >= page.total_pages {
                break;
            }
        }
        Ok(all)
    }

    /// Calls a scheduled push back.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    ///
    /// # Cancel safety
    /// As [`schedule`](Self::schedule).
    pub async fn unschedule(&self, id: &str) -> Result<()> {
        self.ask(Method::DELETE, &path(id)?, None).await.map(drop)
    }
}
