//! The waiting room and the challenge.

use std::sync::Arc;

use crate::{
    help::{ENTER, LIVE, RIGHT, choose_in_list, register},
    web::{Browser, Shop},
};

#[tokio::test]
async fn a_buyer_waits_for_the_turn_solves_a_challenge_and_buys() {
    let shop = Arc::new(Shop::open().await);
    let sale = shop.on_sale().await;
    shop.open_room(&sale.session, 1).await;
    let (inside, next) = (shop.rival().await, shop.rival().await);
    assert_eq!(shop.wait(&inside, &sale.session).await["state"], "inside");
    assert_eq!(shop.wait(&next, &sale.session).await["ahead"], 0);
    let (staying_inside, staying_next) = (shop.stay(&inside, &sale.session), shop.stay(&next, &sale.session));
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/register")).await;
    register(&browser).await;
    browser.until("location.pathname === '/'").await;

    // The page of the session says where the way begins; without having waited nobody buys.
    browser.go(&shop.page(&format!("/sessions/{}", sale.session))).await;
    browser.until("document.querySelector('#way a')").await;
    browser.click("#way a").await;
    browser.until("document.querySelector('#position')?.textContent === '2'").await;
    assert!(browser.value("document.querySelector('#waiting-live').textContent.includes('number 2')").await == true);
    assert!(browser.value("document.querySelector('#progress').getAttribute('aria-label').length > 0").await == true);
    // The place survives the page.
    browser.go(&shop.page(&format!("/waiting/{}?lang=zh", sale.session))).await;
    browser.until("document.querySelector('#position')?.textContent === '2' && document.querySelector('h1').textContent === '候场室'").await;
    browser.go(&shop.page(&format!("/waiting/{}?lang=en", sale.session))).await;
    staying_inside.end().await;
    shop.leave(&inside, &sale.session).await;
    browser.until("document.querySelector('#position')?.textContent === '1'").await;
    staying_next.end().await;
    shop.leave(&next, &sale.session).await;
    browser.until(&format!("location.pathname === '/sessions/{}' && {LIVE}", sale.session)).await;

    // Inside: a seat, and a challenge in words, by keyboard.
    choose_in_list(&browser).await;
    browser.click("#buy[aria-disabled='false']").await;
    // What somebody agrees to is not asked again after the challenge.
    browser.click("#quote-go").await;
    browser.until("document.querySelector('.slider-picture img')?.naturalWidth === 320 && document.activeElement.id === 'slider'").await;
    browser.press(&[RIGHT, RIGHT, ENTER]).await;
    browser.until("document.querySelector('.challenge .form-error').textContent.includes('another')").await;
    browser.click("#challenge-other").await;
    browser.until("document.querySelector('#challenge-answer')").await;
    let sum = "(() => { const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']; \
        const [a, b, c] = document.querySelector('.challenge label').textContent.match(/[a-z]+/gi).map((w) => words.indexOf(w)).filter((n) => n >= 0); \
        return String(a + b - c); })()";
    let sum = browser.value(sum).await;
    browser.fill("#challenge-answer", sum.as_str().unwrap()).await;
    browser.press(&[ENTER]).await;
    browser.until("location.pathname.startsWith('/checkout/') && document.querySelector('#pay')").await;
    browser.close().await;
}
