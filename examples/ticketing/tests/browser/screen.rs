//! The live screen of a sale.

use crate::{
    help::{LIVE, free_seats, shots},
    web::{Browser, Shop},
};

#[tokio::test]
async fn the_screen_of_a_sale_changes_while_seats_are_sold() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let rival = shop.rival().await;
    let seats = free_seats(&shop, &sale.session, 2).await;
    let figure =
        |name: &str, value: &str| format!("document.querySelector('#tile-{name} dd')?.textContent === '{value}'");
    for (index, (language, title, who)) in
        [("en", "Live sale", "boxoffice@example.com"), ("zh", "销售大屏", ticketing::demo::ADMIN_EMAIL)]
            .into_iter()
            .enumerate()
    {
        let browser = Browser::open(language).await;
        browser.go(&shop.page("/login?next=/desk")).await;
        browser.fill("#email", who).await;
        browser.fill("#password", ticketing::demo::PASSWORD).await;
        browser.click("#submit").await;
        browser.click(&format!("[data-screen='{}']", sale.session)).await;
        browser.until(LIVE).await;
        assert!(browser.value("document.title").await.as_str().unwrap().starts_with(title));
        browser.until(&figure("sold", &index.to_string())).await;
        // It stays the same page: what is on it changes.
        browser.value("document.body.dataset.same = 'yes'").await;
        let order = shop.take(&rival, &sale.session, &seats[index]).await;
        browser.until(&figure("held", "1")).await;
        shop.pay(&rival, &order).await;
        browser.until(&figure("sold", &(index + 1).to_string())).await;
        browser.until(&figure("held", "0")).await;
        let paid = format!("document.querySelector('[data-step=paid] .number').textContent === '{}'", index + 1);
        browser.until(&paid).await;
        browser.until("document.querySelector('#chart-orders [data-line=paid] rect')").await;
        // The numbers of a chart are there for those who do not see it, and follow as well.
        browser.click("#chart-orders summary").await;
        browser.until("document.querySelectorAll('#chart-orders tbody tr').length === 60").await;
        browser
            .until("document.querySelector('#chart-orders svg[role=img]').getAttribute('aria-label').length > 20")
            .await;
        browser.click("#scale-1").await;
        browser.until("document.querySelectorAll('#chart-orders tbody tr').length === 72").await;
        browser.click("#chart-orders summary").await;
        assert_eq!(browser.value("document.body.dataset.same").await, "yes");
        for dark in [false, true] {
            browser.dark(dark).await;
            shots(&browser, &format!("screen-{language}-{}", if dark { "dark" } else { "light" })).await;
        }
        let wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        browser.picture(390, 844).await;
        browser.until(wide).await;
        browser.picture(1280, 900).await;
        browser.click("#full").await;
        browser.until("document.fullscreenElement?.id === 'main'").await;
        browser.click("#full").await;
        browser.until("!document.fullscreenElement").await;
        browser.close().await;
    }
}
