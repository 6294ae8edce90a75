//! From the list of shows to paid tickets.

use nebula_test_support::eventually;

use crate::{
    help::{DOWN, ENTER, LIVE, RIGHT, choose_in_list, chosen, register, shots, sign_in},
    web::{Browser, PASSWORD, PATIENCE, Shop},
};

#[tokio::test]
async fn a_buyer_registers_chooses_seats_by_keyboard_and_pays() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let browser = Browser::open("en").await;

    // From the list of shows to the map.
    browser.go(&shop.page("/")).await;
    browser.click(&format!("a[href='/shows/{}']", sale.show)).await;
    browser.click(&format!("a[href='/sessions/{}']", sale.session)).await;
    browser.until(LIVE).await;

    // Two seats by keyboard alone.
    browser.value("document.querySelector('#map').focus()").await;
    browser.press(&[ENTER]).await;
    browser.until("document.activeElement.getAttribute('role') === 'checkbox'").await;
    browser.press(&[' ']).await;
    chosen(&browser, 1).await;
    assert_eq!(browser.value("document.activeElement.getAttribute('aria-checked')").await, "true");
    let first = browser.value("document.activeElement.getAttribute('aria-label')").await;
    browser.press(&[RIGHT]).await;
    assert_ne!(browser.value("document.activeElement.getAttribute('aria-label')").await, first);
    browser.press(&[' ']).await;
    chosen(&browser, 2).await;
    // A third one, given back.
    browser.press(&[DOWN, ' ']).await;
    chosen(&browser, 3).await;
    browser.press(&[' ']).await;
    chosen(&browser, 2).await;
    let total = browser.text("#total").await;

    // Buying asks to sign in; the choice is still there afterwards.
    browser.click("#buy").await;
    browser.until("location.pathname === '/login'").await;
    browser.click(".sign-foot a").await;
    browser.until("location.pathname === '/register'").await;
    register(&browser).await;
    browser.until(&format!("location.pathname === '/sessions/{}' && {LIVE}", sale.session)).await;
    chosen(&browser, 2).await;
    assert_eq!(browser.text("#total").await, total);

    // A coupon: one that nobody knows, and the one that is offered.
    browser.click("#buy[aria-disabled='false']").await;
    browser.fill("#coupon-code", "no-such-code").await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelector('#coupon-said').textContent.includes('no coupon of this code')").await;
    browser.click(&format!("[data-coupon='{}']", ticketing::marketing::demo::CODE)).await;
    browser.until("document.querySelectorAll('#quote .quote-line').length === 3").await;
    assert_eq!(browser.text("#quote .quote-line:first-child dd").await, total);
    let reduced = browser.text("#quote .quote-line:last-child dd").await;
    assert_ne!(reduced, total);
    let total = reduced;
    browser.click("#quote-go").await;
    browser.until("location.pathname.startsWith('/checkout/') && /^\\d+:\\d\\d$/.test(document.querySelector('#countdown')?.textContent)").await;
    assert_eq!(browser.text("#order-total").await, total);
    assert_eq!(browser.text(".bill .quote-line:last-child dd").await, total);
    let order = browser.path().await.rsplit('/').next().unwrap().to_owned();

    // The page of the payment provider, and back.
    browser.click("#pay").await;
    browser.until("location.pathname.startsWith('/pay/mock/') && document.querySelector('.provider h1')").await;
    assert_eq!(browser.text(".provider h1").await, total);
    assert_eq!(browser.value("location.search").await, "", "no token in an address");
    browser.click("#approve").await;
    browser.until(&format!("location.pathname === '/orders/{order}'")).await;
    browser.until("document.querySelector(\"[data-state='PAID'], [data-state='ISSUED']\")").await;
    browser.until("document.querySelectorAll('.stub').length === 2").await;

    browser.go(&shop.page("/orders")).await;
    browser.element(&format!("[data-order='{order}'] [data-state]")).await;

    // Not only the pages say so.
    let counts = eventually(PATIENCE, || async {
        let seats = shop.get(&format!("/sessions/{}/seats", sale.session)).await;
        if seats["counts"]["locked"] == 0 { Ok(seats["counts"].clone()) } else { Err(seats["counts"].to_string()) }
    })
    .await;
    assert_eq!(counts["sold"], 2);
    browser.close().await;
}

#[tokio::test]
async fn a_seat_that_another_buyer_takes_leaves_the_choice_and_turns_sold_on_the_open_page() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let rival = shop.rival().await;
    let browser = Browser::open("en").await;
    browser.go(&shop.page(&format!("/sessions/{}", sale.session))).await;
    browser.until(LIVE).await;

    browser.value("document.querySelector('#map').focus()").await;
    browser.press(&[ENTER, ' ']).await;
    chosen(&browser, 1).await;
    let position = browser.value("Number(document.activeElement.dataset.position)").await;
    let plan = shop.get(&format!("/sessions/{}/seatmap", sale.session)).await;
    let seat = plan["seats"][usize::try_from(position.as_u64().unwrap()).unwrap()]["guid"].as_str().unwrap();
    let circle = format!("[data-position='{position}']");

    let order = shop.take(&rival, &sale.session, seat).await;
    browser.until(&format!("document.querySelector(\"{circle}\").classList.contains('held')")).await;
    chosen(&browser, 0).await;
    browser.until("document.querySelector('.toast-bad')").await;

    shop.pay(&rival, &order).await;
    browser.until(&format!("document.querySelector(\"{circle}\").classList.contains('sold')")).await;
    assert_eq!(browser.value("document.activeElement.getAttribute('aria-disabled')").await, "true");
    browser.press(&[' ']).await;
    chosen(&browser, 0).await;
    browser.close().await;
}

/// Goes through the price, which a coupon of the demo makes a question, to the checkout.
async fn to_checkout(browser: &Browser) -> String {
    browser.click("#quote-go").await;
    browser.until("location.pathname.startsWith('/checkout/') && document.querySelector('.bill li')").await;
    browser.text(".bill").await
}

#[tokio::test]
async fn the_shop_chooses_seats_and_sells_standing_tickets_in_both_languages() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let shows = shop.get("/shows").await;
    let shows = shows["shows"].as_array().unwrap();
    let night = shows.iter().find(|show| show["title"].as_str().unwrap().starts_with("Apogee")).unwrap();
    let standing = night["sessions"][0]["id"].as_str().unwrap();
    for (language, free, place) in [("en", "places left", "Floor, standing"), ("zh-CN", "余", "内场 站席")] {
        let rival = shop.rival().await;
        let browser = Browser::open(language).await;
        browser.go(&shop.page(&format!("/login?next=/sessions/{}", sale.session))).await;
        sign_in(&browser, &rival.email, PASSWORD).await;
        browser.until(LIVE).await;
        browser.element("#choose-form").await;
        shots(&browser, &format!("choose-{language}")).await;
        // By keyboard alone: three together, at any price.
        browser.value("document.querySelector('#choose-count').focus()").await;
        browser.press(&['3', '\u{e004}', '\u{e004}', '\u{e004}', ENTER]).await;
        let bill = to_checkout(&browser).await;
        assert_eq!(browser.value("document.querySelectorAll('.bill li').length").await, 3, "{bill}");

        // Two to stand; how many are left is seen while others buy.
        browser.go(&shop.page(&format!("/sessions/{standing}"))).await;
        browser.until(LIVE).await;
        browser
            .until(&format!(
                "document.querySelector(\"[data-area='Floor'] [data-left]\").textContent.includes('{free}')"
            ))
            .await;
        let before = browser.text("[data-area='Floor'] [data-left]").await;
        let other = shop.rival().await;
        shop.stand(&other, standing, "Floor").await;
        browser
            .until(&format!("document.querySelector(\"[data-area='Floor'] [data-left]\").textContent !== '{before}'"))
            .await;
        browser.click("[data-area='Floor'] [data-step='1']").await;
        assert_eq!(browser.text("[data-area='Floor'] output").await, "2");
        assert_eq!(
            browser.value("document.querySelectorAll('#map circle[data-position]').length").await,
            80,
            "no dot for a place to stand"
        );
        shots(&browser, &format!("standing-{language}")).await;
        browser.click("[data-area='Floor'] button[type='submit']").await;
        let bill = to_checkout(&browser).await;
        assert_eq!(bill.matches(place).count(), 2, "{bill}");
        browser.close().await;
    }
}

#[tokio::test]
async fn the_list_of_seats_and_every_text_are_there_in_chinese() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let browser = Browser::open("zh-CN").await;

    // The browser's own language, without being asked.
    browser.go(&shop.page("/")).await;
    browser.until("document.querySelector('h1')?.textContent === '正在热演'").await;
    assert_eq!(browser.value("document.documentElement.lang").await, "zh-CN");

    // Seats as a list.
    browser.go(&shop.page(&format!("/sessions/{}", sale.session))).await;
    browser.until(LIVE).await;
    choose_in_list(&browser).await;
    let label =
        browser.value("document.querySelector(\".seat-button[aria-pressed='true']\").getAttribute('aria-label')").await;
    let label = label.as_str().unwrap();
    assert!(["池座", "楼座", "包厢"].iter().any(|area| label.starts_with(area)), "{label}");
    assert!(label.contains('座') && label.contains('¥') && label.contains("已选"), "{label}");
    assert_eq!(browser.text("#buy").await, "立即购票");

    // A problem of the server, in the visitor's words.
    browser.click("#buy").await;
    browser.until("location.pathname === '/login'").await;
    browser.fill("#email", "nobody@example.com").await;
    browser.fill("#password", "not the password").await;
    browser.click("#submit").await;
    browser.until("document.querySelector('.form-error')?.textContent === '邮箱或密码不正确。'").await;

    // The switch, and the choice that stays.
    browser.click("#language").await;
    browser
        .until("document.documentElement.lang === 'en' && document.querySelector('h1')?.textContent === 'Sign in'")
        .await;
    browser.go(&shop.page("/")).await;
    browser.until("document.querySelector('h1')?.textContent === 'What’s on'").await;
    browser.go(&shop.page("/?lang=zh")).await;
    browser.until("document.querySelector('h1')?.textContent === '正在热演'").await;
    browser.close().await;
}
