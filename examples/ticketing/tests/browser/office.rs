//! Those who run the platform: who may do what, and the merchants.

use crate::{
    help::{enter, shots, sign_in_at},
    web::{Browser, Shop},
};

/// The page of those who run the platform.
async fn merchants_are_made_and_suspended(shop: &Shop, browser: &Browser, language: &str) {
    sign_in_at(shop, browser, "/desk/merchants").await;
    browser.until("document.querySelectorAll('[data-merchant]').length >= 2").await;
    let id = format!("moon-{language}");
    // What is wrong is said beside its field.
    browser.fill("#new-merchant #f-id", "star").await;
    browser.fill("#new-merchant #f-name", "Moon Theatre").await;
    browser.fill("#new-merchant #f-name_zh", "月亮剧院").await;
    browser.click("#new-merchant button").await;
    browser
        .until(
            "document.querySelector('#new-merchant .field-error:not(:empty), #new-merchant .form-error:not(:empty)')",
        )
        .await;
    browser.value("document.querySelector('#new-merchant #f-id').value = ''").await;
    browser.fill("#new-merchant #f-id", &id).await;
    browser.click("#new-merchant button").await;
    let shown = format!("[data-merchant='{id}']");
    browser.element(&format!("{shown}[data-status=active]")).await;
    // By keyboard: the news that it was made may still lie over it.
    enter(browser, &format!("{shown} summary")).await;
    shots(browser, &format!("desk-merchants-{language}")).await;
    enter(browser, &format!("[data-suspend='{id}']")).await;
    browser.element(&format!("{shown}[data-status=suspended]")).await;
}

#[tokio::test]
async fn the_back_office_is_administered_in_english_and_chinese() {
    let shop = Shop::open().await;
    for (language, sections, sign_in, separations) in
        [("en", "Users,Roles", "Sign in", "Separation of duty"), ("zh", "用户,角色", "登录", "职责分离")]
    {
        let browser = Browser::open(language).await;
        browser.go(&shop.page("/admin/access/page")).await;
        browser.until(&format!("document.querySelector('h2')?.textContent === '{sign_in}'")).await;
        browser.fill("input[name=identifier]", ticketing::demo::ADMIN_EMAIL).await;
        browser.fill("input[name=password]", ticketing::demo::PASSWORD).await;
        browser.click("form button.main").await;
        browser.until("document.querySelectorAll('#sections a').length === 7").await;
        let names = "[...document.querySelectorAll('#sections a')].slice(0, 2).map((one) => one.textContent).join()";
        assert_eq!(browser.value(names).await, sections);
        browser.click("#sections a[href='#/separations']").await;
        browser.until(&format!("document.querySelector('main h2')?.textContent === '{separations}'")).await;
        assert!(browser.text("main").await.contains("counter-and-books"));
        merchants_are_made_and_suspended(&shop, &browser, language).await;
        browser.close().await;
    }
}
