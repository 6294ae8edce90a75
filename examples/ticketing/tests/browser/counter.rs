//! The counter and its tills.

use serde_json::json;

use crate::{
    help::{ENTER, LIVE, enter, free_seats, shots, sign_in},
    web::{Browser, Shop},
};

#[tokio::test]
async fn a_clerk_sells_at_the_counter_prints_and_finance_counts_the_till() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    let seats = free_seats(&shop, &sale.session, 2).await;
    let choose = |seat: &str| {
        format!(
            "import('/assets/api.js').then(async ({{ get }}) => {{ \
             const {{ seats }} = await get('/sessions/{}/seatmap'); \
             const position = seats.findIndex((one) => one.guid === '{seat}'); \
             return position; }})",
            sale.session
        )
    };
    for (index, (language, who, channel)) in
        [("en", "boxoffice@example.com", "BOX_OFFICE"), ("zh", "agent@example.com", "AGENT")].into_iter().enumerate()
    {
        let browser = Browser::open(language).await;
        browser.go(&shop.page("/desk/counter")).await;
        sign_in(&browser, who, ticketing::demo::PASSWORD).await;
        browser.element(&format!("#channel[data-channel='{channel}']")).await;
        browser.fill("#f-opening", "100").await;
        browser.click("#open-till button[type=submit]").await;
        browser.until("document.querySelector('[data-expected=\"100.00\"]')").await;
        shots(&browser, &format!("counter-{language}")).await;
        browser.click(&format!("[data-session='{}'] button", sale.session)).await;
        // The list needs no pointer.
        browser.click("#view-list").await;
        let position = browser.value(&choose(&seats[index])).await;
        browser.until("document.querySelector('#seat-list summary')").await;
        browser
            .value("document.querySelectorAll('#seat-list details').forEach((one) => { one.open = true; }), 1")
            .await;
        browser.click(&format!("#seat-list [data-position='{position}']")).await;
        shots(&browser, &format!("counter-seats-{language}")).await;
        browser.click("#buy").await;
        browser.element(".counter-sale[data-state='LOCKED']").await;
        browser.fill("#tendered", "1").await;
        let missing = if language == "en" { "is missing" } else { "还差" };
        browser.until(&format!("document.querySelector('#change').textContent.includes('{missing}')")).await;
        browser.fill("#tendered", "0000").await;
        let change = if language == "en" { "Change:" } else { "找零" };
        browser.until(&format!("document.querySelector('#change').textContent.includes('{change}')")).await;
        shots(&browser, &format!("counter-pay-{language}")).await;
        if channel == "AGENT" {
            browser.click("#method-card").await;
            browser.fill("#reference", "T-4711").await;
        }
        browser.click("#take").await;
        browser.element("#paid[data-printable]").await;
        browser.until("document.querySelector('.stub-code img')?.naturalWidth > 0").await;
        shots(&browser, &format!("counter-tickets-{language}")).await;

        // On paper there are the tickets with their codes, and nothing else.
        browser.paper(true).await;
        let hidden = "['#top', '.lead', '.counter-aside', '.counter-top', '.bill', '.show-head', '#foot', '.ops-menu'] \
                      .flatMap((one) => [...document.querySelectorAll(one)]).every((one) => !one.checkVisibility())";
        assert_eq!(browser.value(hidden).await, json!(true));
        let code = "(() => { const { width, height } = document.querySelector('.stub-code img').getBoundingClientRect(); \
                    return document.querySelector('.stub').checkVisibility() && width === height && width > 110; })()";
        assert_eq!(browser.value(code).await, json!(true));
        shots(&browser, &format!("counter-paper-{language}")).await;
        browser.paper(false).await;
        // A reload goes on with what is at hand.
        browser.value("location.reload()").await;
        browser.element("#paid[data-printable]").await;
        browser.fill("#refund-reason", "ill").await;
        browser.click("#ask-back button").await;
        browser.element(".counter-sale[data-state='REFUNDING']").await;
        browser.close().await;
    }

    let browser = Browser::open("en").await;
    browser.go(&shop.page("/desk/tills")).await;
    sign_in(&browser, "finance@example.com", ticketing::demo::PASSWORD).await;
    browser.until("document.querySelectorAll('[data-till]').length === 2").await;
    shots(&browser, "tills").await;
    let cash = "document.querySelector('[data-method=cash]').closest('[data-till]')";
    let expected = browser.value(&format!("{cash}.querySelector('[data-expected]').dataset.expected")).await;
    let expected: f64 = expected.as_str().unwrap().parse().unwrap();
    assert!(expected > 100.0, "{expected}");
    let till = browser.value(&format!("{cash}.dataset.till")).await;
    let till = format!("[data-till='{}']", till.as_str().unwrap());
    browser.fill(&format!("{till} [name=counted]"), "50").await;
    browser.click(&format!("{till} button[type=submit]")).await;
    browser.element(&format!("{till}[data-closed]")).await;
    let difference =
        browser.value(&format!("document.querySelector(\"{till} [data-difference]\").dataset.difference")).await;
    assert!(difference.as_str().unwrap().starts_with('-'), "{difference}");
    shots(&browser, "tills-closed").await;
    browser.close().await;
}

#[tokio::test]
async fn a_clerk_writes_names_down_for_the_best_seats_and_corrects_them() {
    let shop = Shop::open().await;
    let sale = shop.on_sale().await;
    shop.ask_names(&sale.session).await;
    let browser = Browser::open("en").await;
    browser.go(&shop.page(&format!("/login?next=/desk/counter?session={}", sale.session))).await;
    sign_in(&browser, "boxoffice@example.com", ticketing::demo::PASSWORD).await;
    browser.until(LIVE).await;
    browser.click("#view-list").await;
    browser.until("document.querySelector('#choose-count').value === '2'").await;
    enter(&browser, "#choose").await;
    browser.until("document.querySelectorAll('#people[open] fieldset').length === 2").await;
    for (person, name, number) in [(0, "Lin Mei", "11010519491231002X"), (1, "Anne Li", "110105194912310021")] {
        browser.fill(&format!("#person-{person}-name"), name).await;
        browser.fill(&format!("#person-{person}-number"), number).await;
    }
    shots(&browser, "counter-people").await;
    // A number that cannot be one: it is said, and nothing has to be typed again.
    browser.press(&[ENTER]).await;
    browser.until("document.querySelector('#people .form-error').textContent && document.activeElement.id === 'person-1-number'").await;
    assert_eq!(browser.value("document.querySelector('#person-0-name').value").await, "Lin Mei");
    shots(&browser, "counter-people-wrong").await;
    browser.value("(() => { const s = document.querySelector('#person-1-kind'); s.value = 'passport'; s.dispatchEvent(new Event('change')) })()").await;
    browser.value("document.querySelector('#person-1-number').value = ''").await;
    browser.fill("#person-1-number", "C01X00T47").await;
    browser.fill("#person-1-country", "de").await;
    browser.press(&[ENTER]).await;
    browser.element(".counter-sale[data-state='LOCKED']").await;
    browser.fill("#tendered", "10000").await;
    browser.click("#take").await;
    browser.element("#paid[data-printable]").await;
    browser.until("document.querySelectorAll('.stub').length === 2").await;
    shots(&browser, "counter-names-printed").await;
    browser.close().await;
}
