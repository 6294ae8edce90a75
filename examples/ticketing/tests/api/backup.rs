//! The drill: sell, copy, sell on, lose everything, put the copy back, and find what was there at the time of the copy.

use std::{path::Path, process::Output, time::Duration};

use crate::common::{Account, PASSWORD, TestApp, expect, expect_problem};
use nebula_test_support::{eventually, postgres_database};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    config::{Config, DatabaseProvider},
    ids::SessionId,
    problem::Code,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of data, and a database if there is a server.
struct Place<'a> {
    data: &'a Path,
    url: Option<String>,
}

impl Place<'_> {
    fn config(&self) -> Config {
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), data: self.data.to_owned(), ..Config::default() };
        if let Some(url) = &self.url {
            config.database.provider = DatabaseProvider::Postgres;
            config.database.url = Some(url.clone().into());
            config.database.max_connections = 8;
        }
        config
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = crate::program::ticketing(self.data, arguments);
        if let Some(url) = &self.url {
            command.env("NEBULA_TICKETING__DATABASE__PROVIDER", "postgres").env("NEBULA_TICKETING__DATABASE__URL", url);
        }
        command.output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn refuses(&self, arguments: &[&str], why: &str) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(why), "{arguments:?}: {text}");
    }
}

async fn buy(app: &TestApp, buyer: &Account, session: SessionId, seat: &str) -> Value {
    let wish = json!({"session_id": session, "seats": [seat]});
    let placed = expect(app.post_as(buyer, "/orders", &wish).await, StatusCode::CREATED).await;
    let path = format!("/orders/{}", placed["id"].as_str().unwrap());
    let begun = expect(app.post_as(buyer, &format!("{path}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = format!("/{}/approve", begun["payment"]["pay_url"].as_str().unwrap());
    expect(app.request(Method::POST, &page).send().await.unwrap(), StatusCode::OK).await;
    eventually(PATIENCE, || async {
        let order = expect(app.get_as(buyer, &path).await, StatusCode::OK).await;
        if order["tickets"].is_array() { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

/// Gives the session's show a picture; answers the content of its first file.
async fn with_picture(app: &TestApp, admin: &Account, session: SessionId) -> Vec<u8> {
    let session = expect(app.get(&format!("/sessions/{session}")).await, StatusCode::OK).await;
    let path = format!("/desk/nebula/shows/{}/poster?version=1", session["show_id"].as_str().unwrap());
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(500, 300, image::Rgb([20, 90, 160]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let sent = app.request(Method::PUT, &path).bearer_auth(&admin.access).body(png.into_inner()).send().await.unwrap();
    let sent = expect(sent, StatusCode::OK).await;
    let address = format!("/{}", sent["poster"]["files"][0]["url"].as_str().unwrap());
    app.get(&address).await.bytes().await.unwrap().to_vec()
}

async fn sound(app: &TestApp, boss: &Account, session: SessionId, sold: u32) {
    let path = format!("/admin/sessions/{session}/audit");
    eventually(PATIENCE, || async {
        let audit = expect(app.get_as(boss, &path).await, StatusCode::OK).await;
        let (database, ledger) = (&audit["database"]["sold"], &audit["ledger"]["sold"]);
        if audit["sound"] == true && *database == sold && *ledger == sold { Ok(()) } else { Err(audit.to_string()) }
    })
    .await;
}

/// The newest copies in a folder, the oldest first.
fn copies(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

async fn drill(postgres: bool) {
    let folder = tempfile::tempdir().unwrap();
    let url = || async { if postgres { Some(postgres_database().await) } else { None } };
    let (data, fresh) = (folder.path().join("data"), folder.path().join("fresh"));
    let shop = Place { data: &data, url: url().await };
    let target = folder.path().join("copies");
    let target = target.to_str().unwrap();

    let app = TestApp::start_on(shop.config()).await;
    let boss = app.register_admin("boss@example.com").await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(10).await;
    let kept = buy(&app, &buyer, session, "1-1").await;
    let unpaid = json!({"session_id": session, "seats": ["1-2"]});
    let unpaid = expect(app.post_as(&buyer, "/orders", &unpaid).await, StatusCode::CREATED).await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let picture = with_picture(&app, &admin, session).await;
    // While it is selling.
    shop.succeeds(&["backup", "--to", target]);
    let late = app.register("late@example.com").await;
    let lost = buy(&app, &late, session, "1-3").await;
    sound(&app, &boss, session, 2).await;
    for _ in 0..2 {
        shop.succeeds(&["backup", "--to", target, "--keep", "3"]);
    }
    let all = copies(Path::new(target));
    assert_eq!(all.len(), 3, "{all:?}");
    let first = all[0].to_str().unwrap();
    // Where something is, nothing is put.
    shop.refuses(&["restore", "--from", first], "another server is running");
    app.stop().await;
    shop.refuses(&["restore", "--from", first], "has data already");

    let anew = Place { data: &fresh, url: url().await };
    anew.succeeds(&["restore", "--from", first]);
    anew.refuses(&["restore", "--from", first], "has data already");
    let app = TestApp::start_on(anew.config()).await;
    // Who signed in before still is, who registered afterwards never did.
    let path = format!("/orders/{}", kept["id"].as_str().unwrap());
    assert_eq!(expect(app.get_as(&buyer, &path).await, StatusCode::OK).await["tickets"], kept["tickets"]);
    expect_problem(app.get_as(&late, "/me").await, Code::TokenInvalid).await;
    let login = json!({"email": "late@example.com", "password": PASSWORD});
    expect_problem(app.post("/auth/login", &login).await, Code::WrongCredentials).await;
    let path = format!("/orders/{}", unpaid["id"].as_str().unwrap());
    assert_eq!(expect(app.get_as(&buyer, &path).await, StatusCode::OK).await["state"], "LOCKED");
    expect_problem(app.get_as(&boss, &format!("/orders/{}", lost["id"].as_str().unwrap())).await, Code::NotFound).await;
    sound(&app, &boss, session, 1).await;
    // The show has its picture, and the picture its content.
    let poster = &expect(app.get_as(&buyer, &path).await, StatusCode::OK).await["poster"];
    let address = format!("/{}", poster["files"][0]["url"].as_str().unwrap());
    assert_eq!(app.get(&address).await.bytes().await.unwrap(), picture);
    // What is sold stays sold, and what is free is sold once.
    let wish = |seat: &str| json!({"session_id": session, "seats": [seat]});
    expect_problem(app.post_as(&buyer, "/orders", &wish("1-1")).await, Code::SeatTaken).await;
    buy(&app, &buyer, session, "1-3").await;
    sound(&app, &boss, session, 2).await;
    app.stop().await;

    // Of a damaged copy nothing is put back.
    let damaged = &all[1];
    let victim = damaged.join(if postgres { "ticketing.dump" } else { "ticketing.db" });
    let mut bytes = std::fs::read(&victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&victim, bytes).unwrap();
    let empty = folder.path().join("empty");
    let nowhere = Place { data: &empty, url: url().await };
    nowhere.refuses(&["restore", "--from", damaged.to_str().unwrap()], "is not what was copied");
    assert!(!empty.exists());
    // Old copies go only when a new one is complete; what is no copy stays.
    std::fs::create_dir(Path::new(target).join("20200101T000000000Z")).unwrap();
    shop.succeeds(&["backup", "--to", target, "--keep", "1"]);
    assert_eq!(copies(Path::new(target)).len(), 2);
    if !postgres {
        let nothing = Place { data: &folder.path().join("nothing"), url: None };
        nothing.refuses(&["backup", "--to", target], "there is no database");
        let other = Place { data: &empty, url: Some("postgres://nobody@127.0.0.1:1/x".to_owned()) };
        let newest = copies(Path::new(target)).pop().unwrap();
        other.refuses(&["restore", "--from", newest.to_str().unwrap()], "the copy is of SQLite");
    }
}

#[tokio::test]
async fn a_copy_of_the_files_comes_back_as_it_was() {
    drill(false).await;
}

#[tokio::test]
async fn a_copy_of_postgres_comes_back_as_it_was() {
    drill(true).await;
}
