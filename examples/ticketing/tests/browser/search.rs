//! Search with suggestions.

use nebula_test_support::eventually;

use crate::{
    help::{DOWN, ENTER, ESCAPE, shots},
    web::{Browser, PATIENCE, Shop},
};

#[tokio::test]
async fn shows_are_searched_with_suggestions_by_keyboard_in_both_languages() {
    let shop = Shop::open().await;
    eventually(PATIENCE, || async {
        let found = shop.get("/search?q=peony").await;
        if found["total"] == 1 { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    for (language, typed, title, found, city, nothing) in [
        ("en", "peon", "The Peony Pavilion", "1 show found", "City", "Nothing was found"),
        ("zh-CN", "牡丹", "牡丹亭", "找到 1 场演出", "城市", "没有找到演出"),
    ] {
        let browser = Browser::open(language).await;
        browser.go(&shop.page("/")).await;
        browser.fill("#search-q", typed).await;
        browser.until("document.querySelector('#search-q').getAttribute('aria-expanded') === 'true'").await;
        browser.press(&[DOWN]).await;
        let active =
            "document.getElementById(document.querySelector('#search-q').getAttribute('aria-activedescendant'))";
        browser.until(&format!("{active}?.getAttribute('aria-selected') === 'true'")).await;
        assert_eq!(browser.value(&format!("{active}.firstChild.textContent")).await, title);
        shots(&browser, &format!("suggestions-{language}")).await;
        // Closed, it is a field like others: what was typed stays, and Enter searches for it.
        browser.press(&[ESCAPE]).await;
        browser.until("document.querySelector('#search-q').getAttribute('aria-expanded') === 'false'").await;
        browser.press(&[ENTER]).await;
        browser.until(&format!("document.querySelector('#found')?.textContent === '{found}'")).await;
        assert_eq!(browser.value("new URLSearchParams(location.search).get('q')").await, typed);
        assert_eq!(browser.value("document.querySelectorAll('.card').length").await, 1);

        browser.click("#search-filters summary").await;
        assert_eq!(browser.text("label[for='search-city']").await, city);
        browser.click("#search-genre option[value='opera']").await;
        browser.click("#search-sort option[value='price']").await;
        browser.click("#search .button").await;
        browser.until("location.search.includes('genre=opera') && location.search.includes('sort=price') && document.querySelectorAll('.card').length === 1").await;
        shots(&browser, &format!("search-{language}")).await;
        browser.go(&shop.page("/?q=xyzzy")).await;
        browser.until(&format!("document.querySelector('.message h1')?.textContent === '{nothing}'")).await;
        // A suggested show is one key away.
        browser.go(&shop.page("/")).await;
        browser.fill("#search-q", typed).await;
        browser.until("document.querySelector('#search-q').getAttribute('aria-expanded') === 'true'").await;
        browser.press(&[DOWN, ENTER]).await;
        browser
            .until(&format!(
                "location.pathname.startsWith('/shows/') && document.querySelector('h1')?.textContent === '{title}'"
            ))
            .await;
        browser.close().await;
    }
}
