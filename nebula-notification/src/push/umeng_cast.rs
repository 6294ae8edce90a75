//! Umeng's pushes to many: lists, files, groups, aliases; and what tasks are asked.

use std::{fmt, time::SystemTime};

use serde_json::{Map, Value, json};

use super::{provider::PushMessage, umeng::UmengProvider};
use crate::{
    clock,
    error::{Error, ErrorKind, Result},
    http::Answer,
    outcome::{ErrorClass, Outcome},
};

/// The most devices or aliases of one request.
const MOST: usize = 500;

/// Umeng keeps pushes for seven days at most.
const LONGEST: u64 = 7 * 24 * 3600;

/// Whom one request of Umeng reaches.
///
/// ```
/// use nebula_notification::UmengAudience;
/// use serde_json::json;
///
/// let concertgoers = UmengAudience::Group(json!({ "where": { "and": [{ "tag": "concert" }, { "not": { "tag": "left" } }] } }));
/// let devices = UmengAudience::Devices(vec!["token-1".to_owned(), "token-2".to_owned()]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum UmengAudience {
    /// These devices, up to 500 (`listcast`).
    Devices(Vec<String>),
    /// The devices in a file that was [uploaded](UmengProvider::upload) (`filecast`).
    File(String),
    /// Those that a filter of Umeng's fits: conditions under `where`, joined by `and`, `or`, `not` (`groupcast`).
    Group(Value),
    /// Users by the names under which the app has registered them, up to 500 (`customizedcast`).
    Aliases(Vec<String>),
    /// The names in a file that was uploaded (`customizedcast`).
    AliasFile(String),
    /// Everybody (`broadcast`).
    Everybody,
}

impl fmt::Debug for UmengAudience {
    /// Devices and names are people: only how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(names) => write!(f, "Devices({})", names.len()),
            Self::Aliases(names) => write!(f, "Aliases({})", names.len()),
            Self::File(id) => f.debug_tuple("File").field(id).finish(),
            Self::AliasFile(id) => f.debug_tuple("AliasFile").field(id).finish(),
            Self::Group(filter) => f.debug_tuple("Group").field(filter).finish(),
            Self::Everybody => f.write_str("Everybody"),
        }
    }
}

/// When a task of Umeng's begins and ends, and how fast it may be.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UmengPolicy {
    start: Option<SystemTime>,
    expire: Option<SystemTime>,
    per_second: Option<u32>,
    business: Option<String>,
}

impl UmengPolicy {
    /// At once, with Umeng's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Not before that time; for tasks only: files, groups, everybody.
    #[must_use]
    pub const fn start(mut self, at: SystemTime) -> Self {
        self.start = Some(at);
        self
    }

    /// Not after that time, at most seven days ahead.
    #[must_use]
    pub const fn expire(mut self, at: SystemTime) -> Self {
        self.expire = Some(at);
        self
    }

    /// At most so many in a second, from 1,000 on; for tasks only.
    #[must_use]
    pub const fn per_second(mut self, most: u32) -> Self {
        self.per_second = Some(most);
        self
    }

    /// A number of your own, under which Umeng sends once; for tasks only.
    #[must_use]
    pub fn business_number(mut self, number: impl Into<String>) -> Self {
        self.business = Some(number.into());
        self
    }

    fn body(&self, is_task: bool, now: SystemTime) -> Result<Value, Outcome> {
        if !is_task && (self.start.is_some() || self.per_second.is_some() || self.business.is_some()) {
            return Err(refused("policy", "only files, groups and everybody have a beginning, a speed and a number"));
        }
        let mut policy = Map::new();
        if let Some(start) = self.start {
            if start <= now {
                return Err(refused("policy", "it begins in the past"));
            }
            policy.insert("start_time".to_owned(), beijing(start)?.into());
        }
        if let Some(expire) = self.expire {
            let from = self.start.unwrap_or(now);
            let span = expire.duration_since(from).map(|span| span.as_secs()).unwrap_or(0);
            if span == 0 || span > LONGEST {
                return Err(refused("policy", "it ends after it begins, and within seven days"));
            }
            policy.insert("expire_time".to_owned(), beijing(expire)?.into());
        }
        if let Some(most) = self.per_second {
            policy.insert("max_send_num".to_owned(), most.max(1000).into());
        }
        if let Some(number) = &self.business {
            policy.insert("out_biz_no".to_owned(), number.as_str().into());
        }
        Ok(Value::Object(policy))
    }
}

fn refused(code: &str, what: &str) -> Outcome {
    Outcome::refused(ErrorClass::Content, code, what)
}

fn beijing(time: SystemTime) -> Result<String, Outcome> {
    clock::beijing(time).ok_or_else(|| refused("policy", "no such time"))
}

impl UmengAudience {
    /// Tasks are worked on later, and have an id by which they can be asked and called back.
    const fn is_task(&self) -> bool {
        matches!(self, Self::File(_) | Self::Group(_) | Self::AliasFile(_) | Self::Everybody)
    }

    /// The fields for it. Nobody is never everybody: what is empty is refused.
    fn fields(&self, alias_type: &str) -> Result<Value, Outcome> {
        let empty = || Outcome::refused(ErrorClass::Recipient, "empty audience", "there is nobody to send it to");
        let list = |names: &[String]| {
            // Names are joined by commas, so none may have one.
            let fits = |name: &String| !name.is_empty() && !name.contains([',', '\n', '\r']);
            if names.is_empty() || !names.iter().all(fits) {
                return Err(empty());
            }
            if names.len() > MOST {
                return Err(refused("too many", "one request reaches 500; use a file"));
            }
            Ok(names.join(","))
        };
        let file = |id: &str| if id.is_empty() { Err(empty()) } else { Ok(id.to_owned()) };
        Ok(match self {
            Self::Devices(names) => json!({ "type": "listcast", "device_tokens": list(names)? }),
            Self::File(id) => json!({ "type": "filecast", "file_id": file(id)? }),
            Self::Group(filter) => {
                let conditions = filter["where"].as_object().filter(|conditions| !conditions.is_empty());
                let none = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
                if conditions.is_none_or(|conditions| conditions.values().any(none)) {
                    return Err(empty());
                }
                json!({ "type": "groupcast", "filter": filter })
            }
            Self::Aliases(names) => {
                json!({ "type": "customizedcast", "alias_type": alias_type, "alias": list(names)? })
            }
            Self::AliasFile(id) => json!({ "type": "customizedcast", "alias_type": alias_type, "file_id": file(id)? }),
            Self::Everybody => json!({ "type": "broadcast" }),
        })
    }
}

/// How far a task has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UmengTask {
    /// Umeng's word: 0 queued, 1 sending, 2 sent, 3 failed, 4 called back, 5 expired, 6 filtered out, 7 scheduled.
    pub status: i64,
    /// Devices that it was sent to.
    pub sent: u64,
    /// How often it was opened.
    pub opened: u64,
    /// How often it was dismissed.
    pub dismissed: u64,
}

impl UmengProvider {
    /// Sends one push to many. The id in the answer is that of a message, or that of a task, which can be
    /// [asked](Self::task) and [called back](Self::cancel). The message's own target does not matter.
    ///
    /// # Cancel safety
    /// Dropping the future does not call back what was written: the outcome is unknown then.
    pub async fn cast(&self, audience: &UmengAudience, message: &PushMessage, policy: &UmengPolicy) -> Outcome {
        let parts = audience
            .fields(self.alias_type())
            .and_then(|fields| Ok((fields, policy.body(audience.is_task(), self.now())?)));
        match parts {
            Ok((fields, policy)) => self.send_body(&self.envelope(message, fields, policy)).await,
            Err(outcome) => outcome,
        }
    }

    /// Leaves a list of devices or aliases at Umeng, one a line; its id is for [`UmengAudience::File`] or
    /// [`AliasFile`](UmengAudience::AliasFile).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`] for nobody, and for a name with a line break, [`ErrorKind::InvalidNotification`] if Umeng refuses it,
    /// [`ErrorKind::Unavailable`] if it does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a file there that nobody uses.
    pub async fn upload<'a>(&self, names: impl IntoIterator<Item = &'a str> + Send) -> Result<String> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.is_empty() || names.iter().any(|name| name.is_empty() || name.contains(['\n', '\r'])) {
            return Err(Error::new(ErrorKind::InvalidRecipient, "a list has names, and none has a line break"));
        }
        let body = json!({ "appkey": self.app_key(), "timestamp": self.stamp(), "content": names.join("\n") });
        let answer = self.ask("/upload", &body).await?;
        let data = data(&answer)?;
        let id = data["file_id"].as_str().ok_or_else(|| Error::new(ErrorKind::Corrupt, "Umeng has named no file"))?;
        Ok(id.to_owned())
    }

    /// How far a task has come.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNotification`] if there is no such task, [`ErrorKind::Unavailable`] if Umeng does not answer.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn task(&self, id: &str) -> Result<UmengTask> {
        let body = json!({ "appkey": self.app_key(), "timestamp": self.stamp(), "task_id": id });
        let answer = self.ask("/api/status", &body).await?;
        let data = data(&answer)?;
        let count = |name: &str| data[name].as_u64().unwrap_or(0);
        let status =
            data["status"].as_i64().ok_or_else(|| Error::new(ErrorKind::Corrupt, "Umeng has told no status"))?;
        Ok(UmengTask {
            status,
            sent: count("sent_count"),
            opened: count("open_count"),
            dismissed: count("dismiss_count"),
        })
    }

    /// Calls a task back: a push to a file, a group or everybody that has not begun.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNotification`] if Umeng refuses it, [`ErrorKind::Unavailable`] if it does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future calls it back or does not.
    pub async fn cancel(&self, task: &str) -> Result<()> {
        let body = json!({ "appkey": self.app_key(), "timestamp": self.stamp(), "task_id": task });
        self.ask("/api/cancel", &body).await.map(drop)
    }
}

fn data(answer: &Answer) -> Result<Value> {
    let body: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "Umeng's answer cannot be read").with_source(error))?;
    Ok(body["data"].clone())
}
