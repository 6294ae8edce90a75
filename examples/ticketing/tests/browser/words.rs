//! Texts in both languages, and links that lead somewhere.

use serde_json::json;
use ticketing::problem::Code;

use crate::{
    help::shots,
    web::{Browser, Shop},
};

#[tokio::test]
async fn both_dictionaries_have_every_text_and_every_problem_code() {
    let shop = Shop::open().await;
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/login")).await;
    browser.element("#submit").await;
    browser.value("Promise.all(['words-en', 'words-zh', 'problems-en', 'problems-zh', 'operations-en', 'operations-zh'].map(name => import(`/assets/${name}.js`)))\
        .then(all => { window.keys = all.map(module => Object.keys(module.default).sort()) }).then(() => true)").await;
    let keys = browser.value("window.keys").await;
    assert!(keys[0].as_array().unwrap().len() > 100);
    assert_eq!(keys[0], keys[1], "texts in English and Chinese");
    assert_eq!(keys[2], keys[3], "problems in English and Chinese");
    assert_eq!(keys[4], keys[5], "texts for operators in English and Chinese");
    for code in Code::ALL {
        let key = json!(format!("problem.{}", code.as_str()));
        assert!(keys[2].as_array().unwrap().contains(&key), "no text for {}", code.as_str());
    }
    let token = shop.sign_in(ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
    let jobs = shop.get_as(&token, "/admin/jobs").await;
    for job in jobs["jobs"].as_array().unwrap() {
        let key = json!(format!("jobs.name.{}", job["name"].as_str().unwrap()));
        assert!(keys[4].as_array().unwrap().contains(&key), "no text for {job}");
    }
    // The page that links everything: nothing it links is missing.
    for (language, title) in [("en", "Start here"), ("zh", "从这里开始")] {
        browser.go(&shop.page(&format!("/start?lang={language}"))).await;
        browser.until(&format!("document.querySelector('h1')?.textContent === '{title}'")).await;
        assert!(browser.text(".start-table").await.contains(ticketing::demo::ADMIN_EMAIL));
        shots(&browser, &format!("start-{language}")).await;
    }
    browser
        .value(
            "Promise.all([...document.querySelectorAll('main a')].map((link) => fetch(link.href).then(({ status }) => [link.href, status]))) \
             .then((all) => { window.linked = all; }).then(() => true)",
        )
        .await;
    let linked = browser.value("window.linked").await;
    let linked = linked.as_array().unwrap();
    assert!(linked.len() > 20, "{linked:?}");
    assert!(linked.iter().all(|link| link[1] == 200), "{linked:?}");
    browser.close().await;
}
