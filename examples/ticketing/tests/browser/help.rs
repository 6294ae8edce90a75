//! What several subjects do on a page.

use nebula_test_support::unique;

use crate::web::{Browser, Shop};

pub const ENTER: char = '\u{e007}';
pub const ESCAPE: char = '\u{e00c}';
pub const RIGHT: char = '\u{e014}';
pub const DOWN: char = '\u{e015}';

/// The map is drawn and follows the live stream.
pub const LIVE: &str = "document.querySelector('#live.live-live')";

/// Chooses something by keyboard.
pub async fn enter(browser: &Browser, selector: &str) {
    browser.element(selector).await;
    browser.value(&format!("document.querySelector(\"{selector}\").focus()")).await;
    browser.press(&[ENTER]).await;
}

pub async fn chosen(browser: &Browser, seats: usize) {
    browser.until(&format!("document.querySelectorAll('.tray-seat').length === {seats}")).await;
}

/// Takes the first free seat of the list.
pub async fn choose_in_list(browser: &Browser) {
    browser.click("#view-list").await;
    browser
        .value("document.querySelector('.section').open || document.querySelector('.section summary').click()")
        .await;
    browser.click(".seat-button[aria-disabled='false']").await;
    chosen(browser, 1).await;
}

pub async fn register(browser: &Browser) {
    browser.fill("#display_name", "Lin Mei").await;
    browser.fill("#email", &format!("{}@example.com", unique("buyer"))).await;
    browser.fill("#password", "a pass phrase of some length").await;
    browser.click("#submit").await;
}

pub async fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser.until("location.pathname === '/login' && document.querySelector('#submit')").await;
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.click("#submit").await;
}

/// Signs the operator in, on the way to this page.
pub async fn sign_in_at(shop: &Shop, browser: &Browser, page: &str) {
    browser.go(&shop.page(&format!("/login?next={page}"))).await;
    sign_in(browser, ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
}

/// The first seats of a session that nobody has.
pub async fn free_seats(shop: &Shop, session: &str, count: usize) -> Vec<String> {
    let states = shop.get(&format!("/sessions/{session}/seats")).await["states"].as_str().unwrap().to_owned();
    let plan = shop.get(&format!("/sessions/{session}/seatmap")).await;
    let free = states.chars().enumerate().filter(|(_, state)| *state == 'A').take(count);
    free.map(|(position, _)| plan["seats"][position]["guid"].as_str().unwrap().to_owned()).collect()
}

/// Pictures for people, where `NEBULA_SHOTS` names a folder.
pub async fn shots(browser: &Browser, name: &str) {
    if let Ok(folder) = std::env::var("NEBULA_SHOTS") {
        for (size, width, height) in [("phone", 390, 844), ("desktop", 1280, 900)] {
            std::fs::write(format!("{folder}/{name}-{size}.png"), browser.picture(width, height).await).unwrap();
        }
    }
}
