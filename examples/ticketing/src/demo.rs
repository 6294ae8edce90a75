//! What a newcomer finds at the first start: a theatre, a show on sale, a sale that is about to open, an account of a buyer
//! and one for each role of the back office.

mod start;

use std::time::Duration;

use serde::Serialize;

pub use self::start::routes;
use crate::{
    app::App,
    clock::Millis,
    ids::{PlanId, SessionId, VenueId, platform},
    import::{Findings, plan},
    marketing,
    money::{Currency, Money},
    office,
    problem::{Problem, Result},
    show::{
        Genre,
        store::{self, NewSession, NewShow},
    },
    storage::{Connection, sql::query},
};

/// The account that buys.
pub const BUYER_EMAIL: &str = "buyer@example.com";
/// The account that looks after the platform.
pub const ADMIN_EMAIL: &str = "admin@example.com";
/// Password of all, as long as only this machine can reach the server.
pub const PASSWORD: &str = "seats please";

/// The plan is a sample of the import format, too.
const PLAN: &str = include_str!("../demo/nebula-grand-theatre.json");
/// A standing floor before the stage, and seats in a gallery.
const CLUB: &str = include_str!("../demo/orbit-hall.json");
const VENUE: &str = "Nebula Grand Theatre · 星云大剧院";
const FLASH: &str = "Nebula Live: One Night Only";
/// Names the lock of whoever loads the demo.
const ONE_LOADS: i64 = 0x6465_6d6f;
/// How long after a start the flash sale opens.
const COUNTDOWN: Duration = Duration::from_secs(2 * 60);
/// Categories of the theatre with their prices in yuan.
const THEATRE: [(&str, i64); 5] =
    [("Box", 880), ("Premium", 780), ("Stalls", 580), ("Side stalls", 380), ("Balcony", 180)];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An account to try.
#[derive(Clone, Serialize)]
pub struct Account {
    /// E-mail address.
    pub email: &'static str,
    /// The role in the back office; none for a buyer.
    pub role: Option<&'static str>,
    /// The password; `None` when it was printed at an earlier start and is known to its owner only.
    pub password: Option<String>,
}

/// Loads the demo unless the database has accounts already, and answers the accounts to print.
///
/// `reachable`: others than this machine can reach the server. Well-known passwords are replaced by random ones then.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// The demo is loaded whole or not at all; accounts may be missing, and are made at the next start.
pub async fn load(app: &App, reachable: bool) -> Result<Vec<Account>> {
    if app.users.count().await? == 0 {
        app.database.write.run(|connection| Box::pin(shows(connection))).await?;
    } else if app.config.embedded() {
        // Whoever starts the program finds the countdown, until somebody has bought something. Not where other
        // processes may be serving: the sale would close under their buyers.
        app.database.write.run(|connection| Box::pin(restart_countdown(connection))).await?;
        app.catalog.forget_everything().await;
    }
    let second = office::second_merchant(app).await?;
    for merchant in [platform(), second] {
        marketing::demo::load(app, &merchant).await?;
    }
    let mut accounts = Vec::new();
    let staff = office::STAFF.map(|(email, name, role)| (email, name, Some(role)));
    for (email, name, role) in [(BUYER_EMAIL, "Demo Buyer", None)].into_iter().chain(staff) {
        let password = app.users.ensure_demo_account(email, name, PASSWORD, reachable).await?;
        if let (Some(role), Some(user)) = (role, app.users.id_of(email).await?) {
            office::appoint(app, user, email, role).await?;
        }
        accounts.push(Account { email, role, password });
    }
    if !reachable {
        // The first start of this process has told already.
        let _told = app.accounts.set(accounts.clone());
    }
    Ok(accounts)
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

async fn shows(connection: &mut Connection<'_>) -> Result<()> {
    // Processes that start together: one loads, the others wait and find it loaded.
    connection.alone(ONE_LOADS).await?;
    let known: i64 = query("SELECT count(*) FROM venues WHERE name = $1").bind(VENUE).scalar(&mut *connection).await?;
    if known > 0 {
        return Ok(());
    }
    let venue = store::venue(connection, VENUE, "Shanghai · 上海", "1 Stardust Road").await?;
    stands(connection, venue, 31.2304, 121.4737).await?;
    let plan = store::insert_plan(connection, venue, &read(PLAN)?, |_| {}).await?;

    let opera = NewShow {
        title: "The Peony Pavilion".to_owned(),
        title_zh: "牡丹亭".to_owned(),
        description: "Kunqu opera in one evening: a dream of love that death does not end.".to_owned(),
        description_zh: "一晚看尽的昆曲经典：情不知所起，一往而深。".to_owned(),
        artist: "Nebula Kunqu Company".to_owned(),
        artist_zh: "星云昆剧团".to_owned(),
        genre: Genre::Opera,
        ..NewShow::default()
    };
    let show = store::insert_show(connection, &opera).await?;
    let now = Millis::now();
    for days in [30, 31, 37] {
        let session = session(show, plan, evening(now, days), now, 10, &THEATRE);
        store::insert_session(connection, &session).await?;
    }
    let concert = NewShow {
        title: FLASH.to_owned(),
        title_zh: "星云现场：仅此一夜".to_owned(),
        description: "One concert, every seat at half price. The sale opens two minutes after the server's start."
            .to_owned(),
        description_zh: "仅演一场，全场半价。服务器启动两分钟后开售。".to_owned(),
        artist: "The Redshifts".to_owned(),
        artist_zh: "红移乐队".to_owned(),
        genre: Genre::Concert,
        ..NewShow::default()
    };
    let show = store::insert_show(connection, &concert).await?;
    let flash =
        session(show, plan, evening(now, 60), now.plus(COUNTDOWN), 4, &THEATRE.map(|(name, yuan)| (name, yuan / 2)));
    store::insert_session(connection, &flash).await?;

    let hall = store::venue(connection, "Orbit Hall · 轨道文化馆", "Shanghai · 上海", "8 Apogee Lane").await?;
    stands(connection, hall, 31.1846, 121.4365).await?;
    let plan = store::insert_plan(connection, hall, &read(CLUB)?, |_| {}).await?;
    let night = NewShow {
        title: "Apogee: A Night on the Floor".to_owned(),
        title_zh: "远地点之夜".to_owned(),
        description: "Four bands, one floor to stand on, and a gallery for those who would rather sit.".to_owned(),
        description_zh: "四支乐队同台，内场站席尽情起舞，也可在看台就座。".to_owned(),
        artist: "Perigee, Doppler Drive and friends".to_owned(),
        artist_zh: "近地点乐队与朋友们".to_owned(),
        genre: Genre::Concert,
        ..NewShow::default()
    };
    let show = store::insert_show(connection, &night).await?;
    let prices = [("Pit standing", 480), ("Floor standing", 280), ("Gallery", 380)];
    let night = session(show, plan, evening(now, 75), now, 6, &prices);
    store::insert_session(connection, &night).await?;
    Ok(())
}

/// Where a venue is on the map.
async fn stands(connection: &mut Connection<'_>, venue: VenueId, north: f64, east: f64) -> Result<()> {
    query("UPDATE venues SET latitude = $1, longitude = $2 WHERE id = $3")
        .bind(north)
        .bind(east)
        .bind(venue)
        .execute(connection)
        .await?;
    Ok(())
}

fn read(json: &str) -> Result<store::NewPlan> {
    let mut findings = Findings::default();
    plan::read(json.as_bytes(), &mut findings).ok_or_else(|| Problem::internal(findings.to_string()))
}

fn session(
    show: crate::ids::ShowId,
    plan: PlanId,
    starts_at: Millis,
    opens_at: Millis,
    seats_per_user: u32,
    prices: &[(&str, i64)],
) -> NewSession {
    let price = |yuan: i64| Money { minor: yuan * 100, currency: Currency::CNY };
    NewSession {
        show,
        plan,
        starts_at,
        sale_opens_at: opens_at,
        sale_closes_at: starts_at,
        hold: Duration::from_secs(15 * 60),
        seats_per_user,
        prices: prices.iter().map(|(category, yuan)| ((*category).to_owned(), price(*yuan))).collect(),
    }
}

/// 19:30 in Shanghai, so many days from now.
fn evening(now: Millis, days: u32) -> Millis {
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let half_past_eleven_utc = Duration::from_secs((11 * 60 + 30) * 60);
    Millis(now.0 - now.0.rem_euclid(day)).plus(DAY * days).plus(half_past_eleven_utc)
}

async fn restart_countdown(connection: &mut Connection<'_>) -> Result<()> {
    let now = Millis::now();
    let session: Option<SessionId> = query(
        "SELECT id FROM sessions WHERE show_id IN (SELECT id FROM shows WHERE title = $1) AND sale_opens_at < $2 \
         AND sale_closes_at > $3 AND NOT EXISTS (SELECT 1 FROM orders WHERE session_id = sessions.id)",
    )
    .bind(FLASH)
    .bind(now.0)
    .bind(now.plus(DAY).0)
    .scalar_optional(&mut *connection)
    .await?;
    if let Some(session) = session {
        query("UPDATE sessions SET sale_opens_at = $1 WHERE id = $2")
            .bind(now.plus(COUNTDOWN).0)
            .bind(session)
            .execute(connection)
            .await?;
    }
    Ok(())
}
