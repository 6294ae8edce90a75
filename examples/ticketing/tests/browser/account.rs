//! Accounts, and ways to sign in.

use nebula_auth::testing::openid::{CLIENT, Provider, SECRET};
use nebula_test_support::unique;
use serde_json::json;

use crate::{
    help::shots,
    web::{Browser, Shop},
};

#[tokio::test]
async fn an_account_is_confirmed_by_mail_changed_and_recovered() {
    let shop = Shop::open_with(&[]).await;
    let browser = Browser::open("en").await;
    let email = format!("{}@example.com", unique("mei"));
    browser.go(&shop.page("/register")).await;
    browser.fill("#display_name", "Lin Mei").await;
    browser.fill("#email", &email).await;
    browser.click("#code-send").await;
    browser.until("document.querySelector('#code-help').textContent.includes('5 minutes')").await;
    browser.fill("#code", &shop.code(&email, "open your account").await).await;
    browser.fill("#password", "a pass phrase of some length").await;
    browser.click("#submit").await;
    browser.until("location.pathname === '/'").await;

    // Profile and devices.
    browser.go(&shop.page("/account")).await;
    browser.until("document.querySelectorAll('#devices [data-current=true]').length === 1").await;
    browser.click("#profile-submit").await;
    browser.until("[...document.querySelectorAll('[role=status], .notice, .toast')].some((e) => e.textContent.includes('Saved'))").await;
    browser.fill("#phone-phone", "+86 138 0013 8000").await;
    browser.fill("#phone-password", "a pass phrase of some length").await;
    browser.click("#phone-code-send").await;
    browser.fill("#phone-code", &shop.code("+8613800138000", "confirm this number").await).await;
    browser.click("#phone-submit").await;
    browser.until("document.querySelector('#phone [data-confirmed=true]')").await;
    shots(&browser, "account-phone").await;
    browser.until("document.querySelectorAll('#known-devices [data-known] .badge').length === 1").await;
    browser.value("(document.querySelector('#known-devices').scrollIntoView(), 1)").await;
    shots(&browser, "account-known-devices").await;
    // A message may lie over it.
    browser.value("(document.querySelector('#known-devices [data-known] button').click(), 1)").await;
    browser
        .until("document.querySelector('#known-devices') && !document.querySelector('#known-devices [data-known]')")
        .await;

    // A forgotten password: the code sets another one, and signs out.
    browser.go(&shop.page("/forgot")).await;
    browser.fill("#email", &email).await;
    browser.click("#code-send").await;
    browser.fill("#code", &shop.code(&email, "new password").await).await;
    browser.fill("#password", "another pass phrase of mine").await;
    browser.click("#submit").await;
    browser.until("document.querySelector('main a[href^=\"/login\"]') && !localStorage.getItem('nebula.tokens')?.includes('access')").await;
    browser.go(&shop.page("/login")).await;
    browser.fill("#email", &email).await;
    browser.fill("#password", "another pass phrase of mine").await;
    browser.click("#submit").await;
    browser.until("location.pathname === '/'").await;

    // The same pages in Chinese, and the desk of what is given up.
    let chinese = Browser::open("zh").await;
    chinese.go(&shop.page("/login")).await;
    chinese.fill("#email", ticketing::demo::ADMIN_EMAIL).await;
    chinese.fill("#password", ticketing::demo::PASSWORD).await;
    chinese.click("#submit").await;
    chinese.until("location.pathname === '/'").await;
    chinese.go(&shop.page("/account")).await;
    chinese.until("document.querySelector('#devices h2').textContent === '登录设备'").await;
    chinese.until("document.querySelector('#known-devices h2').textContent === '已知设备'").await;
    chinese.go(&shop.page("/desk/load")).await;
    chinese.until("document.querySelector('#level').dataset.level === '0'").await;
    chinese.value("document.querySelector('#least').value = '1'").await;
    chinese.fill("#reason", "大促").await;
    chinese.click("#apply").await;
    chinese.until("document.querySelector('#level').dataset.level === '1'").await;
    assert_eq!(chinese.text("[data-class=extras] td:last-child").await, "拒绝");
    chinese.close().await;
    browser.close().await;
}

#[tokio::test]
async fn a_buyer_signs_in_with_a_provider_and_shows_whose_the_address_is() {
    let provider = Provider::start().await;
    let issuer = provider.issuer();
    let shop = Shop::open_at(|url| {
        vec![
            ("NEBULA_TICKETING__AUTH__OIDC__CORP__ISSUER", issuer),
            ("NEBULA_TICKETING__AUTH__OIDC__CORP__CLIENT_ID", CLIENT.to_owned()),
            ("NEBULA_TICKETING__AUTH__OIDC__CORP__CLIENT_SECRET", format!("\"{SECRET}\"")),
            ("NEBULA_TICKETING__AUTH__OIDC__CORP__REDIRECT_URI", format!("{url}/sign-in/corp")),
            ("NEBULA_TICKETING__ACCOUNTS__PROVIDER_LABELS__CORP", "Corp ID".to_owned()),
        ]
    })
    .await;
    // Somebody new, whose address the provider vouches for.
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/login?next=/account")).await;
    assert_eq!(browser.text("#provider-corp").await, "Continue with Corp ID");
    browser.click("#provider-corp").await;
    browser.until("location.pathname === '/account' && document.querySelector('#ways li')").await;
    assert!(browser.text("#ways").await.contains("Corp ID"));
    shots(&browser, "ways-to-sign-in").await;
    browser.close().await;

    // Somebody with an account, and a provider that only says so.
    let email = ticketing::demo::ADMIN_EMAIL;
    provider.change(move |_, claims| {
        claims["sub"] = json!("ext-8");
        claims["email"] = json!(email);
        claims["email_verified"] = json!(false);
    });
    let chinese = Browser::open("zh").await;
    chinese.go(&shop.page("/login")).await;
    assert_eq!(chinese.text("#provider-corp").await, "使用 Corp ID 登录");
    chinese.click("#provider-corp").await;
    chinese
        .until("location.pathname === '/sign-in/corp' && location.search === '' && document.querySelector('#code')")
        .await;
    assert_eq!(chinese.text("h1").await, "还差一步");
    shots(&chinese, "confirm-provider").await;
    chinese.click("#by-password").await;
    chinese.fill("#password", ticketing::demo::PASSWORD).await;
    chinese.click("#submit").await;
    chinese.until("location.pathname === '/' && localStorage.getItem('nebula.tokens')?.includes('access')").await;
    chinese.close().await;
}
