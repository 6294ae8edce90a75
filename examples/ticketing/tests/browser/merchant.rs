//! A merchant sets up what is sold.

use serde_json::json;

use crate::{
    help::{LIVE, shots},
    web::{Browser, Shop},
};

/// What somebody may write where a name is asked for, and what a browser must not make of it.
const MARKUP: &str = "<img src=\"//nowhere.invalid/x\" onerror=\"document.documentElement.dataset.ran=1\"><b>bold</b>";

/// What people wrote is on the page as they wrote it.
async fn is_text(browser: &Browser) {
    browser.until("document.body.textContent.includes('onerror=')").await;
    assert_eq!(browser.value("document.querySelectorAll('[onerror], img[src*=nowhere], main b').length").await, 0);
    assert_eq!(browser.value("document.documentElement.dataset.ran ?? null").await, json!(null));
}

/// A merchant's picture is on the page, and loaded.
const SHOWN: &str = "document.querySelector('main img.poster')?.complete && document.querySelector('main img.poster').naturalWidth > 0 \
    && document.querySelector('main img.poster').srcset.includes('960w') && document.querySelector('main img.poster').width > 0";

/// A show's picture, at the desk: what is none is refused, what is one is looked at first, sent and described.
async fn give_picture(browser: &Browser, folder: &std::path::Path) {
    let form = "[data-poster] form";
    browser.click("[data-poster] summary").await;
    let (broken, good) = (folder.join("broken.jpg"), folder.join("lake.png"));
    std::fs::write(&broken, "no picture at all").unwrap();
    let lake = image::RgbImage::from_fn(1_200, 800, |x, y| {
        let (x, y) = (x as f32 / 1_200.0, y as f32 / 800.0);
        let moon = (x - 0.7).hypot((y - 0.25) * 0.67) < 0.06;
        let wave = if y > 0.55 { ((x * 40.0 + y * 90.0).sin() * 12.0) as u8 } else { 0 };
        if moon {
            image::Rgb([250, 240, 210])
        } else {
            image::Rgb([20 + wave, (40.0 + 60.0 * y) as u8 + wave, (90.0 + 90.0 * y) as u8])
        }
    });
    lake.save(&good).unwrap();
    browser.fill(&format!("{form} [name=picture]"), broken.to_str().unwrap()).await;
    browser.click(&format!("{form} button[type=submit]")).await;
    browser
        .until("document.querySelector('[data-poster] .form-error')?.textContent.includes('JPEG, PNG or WebP')")
        .await;
    browser.value("void (document.querySelector('[data-poster] [name=picture]').value = '')").await;
    browser.fill(&format!("{form} [name=picture]"), good.to_str().unwrap()).await;
    browser.until("document.querySelector('[data-poster] .desk-poster img')?.naturalWidth === 1200").await;
    browser.fill(&format!("{form} [name=alt]"), "A lake at night").await;
    shots(browser, "desk-poster").await;
    browser.click(&format!("{form} button[type=submit]")).await;
    browser.until("document.querySelector('[data-part=shows] .thumb img')?.naturalWidth > 0").await;
    shots(browser, "desk-shows").await;
}

#[tokio::test]
async fn a_merchant_goes_from_nothing_to_on_sale_by_importing_a_seating_plan() {
    let shop = Shop::open().await;
    let browser = Browser::open("en").await;
    browser.go(&shop.page("/login?next=/desk")).await;
    browser.fill("#email", "star@example.com").await;
    browser.fill("#password", ticketing::demo::PASSWORD).await;
    browser.click("#submit").await;
    browser.until("document.querySelector('[data-part=sessions]')").await;

    browser.click("a[href='#venues']").await;
    browser.fill("#new-venue #f-name", "Star House").await;
    browser.click("#new-venue button").await;
    // Where it is.
    browser.click("[data-venue] summary").await;
    for (field, text) in [("address", "1 Star Road"), ("latitude", "31.2304"), ("longitude", "121.4737")] {
        browser.fill(&format!("[data-venue] [name={field}]"), text).await;
    }
    browser.click("[data-venue] button").await;
    browser.until("document.querySelector('[data-part=venues]')?.textContent.includes('1 Star Road')").await;
    // What is wrong with a file is said before anything is stored, and so is what is right.
    let folder = tempfile::tempdir().unwrap();
    for (name, content, usable) in [
        ("broken.json", "{\"zones\": [{}]}", "false"),
        ("good.json", include_str!("../../demo/nebula-grand-theatre.json"), "true"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        browser.fill("#new-plan #f-file", file.to_str().unwrap()).await;
        browser.element(&format!("#plan-verdict[data-usable='{usable}']")).await;
    }
    browser.until("document.querySelectorAll('.desk-preview circle').length > 100").await;
    shots(&browser, "desk-plan").await;
    browser.click("#new-plan button[type='submit']").await;
    browser.element("[data-plan]").await;

    browser.click("a[href='#shows']").await;
    browser.fill("#new-show #f-title", &format!("Starlight {MARKUP}")).await;
    browser.fill("#new-show #f-title_zh", "星光").await;
    browser.click("#new-show button").await;
    browser.click("[data-part='shows'] [data-publish]").await;
    browser.element("[data-part='shows'] .badge-open").await;
    is_text(&browser).await;
    give_picture(&browser, folder.path()).await;

    browser.click("a[href='#sessions']").await;
    browser.fill("#new-session #price-0", "88.00").await;
    browser.click("#new-session button").await;
    browser.click("[data-part='sessions'] [data-publish]").await;
    browser.element("[data-part='sessions'] .badge-open").await;
    shots(&browser, "desk-sessions").await;

    // A buyer finds it in the merchant's shop.
    browser.go(&shop.page("/m/star")).await;
    browser.until("document.querySelectorAll('.card').length === 1").await;
    is_text(&browser).await;
    browser.until(SHOWN).await;
    assert_eq!(browser.value("document.querySelector('.card img').alt").await, "A lake at night");
    shots(&browser, "poster-list").await;
    browser.click(".card-link").await;
    browser.element("a[href^='/sessions/']").await;
    browser.until(SHOWN).await;
    shots(&browser, "poster-show").await;
    // Without it the page is whole all the same.
    browser.value("document.querySelector('.show-art img').dispatchEvent(new Event('error'))").await;
    browser.element(".show-art svg.poster").await;
    is_text(&browser).await;
    browser.until("document.querySelector('#map-web')?.href.includes('mlat=31.230400&mlon=121.473700')").await;
    assert_eq!(
        browser.value("document.querySelector('#map-app').getAttribute('href')").await,
        "geo:31.230400,121.473700"
    );
    assert!(browser.text("#venue").await.contains("1 Star Road"));
    browser.click("a[href^='/sessions/']").await;
    browser.until(LIVE).await;
    is_text(&browser).await;
    browser.close().await;
}
