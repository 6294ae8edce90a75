//! Devices that accounts were entered on: the owner hears of any other one (decision 0062).

use std::time::Duration;

use nebula_auth::{DeviceFingerprint, Session};

use super::Device;
use crate::{
    clock::Millis,
    ids::UserId,
    personal::{DEVICE, Vault},
    problem::{Problem, Result, chain},
    storage::{
        Connection, Database,
        sql::{Query, Row, query},
    },
};

/// How long a device is known that was not seen since.
pub(super) const KEPT: Duration = Duration::from_secs(180 * 24 * 3_600);
/// Most that are known of an account: the others were seen longest ago.
const MOST: u32 = 20;
/// How exactly it is known when one was seen. So a device costs one write a day, however often it comes back.
const EXACT: Duration = Duration::from_secs(24 * 3_600);

/// A device of an account.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What it is found by: a keyed hash, another one for each account.
    pub(super) index: String,
    /// Since when it is known.
    pub(super) first_at: Millis,
    /// When it was seen last, to the day.
    pub(super) seen_at: Millis,
}

/// The devices of all accounts. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct KnownDevices {
    database: Database,
    vault: Vault,
}

impl KnownDevices {
    pub(super) const fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault }
    }

    /// What that device of that account is found by.
    pub(super) async fn index(&self, user: UserId, print: DeviceFingerprint) -> Result<String> {
        self.vault.index(DEVICE, &format!("{user}:{}", data_encoding::HEXLOWER.encode(print.as_bytes()))).await
    }

    /// Whether the account was entered on that device, or is signed in there.
    pub(super) async fn knows(&self, user: UserId, device: &Device, sessions: &[Session]) -> Result<bool> {
        if sessions.iter().any(|session| device.began(session)) {
            return Ok(true);
        }
        let index = self.index(user, device.print()).await?;
        let known =
            "SELECT EXISTS (SELECT 1 FROM known_devices WHERE user_id = $1 AND device_index = $2 AND seen_at > $3)";
        Ok(query(known).bind(user).bind(index).bind(oldest().0).scalar(&self.database.read).await?)
    }

    /// Remembers a device that an account was entered on. Nobody is kept out because that failed: then its owner is told once more.
    pub(super) async fn remember(&self, user: UserId, device: &Device) {
        self.seen(user, device, true).await;
    }

    /// That it was seen again, if it is still remembered: what its owner has taken out of the list comes back with a sign-in only.
    pub(super) async fn seen_again(&self, user: UserId, device: &Device) {
        self.seen(user, device, false).await;
    }

    async fn seen(&self, user: UserId, device: &Device, new: bool) {
        if let Err(problem) = self.write(user, device.print(), new).await {
            tracing::warn!(error = chain(&problem), "a device of an account is not remembered");
        }
    }

    async fn write(&self, user: UserId, print: DeviceFingerprint, new: bool) -> Result<()> {
        let index = self.index(user, print).await?;
        let (now, find) = (Millis::now(), "SELECT seen_at FROM known_devices WHERE user_id = $1 AND device_index = $2");
        let seen: Option<i64> = query(find).bind(user).bind(&index).scalar_optional(&self.database.read).await?;
        if seen.map_or(!new, |seen| seen > now.minus(EXACT).0) {
            return Ok(());
        }
        let write = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| Box::pin(async move { put(connection, user, index, now).await }));
        write.await
    }

    /// The devices of an account, the latest first.
    pub(super) async fn of(&self, user: UserId) -> Result<Vec<Known>> {
        let sql = "SELECT device_index, first_at, seen_at FROM known_devices WHERE user_id = $1 AND seen_at > $2 \
                   ORDER BY seen_at DESC, device_index";
        let rows = query(sql).bind(user).bind(oldest().0).fetch_all(&self.database.read).await?;
        let known = |row: &Row| {
            Ok(Known {
                index: row.get("device_index")?,
                first_at: Millis(row.get("first_at")?),
                seen_at: Millis(row.get("seen_at")?),
            })
        };
        rows.iter().map(known).collect()
    }

    /// Forgets one device of an account; `false` when it was not known.
    pub(super) async fn forget(&self, user: UserId, index: &str) -> Result<bool> {
        let forget = query("DELETE FROM known_devices WHERE user_id = $1 AND device_index = $2");
        Ok(self.delete(forget.bind(user).bind(index)).await? > 0)
    }

    /// Forgets the devices of an account, but for that one.
    pub(super) async fn forget_others(&self, user: UserId, but: Option<DeviceFingerprint>) -> Result<()> {
        let but = match but {
            Some(print) => self.index(user, print).await?,
            None => String::new(),
        };
        let forget = query("DELETE FROM known_devices WHERE user_id = $1 AND device_index <> $2");
        self.delete(forget.bind(user).bind(but)).await.map(drop)
    }

    /// Forgets what was not seen for long; how many.
    pub(super) async fn forget_old(&self) -> Result<u64> {
        self.delete(query("DELETE FROM known_devices WHERE seen_at <= $1").bind(oldest().0)).await
    }

    async fn delete(&self, delete: Query) -> Result<u64> {
        let delete = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(delete.execute(connection).await?) }));
        delete.await
    }
}

/// What was seen then is known no more.
fn oldest() -> Millis {
    Millis::now().minus(KEPT)
}

async fn put(connection: &mut Connection<'_>, user: UserId, index: String, now: Millis) -> Result<()> {
    let oldest = now.minus(KEPT).0;
    query(
        "INSERT INTO known_devices (user_id, device_index, first_at, seen_at) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (user_id, device_index) DO UPDATE SET seen_at = $3, \
         first_at = CASE WHEN known_devices.seen_at <= $4 THEN $3 ELSE known_devices.first_at END",
    )
    .bind(user)
    .bind(index)
    .bind(now.0)
    .bind(oldest)
    .execute(&mut *connection)
    .await?;
    query(
        "DELETE FROM known_devices WHERE user_id = $1 AND (seen_at <= $2 OR device_index NOT IN \
         (SELECT device_index FROM known_devices WHERE user_id = $1 ORDER BY seen_at DESC, device_index LIMIT $3))",
    )
    .bind(user)
    .bind(oldest)
    .bind(MOST)
    .execute(connection)
    .await?;
    Ok(())
}
