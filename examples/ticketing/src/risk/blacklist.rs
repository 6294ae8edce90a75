//! The blacklist: accounts, networks and devices that may not buy.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::storage;
use crate::{
    clock::Millis,
    ids::UserId,
    problem::{Code, Problem, Result},
    remembered::Cache,
    storage::Database,
};

/// How old the list in memory may be: what another process adds holds here after this time.
const AGE: Duration = Duration::from_secs(1);
/// How long the rules of behaviour put somebody on the list.
const BANNED: Duration = Duration::from_secs(15 * 60);
/// Longest text of a device or a reason.
const TEXT: usize = 200;

/// What an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An account.
    User,
    /// An address or a network (`203.0.113.0/24`).
    Network,
    /// A device, by the name that it gave itself.
    Device,
}

/// Somebody who may not buy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Entry {
    /// Identifier of the entry.
    pub id: Uuid,
    /// What `value` is.
    pub kind: Kind,
    /// The account, the network, or the device.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Who put it there; absent when the rules of behaviour did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// When.
    pub made_at: Millis,
    /// Until when; absent when there is no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

/// An entry to be made.
#[derive(Clone, Debug)]
pub struct Ban {
    /// What `value` is.
    pub kind: Kind,
    /// In its one form; see [`Ban::new`].
    pub value: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub expires_at: Option<Millis>,
}

impl Ban {
    /// Checks what somebody typed and brings it into its one form.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`], naming the field and what is allowed.
    pub fn new(kind: Kind, value: &str, reason: &str, expires_at: Option<Millis>) -> Result<Self> {
        let invalid = |field: &str, detail: &str| Problem::new(Code::InvalidValue, detail).with("field", field);
        let (value, reason) = (value.trim(), reason.trim());
        let value = match kind {
            Kind::User => value.parse::<UserId>().ok().map(|user| user.to_string()),
            Kind::Network => network(value).map(|network| network.to_string()),
            Kind::Device => plain(value).then(|| value.to_owned()),
        };
        let allowed = "A user is named by its identifier, a network by an address or CIDR such as `203.0.113.0/24` that is \
                       not the whole internet, a device by 1 to 200 visible ASCII characters.";
        let value = value.ok_or_else(|| invalid("value", allowed))?;
        if reason.is_empty() || reason.chars().count() > TEXT || reason.chars().any(char::is_control) {
            return Err(invalid("reason", "Say why, in 1 to 200 characters."));
        }
        Ok(Self { kind, value, reason: reason.to_owned(), expires_at })
    }
}

/// Whether it can name a device.
#[must_use]
pub fn plain(device: &str) -> bool {
    (1..=TEXT).contains(&device.len()) && device.bytes().all(|byte| byte.is_ascii_graphic())
}

fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    (network.prefix_len() > 0).then(|| network.trunc())
}

/// Somebody is on the blacklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Until when; `None` without an end.
    pub until: Option<Millis>,
}

/// The list in memory.
#[derive(Debug, Default)]
struct Snapshot {
    users: HashMap<UserId, Option<Millis>>,
    devices: HashMap<String, Option<Millis>>,
    networks: Vec<(IpNet, Option<Millis>)>,
}

impl Snapshot {
    fn of(entries: Vec<Entry>) -> Self {
        let mut snapshot = Self::default();
        for entry in entries {
            match entry.kind {
                Kind::User => {
                    if let Ok(user) = entry.value.parse() {
                        snapshot.users.insert(user, entry.expires_at);
                    }
                }
                Kind::Device => {
                    snapshot.devices.insert(entry.value, entry.expires_at);
                }
                Kind::Network => snapshot.networks.extend(network(&entry.value).map(|it| (it, entry.expires_at))),
            }
        }
        snapshot
    }

    fn find(&self, user: UserId, address: IpAddr, device: Option<&str>, now: Millis) -> Option<Listed> {
        let address = address.to_canonical();
        let user = self.users.get(&user);
        let device = device.and_then(|device| self.devices.get(device));
        let networks = self.networks.iter().filter(|(network, _)| network.contains(&address)).map(|(_, until)| until);
        user.into_iter()
            .chain(device)
            .chain(networks)
            .filter(|until| until.is_none_or(|until| until > now))
            // The longest: without an end, if one of them has none.
            .max_by_key(|until| until.map_or(i64::MAX, |until| until.0))
            .map(|until| Listed { until: *until })
    }
}

/// Who may not buy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blacklist {
    database: Database,
    snapshot: Arc<Cache<(), Arc<Snapshot>>>,
}

impl Blacklist {
    /// The list of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, snapshot: Arc::new(Cache::new("blacklist", 1, Some(AGE))) }
    }

    /// Whether this buyer may not buy. The database is asked once a second at most, whoever asks.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn find(&self, user: UserId, address: IpAddr, device: Option<&str>) -> Result<Option<Listed>> {
        let read = &self.database.read;
        let load = || async { Ok(Arc::new(Snapshot::of(storage::all(read, Millis::now()).await?))) };
        Ok(self.snapshot.get((), load).await?.find(user, address, device, Millis::now()))
    }

    /// All entries that hold now, the newest first.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn all(&self) -> Result<Vec<Entry>> {
        Ok(storage::all(&self.database.read, Millis::now()).await?)
    }

    /// Puts somebody on the list, or changes the entry that is there.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be there.
    pub async fn put(&self, ban: Ban, made_by: Option<String>) -> Result<Entry> {
        let entry = Entry {
            id: Uuid::now_v7(),
            kind: ban.kind,
            value: ban.value,
            reason: ban.reason,
            made_by,
            made_at: Millis::now(),
            expires_at: ban.expires_at,
        };
        let entry = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(storage::put(connection, entry).await?) }))
            .await?;
        self.snapshot.forget(&());
        Ok(entry)
    }

    /// Takes somebody off the list; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be gone.
    pub async fn remove(&self, id: Uuid) -> Result<Option<Entry>> {
        let removed = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(storage::remove(connection, id).await?) }))
            .await?;
        self.snapshot.forget(&());
        Ok(removed)
    }

    /// Puts a buyer on the list for a while because of how they behave.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// As [`put`](Self::put).
    pub async fn ban(&self, user: UserId) -> Result<Entry> {
        let until = Some(Millis::now().plus(BANNED));
        let ban = Ban::new(Kind::User, &user.to_string(), "requests as no person makes them", until)?;
        metrics::counter!("ticketing_blacklisted_total").increment(1);
        self.put(ban, None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, value: &str, expires_at: Option<i64>) -> Entry {
        let ban = Ban::new(kind, value, "test", expires_at.map(Millis)).unwrap();
        let Ban { kind, value, reason, expires_at } = ban;
        Entry { id: Uuid::nil(), kind, value, reason, made_by: None, made_at: Millis(0), expires_at }
    }

    #[test]
    fn an_account_a_network_or_a_device_is_enough() {
        let (user, other) = (UserId::new(), UserId::new());
        let list = Snapshot::of(vec![
            entry(Kind::User, &user.to_string(), Some(100)),
            entry(Kind::Network, "203.0.113.9/24", None),
            entry(Kind::Network, "2001:db8::/32", Some(50)),
            entry(Kind::Device, "abc", Some(70)),
        ]);
        let find = |user, address: &str, device, now| list.find(user, address.parse().unwrap(), device, Millis(now));
        let until = |until: Option<i64>| Some(Listed { until: until.map(Millis) });
        assert_eq!(find(user, "198.51.100.1", None, 99), until(Some(100)));
        assert_eq!(find(user, "198.51.100.1", None, 100), None);
        assert_eq!(find(other, "203.0.113.200", None, 0), until(None));
        assert_eq!(find(other, "::ffff:203.0.113.200", None, 0), until(None));
        assert_eq!(find(other, "2001:db8:1::1", None, 0), until(Some(50)));
        assert_eq!(find(other, "198.51.100.1", Some("abc"), 0), until(Some(70)));
        assert_eq!(find(user, "203.0.113.200", Some("abc"), 0), until(None), "the longest");
        assert_eq!(find(other, "198.51.100.1", Some("abd"), 0), None);
    }

    #[test]
    fn what_names_nobody_or_everybody_is_refused() {
        for (kind, value) in [
            (Kind::User, "somebody"),
            (Kind::Network, "0.0.0.0/0"),
            (Kind::Network, "::/0"),
            (Kind::Network, "203.0.113.0/33"),
            (Kind::Network, ""),
            (Kind::Device, ""),
            (Kind::Device, "a b"),
        ] {
            assert!(Ban::new(kind, value, "why", None).is_err(), "{kind:?} {value}");
        }
        assert!(Ban::new(Kind::Device, "abc", " ", None).is_err());
    }
}
