//! Queues, stock, jobs and locks, as operators see them.

use nebula_delay_queue::{DelayMessage, DelayQueue, RetryPolicy, SqlDelayQueue};
use nebula_test_support::eventually;
use serde_json::json;

use crate::{
    help::{enter, shots, sign_in},
    web::{Browser, PATIENCE, Shop},
};

#[tokio::test]
async fn operators_see_queues_stock_and_locks_in_both_languages_and_replay_a_dead_letter() {
    let shop = Shop::open().await;
    let database = shop.database().await;
    let queue = DelayQueue::new(SqlDelayQueue::new(database.clone()));
    // Given up while orders cannot be read; there is nothing wrong with it otherwise.
    sqlx::raw_sql("ALTER TABLE orders RENAME TO orders_away").execute(&database).await.unwrap();
    let message = DelayMessage::builder().id("once").body(json!({"order": uuid::Uuid::now_v7()}));
    let message = message.retry(RetryPolicy::none()).build().unwrap();
    queue.send("ticket.issue", &message).await.unwrap();
    eventually(PATIENCE, || async {
        let stats = queue.stats("ticket.issue").await.unwrap();
        if stats.dead == 1 { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
    sqlx::raw_sql("ALTER TABLE orders_away RENAME TO orders").execute(&database).await.unwrap();

    let titles = [
        ("en", ["Queues", "Reconciliation", "Jobs", "Locks, caches, limits"]),
        ("zh", ["消息队列", "对账", "定时任务", "锁、缓存与限流"]),
    ];
    for (language, [queues, stock, jobs, system]) in titles {
        let browser = Browser::open(language).await;
        browser.go(&shop.page("/login")).await;
        sign_in(&browser, ticketing::demo::ADMIN_EMAIL, ticketing::demo::PASSWORD).await;
        browser.until("location.pathname === '/'").await;
        browser.go(&shop.page("/desk")).await;
        browser.click(".ops-menu a[href='/desk/queues']").await;
        browser.until(&format!("document.querySelector('h1')?.textContent === '{queues}'")).await;
        browser.until("document.querySelectorAll('[data-queue]').length === 6").await;
        browser.click("[data-open='ticket.issue']").await;
        browser.until("document.querySelector('#letters h2')").await;
        if language == "en" {
            browser.click("[data-letter=once] [data-act=showLife]").await;
            browser.until("document.querySelector('#life [data-what=dead]')").await;
            shots(&browser, "queues-life").await;
            browser.click("#life-close").await;
            shots(&browser, "queues-dead").await;
            browser.click("[data-letter=once] [data-act=replay]").await;
            browser.fill("#why", "orders are back").await;
            browser.click("#why-yes").await;
            browser.until("document.querySelector('#no-letters') && document.querySelector('.toast-good')").await;
            eventually(PATIENCE, || async {
                let stats = queue.stats("ticket.issue").await.unwrap();
                if stats.is_idle() && stats.dead == 0 { Ok(()) } else { Err(format!("{stats:?}")) }
            })
            .await;
            browser.fill("#message", "once").await;
            browser.value("document.querySelector('#queue').value = 'ticket.issue'").await;
            browser.click("#find").await;
            browser.until("document.querySelector('#life [data-what=done]')").await;
            browser.click("#life-close").await;
        } else {
            browser.until("document.querySelector('#no-letters').textContent === '没有死信。'").await;
        }
        shots(&browser, &format!("queues-{language}")).await;

        enter(&browser, ".ops-menu a[href='/desk/reconcile']").await;
        browser.until(&format!("document.querySelector('h1')?.textContent === '{stock}'")).await;
        // The one that the start began is over.
        browser.until("document.querySelector('#last-run') && document.querySelector('#compare')").await;
        let before = browser.value("document.querySelector('#last-run').dataset.at").await;
        browser.click("#compare").await;
        browser.until("document.querySelector('.toast-good')").await;
        browser
            .until(&format!("document.querySelector('#last-run')?.dataset.at > '{}'", before.as_str().unwrap_or("")))
            .await;
        browser.until("document.querySelectorAll('[data-session] [data-outcome=sound]').length > 0").await;
        shots(&browser, &format!("stock-{language}")).await;
        browser.click("[data-session] [data-open]").await;
        browser.until("document.querySelector('#reports table')").await;
        shots(&browser, &format!("stock-report-{language}")).await;
        browser.click("#reports-close").await;

        enter(&browser, ".ops-menu a[href='/desk/jobs']").await;
        browser.until(&format!("document.querySelector('h1')?.textContent === '{jobs}'")).await;
        browser.until("document.querySelectorAll('[data-job]').length === 11").await;
        browser.click("[data-run=search]").await;
        browser.fill("#why", "now").await;
        browser.click("#why-yes").await;
        browser.until("document.querySelector('.toast-good')").await;
        browser.until("document.querySelector('[data-job=search] [data-state=done]')").await;
        shots(&browser, &format!("jobs-{language}")).await;

        enter(&browser, ".ops-menu a[href='/desk/system']").await;
        browser.until(&format!("document.querySelector('h1')?.textContent === '{system}'")).await;
        browser.until("document.querySelector(\"[data-lock='ticketing:sweep']\") && document.querySelector('[data-cache=sessions]')").await;
        browser.until("document.querySelector(\"[data-limit='order.user']\") && document.querySelector('[data-part=database]')").await;
        shots(&browser, &format!("system-{language}")).await;
        browser.close().await;
    }
}
