//! Shows that a buyer keeps.

use crate::{
    help::{shots, sign_in},
    web::{Browser, PASSWORD, Shop},
};

#[tokio::test]
async fn a_show_is_kept_with_a_heart_and_listed() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    for (language, title) in [("en", "Shows you want to see"), ("zh-CN", "想看的演出")] {
        let rival = shop.rival().await;
        let browser = Browser::open(language).await;
        let heart = format!("[data-heart='{}']", sale.show);
        // Who is not signed in is asked to.
        browser.go(&shop.page("/")).await;
        browser.click(&heart).await;
        sign_in(&browser, &rival.email, PASSWORD).await;
        browser.until("location.pathname === '/'").await;
        browser.click(&heart).await;
        browser.element(&format!("{heart}[aria-pressed='true']")).await;
        browser.go(&shop.page(&format!("/shows/{}", sale.show))).await;
        browser.element(&format!("{heart}[aria-pressed='true']")).await;
        browser.element("#map-web").await;
        shots(&browser, &format!("show-{language}")).await;
        browser.go(&shop.page("/wanted")).await;
        browser.until(&format!("document.querySelector('h1')?.textContent === '{title}'")).await;
        browser.element(&format!("#wanted {heart}[aria-pressed='true']")).await;
        shots(&browser, &format!("wanted-{language}")).await;
        browser.click(&format!("#wanted {heart}")).await;
        browser.element(&format!("#wanted {heart}[aria-pressed='false']")).await;
        browser.go(&shop.page("/wanted")).await;
        browser.until("document.querySelector('.message') && !document.querySelector('#wanted')").await;
        browser.close().await;
    }
}
