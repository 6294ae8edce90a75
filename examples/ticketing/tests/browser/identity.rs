//! Tickets that bear names.

use serde_json::json;

use crate::{
    help::{LIVE, chosen, enter, register, shots, sign_in},
    web::{Browser, Shop},
};

#[tokio::test]
async fn a_buyer_names_who_the_tickets_are_for_and_the_desk_finds_them() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    // Staff asks for names, in Chinese.
    let desk = Browser::open("zh").await;
    desk.go(&shop.page(&format!("/desk/admission?session={}", sale.session))).await;
    sign_in(&desk, ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
    desk.until(
        "document.querySelector('#real-name') && document.querySelector('#tickets-per-day').closest('[hidden]')",
    )
    .await;
    desk.value(
        "(() => { const s = document.querySelector('#real-name'); s.value = 'per-ticket'; s.dispatchEvent(new Event('change')) })()",
    )
    .await;
    desk.until("!document.querySelector('#tickets-per-day').closest('[hidden]')").await;
    shots(&desk, "names-admission").await;
    desk.click("#save").await;
    desk.until("document.querySelector('.toast')").await;

    // A buyer's own identity, with a digit mistyped first, and two people to buy for.
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/register?next=/account")).await;
    register(&browser).await;
    browser.until("document.querySelector('#identity-number') && document.querySelector('#identity-country').closest('[hidden]')").await;
    assert!(browser.text("#authority").await.contains("demonstration"));
    browser.fill("#identity-name", "Lin Mei").await;
    browser.fill("#identity-number", "110105194912310021").await;
    browser.click("#identity-submit").await;
    browser.until("document.querySelector('#identity-number-error').textContent.includes('swapped')").await;
    browser.value("document.querySelector('#identity-number').value = ''").await;
    browser.fill("#identity-number", "11010519491231002X").await;
    browser.click("#identity-submit").await;
    browser.until("document.querySelector('#identity-remove')").await;
    assert!(browser.text("#identity").await.contains("110***********002X"));
    enter(&browser, "#add-contact summary").await;
    browser.fill("#contact-name", "Lin Mei").await;
    browser.fill("#contact-number", "11010519491231002X").await;
    browser.click("#contact-submit").await;
    browser.until("document.querySelectorAll('[data-contact]').length === 1").await;
    shots(&browser, "names-account").await;

    // At the order one is chosen, and one is added.
    browser.go(&shop.page(&format!("/sessions/{}", sale.session))).await;
    browser.until(LIVE).await;
    browser.click("#view-list").await;
    browser.value("document.querySelector('#seat-list details').open = true").await;
    browser.until("document.querySelectorAll('.seat-button[aria-disabled=false]').length > 1").await;
    browser
        .value(
            "[...document.querySelectorAll('.seat-button[aria-disabled=false]')].slice(0, 2).forEach((b) => b.click())",
        )
        .await;
    chosen(&browser, 2).await;
    browser.click("#buy").await;
    browser.until("document.querySelector('#attendees[open]') || document.querySelector('#quote[open]')").await;
    if browser.value("Boolean(document.querySelector('#quote[open]'))").await == json!(true) {
        browser.click("#quote-go").await;
    }
    browser.until("document.querySelector('#attendees[open] #attendee-1')").await;
    assert_eq!(browser.value("document.querySelector('#attendee-1').value").await, json!(""));
    browser.value(
        "(() => { const s = document.querySelector('#attendee-new-kind'); s.value = 'passport'; s.dispatchEvent(new Event('change')) })()",
    )
    .await;
    browser.fill("#attendee-new-name", "Anne Li").await;
    browser.fill("#attendee-new-country", "DE").await;
    browser.fill("#attendee-new-number", "C01X00T47").await;
    shots(&browser, "names-choose").await;
    browser.click("#attendee-new-submit").await;
    browser.until("document.querySelector('#attendee-1').value !== ''").await;
    browser.click("#attendees-go").await;
    browser
        .until("location.pathname.startsWith('/checkout/') && document.querySelectorAll('.attendee').length === 2")
        .await;
    let named = browser.text(".bill").await;
    assert!(named.contains("A*** L*") && named.contains("*****0T47") && !named.contains("C01X"), "{named}");
    shots(&browser, "names-checkout").await;

    desk.close().await;
    browser.close().await;

    // The desk finds the order by the whole number, and shows all of it to whoever may see people.
    let support = Browser::open("en").await;
    support.go(&shop.page("/login?next=/desk")).await;
    support.fill("#email", "support@example.com").await;
    support.fill("#password", ticketing::demo::PASSWORD).await;
    support.click("#submit").await;
    support.click("a[href='#orders']").await;
    support.fill("#f-attendee_number", "c01x00t48").await;
    support.click("#search-attendees button[type=submit]").await;
    support.until("document.querySelector('#orders').textContent.includes('No orders')").await;
    support.value("document.querySelector('#f-attendee_number').value = ''").await;
    support.fill("#f-attendee_number", "c01x00t47").await;
    support.click("#search-attendees button[type=submit]").await;
    support.until("document.querySelectorAll('[data-order]').length === 1").await;
    shots(&support, "names-desk").await;
    support.click(".desk-open").await;
    support.until("document.querySelector('#one-order')?.textContent.includes('Anne Li · C01X00T47')").await;
    support.close().await;
}

#[tokio::test]
async fn people_who_were_written_down_stay_nowhere_and_a_lost_answer_makes_no_second_order() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    shop.ask_names(&sale.session).await;
    let held = async || {
        let seats = shop.get(&format!("/sessions/{}/seats", sale.session)).await;
        seats["counts"]["locked"].as_u64().unwrap()
    };
    let before = held().await;
    let browser = Browser::open("en").await;
    browser.go(&shop.page(&format!("/login?next=/desk/counter?session={}", sale.session))).await;
    sign_in(&browser, "boxoffice@example.com", ticketing::demo::PASSWORD).await;
    let choose = async |people: [(&str, &str); 2]| {
        browser.until(LIVE).await;
        browser.click("#view-list").await;
        browser.until("document.querySelector('#choose-count').value === '2'").await;
        enter(&browser, "#choose").await;
        browser.until("document.querySelectorAll('#people[open] fieldset').length === 2").await;
        for (person, (name, number)) in people.into_iter().enumerate() {
            browser.fill(&format!("#person-{person}-name"), name).await;
            browser.fill(&format!("#person-{person}-number"), number).await;
        }
        browser.click("#people-go").await;
    };
    let people = [("Lin Mei", "11010519491231002X"), ("Han Lei", "330106199001010077")];
    let said = async || {
        let all = "JSON.stringify([{ ...sessionStorage }, { ...localStorage }])";
        browser.value(all).await.as_str().unwrap().to_owned()
    };
    // The order is placed, and every answer to it is lost; then the page is loaded anew.
    let lost = async |seats: u64| {
        browser.until(LIVE).await;
        browser
            .value(
                "(() => { const real = window.fetch; window.fetch = async (...asked) => { \
                 const answer = await real(...asked); \
                 if (asked[1]?.method === 'POST' && String(asked[0]).endsWith('/counter/orders') && answer.ok) throw new TypeError('lost'); \
                 return answer; }; return 1; })()",
            )
            .await;
        choose(people).await;
        browser.until("document.querySelector('.toast') && !document.querySelector('#people')").await;
        let kept = said().await;
        assert!(kept.contains("nebula.attempt.counter."), "the key is kept: {kept}");
        for (name, number) in people {
            assert!(!kept.contains(name) && !kept.contains(number), "{kept}");
        }
        assert_eq!(held().await, before + seats);
        browser.value("(location.reload(), 1)").await;
        browser.until("!String(window.fetch).includes('lost')").await;
    };

    // Others are no second order, and the clerk is told so.
    lost(2).await;
    choose([people[1], people[0]]).await;
    browser.until("document.querySelector('.toast')?.textContent.includes('ordered before')").await;
    assert_eq!(held().await, before + 2);
    assert!(!said().await.contains("nebula.attempt.counter."), "whoever was told begins anew");
    // The same people are the order that was placed.
    browser.value("(location.reload(), 1)").await;
    browser.until("!document.querySelector('.toast')").await;
    lost(4).await;
    choose(people).await;
    browser.element(".counter-sale[data-state='LOCKED']").await;
    assert_eq!(held().await, before + 4);
    assert!(!said().await.contains(people[0].1), "nor is it afterwards");
    browser.close().await;
}
