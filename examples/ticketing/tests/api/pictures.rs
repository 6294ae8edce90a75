//! Pictures of shows: sent by a merchant, made anew, kept for good under an address of their own, exchanged and removed; in a folder, and in a
//! bucket that checks every signature.

use std::{io::Cursor, path::Path, time::Duration};

use super::s3_server::S3Server;
use crate::common::{Account, TestApp, expect, expect_problem};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use nebula_auth::audit::AuditQuery;
use nebula_test_support::{TcpProxy, eventually};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{config::Config, picture::S3Config, problem::Code, storage::sql::query};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const GOOD: &str = "public, max-age=31536000, immutable";

/// A picture of one colour.
fn picture(width: u32, height: u32, shade: [u8; 3], format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb(shade))).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn red() -> Vec<u8> {
    picture(1_000, 500, [200, 20, 20], ImageFormat::Png)
}

/// A merchant's administrator, and a show that is on sale.
async fn desk(app: &TestApp) -> (Account, String, i64) {
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall(10).await;
    let session = expect(app.get(&format!("/sessions/{session}")).await, StatusCode::OK).await;
    let show = session["show_id"].as_str().unwrap().to_owned();
    let version = version(app, &admin, &show).await;
    (admin, show, version)
}

async fn version(app: &TestApp, who: &Account, show: &str) -> i64 {
    at_desk(app, who, show).await["version"].as_i64().unwrap()
}

async fn at_desk(app: &TestApp, who: &Account, show: &str) -> Value {
    let shows = expect(app.get_as(who, "/desk/nebula/shows").await, StatusCode::OK).await;
    shows["shows"].as_array().unwrap().iter().find(|one| one["id"] == show).unwrap().clone()
}

async fn send(app: &TestApp, who: &Account, show: &str, version: i64, bytes: Vec<u8>) -> Response {
    let path = format!("/desk/nebula/shows/{show}/poster?version={version}");
    let request = app.request(Method::PUT, &path).bearer_auth(&who.access).header("content-type", "text/html");
    request.body(bytes).send().await.unwrap()
}

async fn take_away(app: &TestApp, who: &Account, show: &str, version: i64) -> Response {
    let path = format!("/desk/nebula/shows/{show}/poster?version={version}");
    app.request(Method::DELETE, &path).bearer_auth(&who.access).send().await.unwrap()
}

fn addresses(poster: &Value) -> Vec<String> {
    let files = poster["files"].as_array().unwrap_or_else(|| panic!("{poster}"));
    files.iter().map(|file| file["url"].as_str().unwrap().to_owned()).collect()
}

async fn fetch(app: &TestApp, address: &str) -> Response {
    app.get(&format!("/{address}")).await
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// What buyers are told of the show, wherever it is spoken of.
async fn told(app: &TestApp, show: &str) -> Value {
    let list = expect(app.get("/shows").await, StatusCode::OK).await;
    let listed = list["shows"].as_array().unwrap().iter().find(|one| one["id"] == show).unwrap()["poster"].clone();
    let alone = expect(app.get(&format!("/shows/{show}")).await, StatusCode::OK).await["poster"].clone();
    assert_eq!(listed, alone);
    alone
}

#[tokio::test]
async fn a_picture_is_made_anew_kept_for_good_told_to_buyers_exchanged_and_taken_away() {
    let app = TestApp::start().await;
    let (admin, show, before) = desk(&app).await;
    assert_eq!(told(&app, &show).await, Value::Null);

    // What the client says it is does not count.
    let sent = expect(send(&app, &admin, &show, before, red()).await, StatusCode::OK).await;
    assert_eq!(sent["version"], before + 1);
    let sizes: Vec<_> =
        sent["poster"]["files"].as_array().unwrap().iter().map(|f| (&f["width"], &f["height"])).collect();
    assert_eq!(sizes, [(&json!(480), &json!(240)), (&json!(960), &json!(480)), (&json!(1_000), &json!(500))]);
    let first = addresses(&sent["poster"]);
    for address in &first {
        let file = fetch(&app, address).await;
        assert_eq!(file.status(), StatusCode::OK);
        assert_eq!(header(&file, "cache-control"), GOOD);
        assert_eq!(header(&file, "content-type"), "image/jpeg");
        assert_eq!(header(&file, "x-content-type-options"), "nosniff");
        let tag = header(&file, "etag").to_owned();
        let bytes = file.bytes().await.unwrap();
        assert!(image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).is_ok());
        let again =
            app.request(Method::GET, &format!("/{address}")).header("if-none-match", &tag).send().await.unwrap();
        assert_eq!((again.status(), header(&again, "cache-control")), (StatusCode::NOT_MODIFIED, GOOD));
        assert!(again.bytes().await.unwrap().is_empty());
        let head = app.request(Method::HEAD, &format!("/{address}")).send().await.unwrap();
        assert_eq!((head.status(), header(&head, "etag")), (StatusCode::OK, tag.as_str()));
    }

    // It is called by the show's name until somebody says what it shows.
    let poster = told(&app, &show).await;
    assert_eq!(
        (&poster["alt"], &poster["alt_zh"], addresses(&poster)),
        (&json!("Test"), &json!("测试"), first.clone())
    );
    let words = format!("/desk/nebula/shows/{show}/poster/words");
    let body = json!({"version": before + 1, "alt": "A red wall", "alt_zh": "红墙"});
    let say = |body: Value| app.request(Method::PUT, &words).bearer_auth(&admin.access).json(&body).send();
    expect(say(body.clone()).await.unwrap(), StatusCode::OK).await;
    expect_problem(say(body).await.unwrap(), Code::VersionConflict).await;
    let long = json!({"version": before + 2, "alt": "x".repeat(301)});
    assert_eq!(expect_problem(say(long).await.unwrap(), Code::InvalidValue).await["field"], "alt");
    assert_eq!(told(&app, &show).await["alt_zh"], "红墙");

    // An order shows it, and search finds it with the show.
    let buyer = app.register("buyer@example.com").await;
    let session = expect(app.get(&format!("/shows/{show}")).await, StatusCode::OK).await["sessions"][0]["id"].clone();
    let wish = json!({"session_id": session, "seats": ["1-1"]});
    let order = expect(app.post_as(&buyer, "/orders", &wish).await, StatusCode::CREATED).await;
    assert_eq!(addresses(&order["poster"]), first);
    let orders = expect(app.get_as(&buyer, "/orders").await, StatusCode::OK).await;
    assert_eq!(orders["orders"][0]["poster"]["alt"], "A red wall");

    // Another one has other addresses; those of the first are still good for pages that are open.
    let blue = picture(300, 400, [20, 20, 200], ImageFormat::WebP);
    let changed = expect(send(&app, &admin, &show, before + 2, blue.clone()).await, StatusCode::OK).await;
    let second = addresses(&changed["poster"]);
    assert_eq!(second.len(), 1);
    assert_eq!(addresses(&told(&app, &show).await), second);
    assert_eq!(fetch(&app, &first[0]).await.status(), StatusCode::OK);
    expect_problem(send(&app, &admin, &show, before + 2, blue).await, Code::VersionConflict).await;
    expect_problem(take_away(&app, &admin, &show, 1_000).await, Code::VersionConflict).await;
    let bare = expect(take_away(&app, &admin, &show, before + 3).await, StatusCode::OK).await;
    assert_eq!(bare["poster"], Value::Null);
    assert_eq!(told(&app, &show).await, Value::Null);

    for what in ["show:poster", "show:poster-words", "show:poster-remove"] {
        let asked = AuditQuery { what: Some(what.to_owned()), ..AuditQuery::default() };
        let entries = app.app.office.log().query(&asked).await.unwrap().entries;
        assert!(!entries.is_empty(), "{what}");
        assert!(entries.iter().all(|entry| entry.record.on == format!("nebula/{show}")), "{entries:?}");
    }
    for nowhere in ["x", "..%2f..%2fticketing.db", "%00", &format!("{}-480.jpg", "0".repeat(64))] {
        expect_problem(fetch(&app, &format!("/pictures/{nowhere}")).await, Code::NotFound).await;
    }
}

#[tokio::test]
async fn what_is_no_picture_or_too_much_is_refused_with_its_reason_and_nobody_else_may() {
    let app = TestApp::start_with(|config| {
        config.pictures.max_bytes = 100_000;
        config.pictures.max_pixels = 1_000_000;
    })
    .await;
    let (admin, show, version) = desk(&app).await;
    let mut cut = picture(640, 480, [90; 3], ImageFormat::Jpeg);
    cut.truncate(cut.len() / 2);
    for (bytes, reason) in [
        (Vec::new(), "kind"),
        (b"{\"a\": 1}".to_vec(), "kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), "kind"),
        (cut, "damaged"),
        (picture(1_001, 1_000, [1; 3], ImageFormat::Png), "pixels"),
        (picture(100, 900, [1; 3], ImageFormat::Png), "small"),
    ] {
        let refused = expect_problem(send(&app, &admin, &show, version, bytes).await, Code::PictureRefused).await;
        assert_eq!(refused["reason"], reason, "{refused}");
    }
    for bytes in [100_001, 3 << 20] {
        let much = expect_problem(send(&app, &admin, &show, version, vec![0; bytes]).await, Code::BodyTooLarge).await;
        assert_eq!(much["limit"], 100_000);
    }
    expect_problem(send(&app, &admin, &show, version - 1, red()).await, Code::VersionConflict).await;
    let path = format!("/desk/nebula/shows/{show}/poster");
    let bare = app.request(Method::PUT, &path).bearer_auth(&admin.access).body(red()).send().await.unwrap();
    expect_problem(bare, Code::MalformedRequest).await;

    // Who reads the catalog does not change it, and another merchant's shows are not there.
    let door = app.register_staff("door@example.com", "door").await;
    expect_problem(send(&app, &door, &show, version, red()).await, Code::Forbidden).await;
    let boss = app.register_admin("boss@example.com").await;
    let body = json!({"id": "moon", "name": "Moon", "name_zh": "月"});
    expect(app.post_as(&boss, "/admin/merchants", &body).await, StatusCode::CREATED).await;
    let moon = app.register_at(&"moon".parse().unwrap(), "moon@example.com", "merchant-admin").await;
    for merchant in ["nebula", "moon"] {
        for (method, rest, body) in [
            (Method::PUT, "poster?version=1", red()),
            (Method::DELETE, "poster?version=1", Vec::new()),
            (Method::PUT, "poster/words", b"{\"version\": 1, \"alt\": \"x\"}".to_vec()),
        ] {
            let path = format!("/desk/{merchant}/shows/{show}/{rest}");
            let asked = app.request(method, &path).bearer_auth(&moon.access).header("content-type", "application/json");
            expect_problem(asked.body(body).send().await.unwrap(), Code::NotFound).await;
        }
    }
    assert_eq!(at_desk(&app, &admin, &show).await["version"], version, "nothing was changed");
    let left: i64 = query("SELECT count(*) FROM pictures").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(left, 0, "nothing was kept");
}

/// As if everything had happened so long ago.
async fn long_ago(app: &TestApp, hours: i64) {
    app.write(move |connection| {
        Box::pin(async move {
            let sql = "UPDATE pictures SET touched_at = touched_at - $1";
            query(sql).bind(hours * 3_600_000).execute(connection).await?;
            Ok(())
        })
    })
    .await;
}

/// The job that removes pictures has had its run at the start, and does not come again by itself during a test.
async fn settled(app: &TestApp, boss: &Account) {
    eventually(PATIENCE, || async {
        let jobs = expect(app.get_as(boss, "/admin/jobs").await, StatusCode::OK).await;
        let job = jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "pictures").unwrap();
        if job["last"]["outcome"] == "done" { Ok(()) } else { Err(job.to_string()) }
    })
    .await;
}

async fn tidy(app: &TestApp) -> u64 {
    app.app.pictures.tidy(&CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn what_no_show_names_any_more_is_removed_after_its_time_and_nothing_else() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    settled(&app, &boss).await;
    let (admin, show, version) = desk(&app).await;
    let other = json!({"title": "Other", "title_zh": "别的"});
    let other = expect(app.post_as(&admin, "/desk/nebula/shows", &other).await, StatusCode::CREATED).await;
    let other = other["id"].as_str().unwrap().to_owned();
    let sent = expect(send(&app, &admin, &show, version, red()).await, StatusCode::OK).await;
    let shared = addresses(&sent["poster"]);
    let again = expect(send(&app, &admin, &other, 1, red()).await, StatusCode::OK).await;
    assert_eq!(addresses(&again["poster"]), shared, "the same has the same address");
    let folder = app.app.config.data.join("pictures");
    let files = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files(), 3);

    long_ago(&app, 100).await;
    assert_eq!(tidy(&app).await, 0, "shows have it");
    expect(take_away(&app, &admin, &show, version + 1).await, StatusCode::OK).await;
    long_ago(&app, 100).await;
    assert_eq!(tidy(&app).await, 0, "one show has it");
    let white = picture(250, 250, [255; 3], ImageFormat::Jpeg);
    expect(send(&app, &admin, &other, 2, white).await, StatusCode::OK).await;
    assert_eq!((tidy(&app).await, files()), (0, 4), "somebody may still look at it");
    // What was begun and never taken goes likewise.
    app.app.pictures.keep(picture(260, 260, [9; 3], ImageFormat::Png).into()).await.unwrap();
    assert_eq!(files(), 5);
    long_ago(&app, 25).await;
    assert_eq!((tidy(&app).await, files()), (2, 1));
    assert_eq!(tidy(&app).await, 0);
    // And what is removed may come back.
    let back = expect(send(&app, &admin, &show, version + 2, red()).await, StatusCode::OK).await;
    assert_eq!((addresses(&back["poster"]), files()), (shared, 4));
    // The platform does it by itself.
    expect(take_away(&app, &admin, &show, version + 3).await, StatusCode::OK).await;
    long_ago(&app, 25).await;
    let why = json!({"reason": "a test"});
    assert!(app.post_as(&boss, "/admin/jobs/pictures/runs", &why).await.status().is_success());
    eventually(PATIENCE, || async { if files() == 1 { Ok(()) } else { Err(files().to_string()) } }).await;
}

fn in_bucket(server: &S3Server, port: u16) -> S3Config {
    let config = json!({
        "bucket": S3Server::BUCKET, "prefix": "tickets/", "endpoint": format!("http://127.0.0.1:{port}"),
        "access-key-id": S3Server::KEY, "secret-access-key": server.secret(), "timeout": "3s",
    });
    serde_json::from_value(config).unwrap()
}

fn objects(folder: &Path) -> Vec<String> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".jpg")).collect()
}

#[tokio::test]
async fn servers_without_a_folder_in_common_share_a_bucket_and_one_that_is_away_costs_pictures_only() {
    let server = S3Server::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let bucket = in_bucket(&server, proxy.port());
    let app = TestApp::start_with(|config| config.pictures.s3 = Some(bucket)).await;
    let boss = app.register_admin("boss@example.com").await;
    settled(&app, &boss).await;
    let (admin, show, version) = desk(&app).await;
    let sent = expect(send(&app, &admin, &show, version, red()).await, StatusCode::OK).await;
    let kept = addresses(&sent["poster"]);
    let place = server.folder().join("tickets");
    assert_eq!(objects(&place).len(), 3);
    assert!(!app.app.config.data.join("pictures").exists(), "nothing lies in the folder");

    // Away: said within the time that it may take, nothing is half-kept, and the rest goes on.
    proxy.cut().await;
    let blue = picture(700, 700, [20, 20, 200], ImageFormat::Png);
    for _ in 0..8 {
        let answer = send(&app, &admin, &show, version + 1, blue.clone()).await;
        assert!(answer.headers().contains_key("retry-after"));
        expect_problem(answer, Code::Unavailable).await;
    }
    let gone = fetch(&app, &kept[0]).await;
    assert!(gone.headers().contains_key("retry-after") && header(&gone, "cache-control") != GOOD);
    expect_problem(gone, Code::Unavailable).await;
    assert_eq!(addresses(&told(&app, &show).await), kept, "the show has the picture that it had");
    assert_eq!(app.get("//").await.status(), StatusCode::OK);
    assert_eq!(version + 1, self::version(&app, &admin, &show).await);
    assert_eq!(objects(&place).len(), 3);
    // Taking away needs no store; the files go when it is back.
    expect(take_away(&app, &admin, &show, version + 1).await, StatusCode::OK).await;
    long_ago(&app, 25).await;
    assert!(app.app.pictures.tidy(&CancellationToken::new()).await.is_err());

    // Back, and asked again after the breaker's pause: what was left is removed, and then the second picture is taken.
    proxy.heal().await;
    eventually(PATIENCE, || async {
        app.app.pictures.tidy(&CancellationToken::new()).await.map(drop).map_err(|problem| problem.to_string())
    })
    .await;
    assert_eq!(objects(&place), [""; 0]);
    expect(send(&app, &admin, &show, version + 2, blue).await, StatusCode::OK).await;
    assert_eq!(objects(&place).len(), 2);
    let address = &addresses(&told(&app, &show).await)[0];
    assert_eq!(fetch(&app, address).await.status(), StatusCode::OK);
    // Another server reads what this one has written.
    let bucket = in_bucket(&server, server.port());
    let other = TestApp::start_with(|config| config.pictures.s3 = Some(bucket)).await;
    assert_eq!(fetch(&other, address).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_bucket_or_key_is_told_at_the_start_and_a_silent_one_is_waited_for() {
    let server = S3Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str, s3: S3Config| {
        let mut config =
            Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join(name), ..Config::default() };
        config.demo = false;
        config.pictures.s3 = Some(s3);
        let address = config.listen;
        ticketing::assembly::assemble(config, address)
    };
    let good = in_bucket(&server, server.port());
    let mut key = good.clone();
    key.secret_access_key = "not the secret of this bucket".to_owned().into();
    let bucket = S3Config { bucket: "elsewhere".to_owned(), ..good.clone() };
    for (name, s3) in [("key", key), ("bucket", bucket)] {
        let error = start(name, s3).await.map(drop).unwrap_err();
        let text = ticketing::problem::chain(error.as_ref());
        assert!(text.contains("pictures.s3"), "{text}");
        assert!(!text.contains("secret of") && !text.contains(server.secret()), "{text}");
    }
    let proxy = TcpProxy::to_port(server.port()).await;
    proxy.cut().await;
    let app = start("silent", in_bucket(&server, proxy.port())).await.unwrap();
    app.stopping.cancel();
}
