//! Loading a session: staged in pieces under keys of its own, then put into force by one script.
//!
//! A loader that dies half-way leaves staged keys, which the server drops after a while, and a session as it was.

use nebula_redis::PinnedConnection;
use redis::Pipeline;

use super::{
    keys,
    keys::Keys,
    reply::Reply,
    server::{OPEN, unavailable},
};
use crate::inventory::{ImageOrder, LedgerError, LedgerImage, Load, SeatState};

const CONTEXT: &str = "load a session";
/// Entries that one command stages: keeps the server responsive for others.
const CHUNK: usize = 500;
/// Seconds that a staged image waits to be put into force.
const STAGED: i64 = 600;

pub(super) async fn load(
    connection: &mut PinnedConnection,
    keys: &Keys,
    image: &LedgerImage,
) -> Result<Load, LedgerError> {
    let layout = image.layout();
    let staged = keys.staged(image.epoch);
    let [states, orders, users, ages] = &staged;

    let mut pipe = redis::pipe();
    let letters: String = layout.states.iter().map(|state| SeatState::letter(*state)).collect();
    pipe.cmd("UNLINK").arg(&staged).ignore();
    pipe.cmd("SET").arg(states).arg(letters).ignore();
    // Empty entries keep the keys in being when nobody has a seat, so that a lost key is told from an empty one.
    pipe.cmd("HSET").arg(orders).arg(&["", ""]).ignore();
    pipe.cmd("HSET").arg(users).arg(&["", "0"]).ignore();
    expire(&mut pipe, &staged[..3]);
    pipe.cmd("TIME");
    let ((seconds, micros),): ((u64, u64),) = pipe.query_async(connection).await.map_err(unavailable(CONTEXT))?;
    let time = (seconds * 1_000 + micros / 1_000).to_string();

    for chunk in layout.orders.chunks(CHUNK) {
        let mut pipe = redis::pipe();
        let entries: Vec<String> = chunk.iter().flat_map(|order| [order.order.to_string(), entry(order)]).collect();
        pipe.cmd("HSET").arg(orders).arg(&entries).ignore();
        let held: Vec<String> = chunk
            .iter()
            .filter(|order| !order.sold)
            .flat_map(|order| [time.clone(), order.order.to_string()])
            .collect();
        if !held.is_empty() {
            pipe.cmd("ZADD").arg(ages).arg(&held).ignore();
            expire(&mut pipe, &staged[3..]);
        }
        stage(connection, &pipe).await?;
    }
    let owners: Vec<_> = layout.users.iter().collect();
    for chunk in owners.chunks(CHUNK) {
        let entries: Vec<String> =
            chunk.iter().flat_map(|(user, seats)| [user.to_string(), seats.to_string()]).collect();
        let mut pipe = redis::pipe();
        pipe.cmd("HSET").arg(users).arg(&entries).ignore();
        stage(connection, &pipe).await?;
    }

    let held = layout.orders.iter().filter(|order| !order.sold).count();
    let call = OPEN
        .key(&keys.all())
        .key(&staged)
        .arg(connection.run_id())
        .arg(keys.channel())
        .arg(image.epoch)
        .arg(image.seats)
        .arg(image.seats_per_user)
        .arg(layout.locked)
        .arg(layout.sold)
        .arg(&[layout.orders.len() + 1, layout.users.len() + 1, held]);
    let mut reply = call.invoke(connection).await.map(Reply::new).map_err(unavailable(CONTEXT))?;
    match reply.word()?.as_str() {
        "done" => Ok(Load::Done),
        "behind" => Ok(Load::Behind { present: reply.number()? }),
        "incomplete" => Err(LedgerError::Unavailable { context: CONTEXT, source: "the staged image was lost".into() }),
        _ => Err(reply.nonsense()),
    }
}

fn entry(order: &ImageOrder) -> String {
    let state = if order.sold { SeatState::Sold } else { SeatState::Locked };
    format!("{}{}{}", state.letter(), order.user, keys::positions(&order.seats))
}

fn expire(pipe: &mut Pipeline, staged: &[String]) {
    for key in staged {
        pipe.cmd("EXPIRE").arg(key).arg(STAGED).ignore();
    }
}

async fn stage(connection: &mut PinnedConnection, pipe: &Pipeline) -> Result<(), LedgerError> {
    pipe.exec_async(connection).await.map_err(unavailable(CONTEXT))
}
