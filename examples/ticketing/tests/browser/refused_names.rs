//! A name that is refused after the order, as buyer and staff read it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};

use crate::{
    help::{free_seats, shots, sign_in, sign_in_at},
    web::{Browser, PASSWORD, Shop},
};

/// An authority that is away until it is told to answer; then nobody is who they say.
async fn authority() -> (Arc<AtomicBool>, String) {
    async fn answer(State(open): State<Arc<AtomicBool>>) -> axum::response::Response {
        match open.load(Ordering::Relaxed) {
            true => Json(json!({ "result": "mismatch" })).into_response(),
            false => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
    let open = Arc::new(AtomicBool::new(false));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/check", listener.local_addr().unwrap());
    let router = Router::new().route("/check", post(answer)).with_state(Arc::clone(&open));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (open, url)
}

#[tokio::test]
async fn a_name_that_is_refused_later_is_told_to_buyer_and_staff_where_they_look() {
    let (open, url) = authority().await;
    let shop = Shop::open_with(&[
        ("NEBULA_TICKETING__ACCOUNTS__CONFIRM", "false"),
        ("NEBULA_TICKETING__IDENTITY__AUTHORITY__ENDPOINT", &url),
        ("NEBULA_TICKETING__SALES__SWEEP_INTERVAL", "300ms"),
    ])
    .await;
    let sale = shop.on_sale().await;
    shop.ask_names_later(&sale.session).await;
    let seats = free_seats(&shop, &sale.session, 2).await;
    let rival = shop.rival().await;
    let unpaid = shop.take_for(&rival, &sale.session, &seats[0], "Lin Mei").await;
    let paid = shop.take_for(&rival, &sale.session, &seats[1], "Lin Mei").await;
    shop.pay(&rival, &paid).await;
    shop.codes(&rival, &paid).await;

    // The buyer is looking at what there is to pay when the name is refused.
    for (language, title, released, void) in [
        ("en", "A name was refused", "The seats were released", "The tickets are void"),
        ("zh", "实名核验未通过", "座位已释放", "电子票已失效"),
    ] {
        let browser = Browser::open(language).await;
        browser.go(&shop.page(&format!("/login?next=/checkout/{unpaid}"))).await;
        sign_in(&browser, &rival.email, PASSWORD).await;
        if language == "en" {
            browser.until("document.querySelector('.bill')").await;
            open.store(true, Ordering::Relaxed);
            shop.reaches(&rival, &unpaid, "CANCELLED").await;
        }
        let says = |words: &str| format!("document.querySelector('main').textContent.includes({})", Value::from(words));
        browser.until(&says(released)).await;
        assert_eq!(browser.value(&says(title)).await, json!(true));
        shots(&browser, &format!("refused-checkout-{language}")).await;
        browser.go(&shop.page(&format!("/orders/{paid}"))).await;
        browser.until(&says(void)).await;
        assert_eq!(browser.value(&says(title)).await, json!(true));
        shots(&browser, &format!("refused-order-{language}")).await;
        browser.close().await;
    }

    let staff = Browser::open("zh").await;
    sign_in_at(&shop, &staff, "/desk").await;
    staff.click("a[href='#orders']").await;
    staff.until("document.querySelectorAll('[data-order]').length > 1").await;
    staff.click(&format!("[data-order='{paid}'] .desk-open")).await;
    staff.until("document.querySelector('#name-refused')?.textContent.includes('已申请全额退款')").await;
    shots(&staff, "refused-desk").await;
    staff.close().await;
}
