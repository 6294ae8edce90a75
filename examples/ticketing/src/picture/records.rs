//! Which pictures there are. A picture is known before its first file is written, and until its last one is removed: nothing is ever in the
//! store that nobody would remove.

use super::domain::Picture;
use crate::{
    clock::Millis,
    problem::{Code, Problem, Result},
    storage::{Connection, Pool, sql::query},
};

/// Makes a picture known, or known anew: it is not removed for a while.
pub(super) async fn announce(connection: &mut Connection<'_>, picture: &Picture, bytes: usize) -> Result<()> {
    let sql = "INSERT INTO pictures (name, bytes, touched_at, removing) VALUES ($1, $2, $3, 0) \
               ON CONFLICT (name) DO UPDATE SET touched_at = excluded.touched_at WHERE pictures.removing = 0";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let known = query(sql).bind(picture.to_string()).bind(bytes).bind(Millis::now().0).execute(connection).await?;
    in_time(known)
}

/// A show takes the picture, in the same transaction.
pub(super) async fn take(connection: &mut Connection<'_>, picture: &Picture) -> Result<()> {
    let sql = "UPDATE pictures SET touched_at = $1 WHERE name = $2 AND removing = 0";
    in_time(query(sql).bind(Millis::now().0).bind(picture.to_string()).execute(connection).await?)
}

/// A show lets a picture go, in the same transaction: its time begins, if no other show has it.
pub(super) async fn let_go(connection: &mut Connection<'_>, name: &str) -> Result<()> {
    let sql = "UPDATE pictures SET touched_at = $1 WHERE name = $2";
    query(sql).bind(Millis::now().0).bind(name).execute(connection).await?;
    Ok(())
}

fn in_time(changed: u64) -> Result<()> {
    if changed > 0 {
        return Ok(());
    }
    let detail = "This very picture is being removed at this moment. Send it again in a while.";
    Err(Problem::new(Code::Busy, detail).retry_after(60))
}

/// Pictures that no show has had since, and those whose removal was begun and not finished.
pub(super) async fn forgotten(pool: &Pool, since: Millis, limit: u32) -> Result<Vec<String>> {
    let sql = "SELECT name FROM pictures WHERE (removing = 1 OR touched_at < $1) \
               AND NOT EXISTS (SELECT 1 FROM shows WHERE shows.poster = pictures.name) ORDER BY touched_at, name LIMIT $2";
    let rows = query(sql).bind(since.0).bind(limit).fetch_all(pool).await?;
    rows.iter().map(|row| Ok(row.get("name")?)).collect()
}

/// From now on no show can take it; false if one has, or somebody has sent it again.
pub(super) async fn doom(connection: &mut Connection<'_>, name: &str, since: Millis) -> Result<bool> {
    let sql = "UPDATE pictures SET removing = 1 WHERE name = $1 AND (removing = 1 OR touched_at < $2) \
               AND NOT EXISTS (SELECT 1 FROM shows WHERE shows.poster = pictures.name)";
    Ok(query(sql).bind(name).bind(since.0).execute(connection).await? > 0)
}

/// Its files are gone.
pub(super) async fn forget(connection: &mut Connection<'_>, name: &str) -> Result<()> {
    query("DELETE FROM pictures WHERE name = $1 AND removing = 1").bind(name).execute(connection).await?;
    Ok(())
}
