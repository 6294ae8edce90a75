//! Tickets at the door, and one that is given back before.

use crate::{
    help::{ENTER, free_seats, shots, sign_in},
    web::{Browser, PASSWORD, Shop, camera},
};

#[tokio::test]
async fn a_ticket_opens_the_door_once_and_another_is_given_back() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let rival = shop.rival().await;
    let mut orders = Vec::new();
    for seat in free_seats(&shop, &sale.session, 2).await {
        let order = shop.take(&rival, &sale.session, &seat).await;
        shop.pay(&rival, &order).await;
        orders.push((shop.codes(&rival, &order).await.remove(0), order));
    }
    let [(used, _), (_, returned)] = &orders[..] else { panic!("{orders:?}") };

    // The door, in Chinese: by keyboard, as a scanner types.
    let browser = Browser::open("zh-CN").await;
    browser.go(&shop.page("/admin/check-in")).await;
    sign_in(&browser, ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
    browser.until("document.querySelector('h1')?.textContent === '检票' && document.querySelector('#session')").await;
    browser
        .value(&format!(
            "(() => {{ const s = document.querySelector('#session'); s.value = '{}'; s.dispatchEvent(new Event('change')); return s.value }})()",
            sale.session
        ))
        .await;
    for verdict in ["admitted", "used"] {
        browser.fill("#code", used).await;
        browser.click("#code").await;
        browser.press(&[ENTER]).await;
        browser.until(&format!("document.querySelector('#verdict').dataset.verdict === '{verdict}'")).await;
    }
    browser.until("document.querySelector('#counts').textContent.includes('1 / 2')").await;
    // Without a network: the list says the same of what was used, and scans wait until they can be told.
    browser.click("#take-list").await;
    browser.until("document.querySelector('#listed').textContent.includes('2')").await;
    browser.close().await;

    // The buyer sees the code, gives the ticket back, and knows beforehand what it costs.
    let browser = Browser::open("en").await;
    browser.go(&shop.page(&format!("/orders/{returned}"))).await;
    sign_in(&browser, &rival.email, PASSWORD).await;
    browser.until("document.querySelector('.stub-code img')?.naturalWidth > 0").await;
    browser.click("#refund").await;
    browser.until("document.querySelector('dialog[open] #refund-yes')").await;
    assert!(browser.text("dialog").await.contains("goes back to you"));
    browser.click("#refund-yes").await;
    browser.until("document.querySelector(\"[data-state='REFUNDED']\")").await;
    assert_eq!(browser.value("document.querySelector('.stub-code img')").await, serde_json::Value::Null);
    browser.close().await;
}

#[tokio::test]
async fn a_camera_reads_tickets_at_the_door() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let rival = shop.rival().await;
    let seat = free_seats(&shop, &sale.session, 1).await.remove(0);
    let order = shop.take(&rival, &sale.session, &seat).await;
    shop.pay(&rival, &order).await;
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("ticket.y4m");
    camera::film(&shop.codes(&rival, &order).await[0], &film);

    let browser = Browser::with_camera("en", &film).await;
    browser.go(&shop.page("/admin/check-in")).await;
    sign_in(&browser, ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
    browser.element("#camera").await;
    let choose = "(() => { const s = document.querySelector('#session'); s.value = 'ID'; s.dispatchEvent(new Event('change')); return s.value })()";
    assert_eq!(browser.value(&choose.replace("ID", &sale.session)).await, sale.session);
    browser.click("#camera").await;
    browser.until("document.querySelector('#camera-picture').videoWidth === 640").await;
    browser.until("document.querySelector('#verdict').dataset.verdict === 'admitted'").await;
    shots(&browser, "door-camera").await;
    // Held before the camera for longer, or once more, it opens nothing.
    browser.until("document.querySelector('#verdict').dataset.verdict === 'used'").await;
    browser.until("document.querySelector('#counts').textContent.includes('1 of 1')").await;
    browser.click("#camera").await;
    browser.until("document.querySelector('#camera-picture').hidden").await;
    browser.close().await;
}
