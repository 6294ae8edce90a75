//! The second factor.

use std::time::{SystemTime, UNIX_EPOCH};

use nebula_auth::mfa::TotpParams;

use crate::{
    help::{ENTER, ESCAPE, enter, shots, sign_in_at},
    web::{Browser, Shop},
};

/// What an authenticator app shows that has this secret.
fn app_code(secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    TotpParams::default().code_at(&data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap(), now)
}

#[tokio::test]
async fn staff_set_a_second_factor_up_and_are_asked_for_it_in_both_languages() {
    let shop = Shop::open_with(&[
        ("NEBULA_TICKETING__ACCOUNTS__CONFIRM", "false"),
        ("NEBULA_TICKETING__ACCOUNTS__REQUIRE_SECOND_FACTOR", "[platform-operations]"),
    ])
    .await;
    let browser = Browser::open("en").await;
    // Whoever lacks it is led to it, and comes no further.
    sign_in_at(&shop, &browser, "/desk/merchants").await;
    browser.until("location.pathname === '/account' && document.querySelector('#factor-demanded')").await;
    shots(&browser, "factor-demanded").await;
    browser.go(&shop.page("/desk/merchants")).await;
    browser.click("main a[href='/account#second-factor']").await;
    browser.element("#factor-begin").await;
    let access = "JSON.parse(localStorage.getItem('nebula.tokens')).access_token";
    browser.value(&format!("(window.weak = {access}, 1)")).await;
    enter(&browser, "#factor-begin").await;
    browser.until("document.querySelector('#second-factor .pay-code img')?.naturalWidth > 0").await;
    shots(&browser, "factor-set-up").await;
    let secret = browser.text("#factor-secret").await;
    browser.fill("#factor-code", "000000").await;
    enter(&browser, "#factor-submit").await;
    browser.until("document.querySelector('#factor-code-error').textContent.includes('wrong')").await;
    browser.value("document.querySelector('#factor-code').value = ''").await;
    browser.fill("#factor-code", &app_code(&secret)).await;
    enter(&browser, "#factor-submit").await;
    browser.until("document.querySelectorAll('#factor-codes code').length === 10").await;
    shots(&browser, "factor-codes").await;
    let codes = "[...document.querySelectorAll('#factor-codes code')].map((one) => one.textContent)";
    let codes = browser.value(codes).await;
    let recovery = |number: usize| codes[number].as_str().unwrap();

    // What changes it asks for it again: as with a token of before it was shown.
    enter(&browser, "#factor-done").await;
    browser.element("#second-factor[data-enabled=true]").await;
    browser
        .value(
            "(() => { const tokens = JSON.parse(localStorage.getItem('nebula.tokens')); tokens.access_token = window.weak; \
             localStorage.setItem('nebula.tokens', JSON.stringify(tokens)); return 1; })()",
        )
        .await;
    enter(&browser, "#factor-renew").await;
    browser.element("#step-up[open] #prove-code").await;
    shots(&browser, "factor-prove").await;
    browser.fill("#prove-code", recovery(0)).await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelectorAll('#factor-codes code').length === 10").await;
    let renewed = "[...document.querySelectorAll('#factor-codes code')].map((one) => one.textContent)";
    let codes = browser.value(renewed).await;
    let recovery = |number: usize| codes[number].as_str().unwrap();
    browser.go(&shop.page("/desk/merchants")).await;
    browser.element("[data-merchant]").await;
    browser.close().await;

    // Elsewhere it is the second step of signing in: to the shop, and to who may do what.
    let browser = Browser::open("zh").await;
    sign_in_at(&shop, &browser, "/desk/merchants").await;
    browser
        .until("document.querySelector('h1')?.textContent === '再验证一步' && document.activeElement.id === 'code'")
        .await;
    shots(&browser, "factor-sign-in-zh").await;
    browser.fill("#code", recovery(0)).await;
    browser.press(&[ENTER]).await;
    browser.until("location.pathname === '/desk/merchants' && document.querySelector('[data-merchant]')").await;
    browser.go(&shop.page("/account#second-factor")).await;
    browser.element("#factor-remove").await;
    shots(&browser, "factor-on-zh").await;
    browser.go(&shop.page("/admin/access/page")).await;
    browser.fill("input[name=identifier]", ticketing::demo::ADMIN_EMAIL).await;
    browser.fill("input[name=password]", ticketing::demo::PASSWORD).await;
    browser.click("button.main").await;
    browser.until("document.activeElement.name === 'code'").await;
    shots(&browser, "factor-access-zh").await;
    browser.fill("input[name=code]", "000000").await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelector('#notice[data-bad]')?.textContent").await;
    browser.value("document.querySelector('input[name=code]').value = ''").await;
    browser.fill("input[name=code]", recovery(1)).await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelectorAll('#sections:not([hidden]) a').length > 1").await;
    browser.close().await;
}

#[tokio::test]
async fn whoever_changes_roles_shows_the_second_factor_in_a_dialog_and_the_change_goes_on() {
    let shop = Shop::open_with(&[
        ("NEBULA_TICKETING__ACCOUNTS__CONFIRM", "false"),
        ("NEBULA_TICKETING__ACCOUNTS__STEP_UP", "10m"),
    ])
    .await;
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/admin/access/page")).await;
    browser.fill("input[name=identifier]", ticketing::demo::ADMIN_EMAIL).await;
    browser.fill("input[name=password]", ticketing::demo::PASSWORD).await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelectorAll('#sections:not([hidden]) a').length > 1").await;
    // This session sets a second factor up; its token says nothing of it yet.
    let token = "sessionStorage.getItem('nebula-access-token')";
    let weak = browser.value(token).await.as_str().unwrap().to_owned();
    let ask = async |path: &str, body: String| {
        let script = format!(
            "fetch('/api/v1/me/second-factor{path}', {{ method: 'POST', body: '{body}', \
             headers: {{ 'Content-Type': 'application/json', Authorization: `Bearer ${{{token}}}` }} }}).then((answer) => answer.json())"
        );
        browser.value(&script).await
    };
    let secret = ask("", "{}".to_owned()).await["secret"].as_str().unwrap().to_owned();
    let confirmed = ask("/confirm", format!(r#"{{"code": "{}"}}"#, app_code(&secret))).await;
    let recovery = |number: usize| confirmed["recovery_codes"][number].as_str().unwrap();

    let create = async |name: &str| {
        browser.until("document.querySelector('main form input[name=title]')").await;
        browser.fill("main form input[name=name]", name).await;
        browser.press(&[ENTER]).await;
        browser.until("document.querySelector('#step-up[open]') && document.activeElement.name === 'code'").await;
    };
    let made = |name: &str| {
        format!("location.hash === '#/roles/{name}' && document.querySelector('main').textContent.includes('{name}')")
    };
    browser.go(&shop.page("/admin/access/page#/roles")).await;
    create("night-watch").await;
    shots(&browser, "access-step-up").await;
    assert_eq!(browser.value("document.querySelector('#step-up').matches(':modal')").await, serde_json::json!(true));
    // Left, nothing is changed, and the page says why; the focus is where it was.
    browser.press(&[ESCAPE]).await;
    browser.until("!document.querySelector('#step-up') && document.querySelector('#notice[data-bad]')?.textContent.includes('second factor')").await;
    browser.until("location.hash === '#/roles' && document.activeElement.closest('main form')").await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelector('#step-up[open]')").await;
    browser.fill("#step-up input[name=code]", "000000").await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelector('#step-up-wrong').textContent.includes('not accepted')").await;
    browser.value("(document.querySelector('#step-up input[name=code]').value = '', 1)").await;
    browser.fill("#step-up input[name=code]", recovery(0)).await;
    browser.press(&[ENTER]).await;
    browser.until(&made("night-watch")).await;
    assert_ne!(browser.value(token).await, serde_json::json!(weak), "the token says it from now on");
    // The next change asks for nothing.
    browser.value("(location.hash = '#/roles', 1)").await;
    browser.until("document.querySelectorAll('main article').length === 1").await;
    browser.fill("main form input[name=name]", "day-watch").await;
    browser.press(&[ENTER]).await;
    browser.until(&made("day-watch")).await;

    // In Chinese, with a token of before.
    browser
        .value(&format!(
            "(localStorage.setItem('nebula-language', 'zh-CN'), sessionStorage.setItem('nebula-access-token', '{weak}'), 1)"
        ))
        .await;
    browser.go(&shop.page("/admin/access/page?zh#/roles")).await;
    create("late-watch").await;
    assert_eq!(browser.text("#step-up h2").await, "请再次验证身份");
    browser.dark(true).await;
    shots(&browser, "access-step-up-zh").await;
    browser.fill("#step-up input[name=code]", recovery(1)).await;
    browser.press(&[ENTER]).await;
    browser.until(&made("late-watch")).await;
    browser.close().await;
}
