//! Orders at the desk.

use serde_json::json;

use crate::{
    help::{free_seats, shots},
    web::{Browser, Shop},
};

#[tokio::test]
async fn orders_are_searched_at_the_desk_and_money_goes_back() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let rival = shop.rival().await;
    let mut orders = Vec::new();
    for seat in free_seats(&shop, &sale.session, 2).await {
        orders.push(shop.take(&rival, &sale.session, &seat).await);
    }
    shop.pay(&rival, &orders[0]).await;
    shop.codes(&rival, &orders[0]).await;
    for (language, back) in [("en", "Back to the list"), ("zh", "返回列表")] {
        let browser = Browser::open(language).await;
        browser.go(&shop.page("/login?next=/desk")).await;
        browser.fill("#email", "support@example.com").await;
        browser.fill("#password", ticketing::demo::PASSWORD).await;
        browser.click("#submit").await;
        browser.click("a[href='#orders']").await;
        browser.until("document.querySelectorAll('[data-order]').length === 2").await;
        browser.fill("#f-email", &rival.email).await;
        browser.value("document.querySelector('#f-state').value = 'ISSUED'").await;
        browser.click("#search-orders button[type=submit]").await;
        let found = format!(
            "document.querySelectorAll('[data-order]').length === 1 && document.querySelector(\"[data-order='{}']\")",
            orders[0]
        );
        browser.until(&found).await;
        shots(&browser, &format!("desk-orders-{language}")).await;
        browser.click(".desk-open").await;
        browser.element("#one-order[data-state='ISSUED']").await;
        assert_eq!(browser.text("#buyer").await, rival.email);
        assert_eq!(browser.text("main .desk-open").await, back);
        // How its price came about is shown, computed again by the rules that were in force.
        browser.element("#proof[data-proven='true']").await;
        assert_eq!(browser.value("document.querySelectorAll('#proof [data-line]').length").await, 1);
        // Support sees all of it, and grants nothing.
        assert_eq!(browser.value("document.querySelector('#money-back')").await, json!(null));
        shots(&browser, &format!("desk-order-{language}")).await;
        browser.click("main .desk-open").await;
        browser.until(&found).await;
        browser.close().await;
    }
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/login?next=/desk")).await;
    browser.fill("#email", "finance@example.com").await;
    browser.fill("#password", ticketing::demo::PASSWORD).await;
    browser.click("#submit").await;
    browser.click("a[href='#orders']").await;
    browser.fill("#f-number", &orders[0]).await;
    browser.click("#search-orders button[type=submit]").await;
    browser.until("document.querySelectorAll('[data-order]').length === 1").await;
    browser.click(".desk-open").await;
    browser.element("#money-back").await;
    assert!(browser.text("#buyer").await.starts_with("r***@"), "masked for whoever needs no address");
    shots(&browser, "desk-money-back").await;
    browser.fill("[data-grant=goodwill] input", "the show was moved").await;
    browser.click("[data-grant=goodwill] button").await;
    browser.until("['REFUNDING', 'REFUNDED'].includes(document.querySelector('#one-order').dataset.state)").await;
    assert!(browser.text("#one-order").await.contains("the show was moved"));
    browser.close().await;
}
