//! Headless Chromium behind chromedriver.

use std::{path::Path, sync::Arc};

use fantoccini::{
    Client, ClientBuilder,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    wd::Locator,
};
use hyper_util::client::legacy::connect::HttpConnector;
use nebula_test_support::{ReservedPort, ServerProcess, ServerSpec, chromium, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATIENCE;

pub struct Browser {
    client: Client,
    driver: String,
    // In this order: the driver ends, and the browser with it, before its profile is deleted.
    _process: ServerProcess,
    _port: ReservedPort,
    _profile: TempDir,
}

impl Browser {
    /// A window of a browser that speaks `language` (`en`, `zh-CN`).
    pub async fn open(language: &str) -> Self {
        Self::open_with(language, &[]).await
    }

    /// A window of a browser whose camera shows this film, and who lets every page use it that may ask.
    pub async fn with_camera(language: &str, film: &Path) -> Self {
        let film = format!("--use-file-for-fake-video-capture={}", film.display());
        let arguments =
            ["--use-fake-device-for-media-stream".to_owned(), "--use-fake-ui-for-media-stream".to_owned(), film];
        Self::open_with(language, &arguments).await
    }

    async fn open_with(language: &str, further: &[String]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = ReservedPort::pick().unwrap();
        let driver = format!("http://127.0.0.1:{}", port.number());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let probe = {
            let (http, status) = (http.clone(), format!("{driver}/status"));
            move |_| -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
                let request = http.get(&status).send();
                Box::pin(async move { request.await.map(drop).map_err(|error| error.to_string()) })
            }
        };
        let spec = ServerSpec::new("chromedriver", profile.path())
            .args([format!("--port={}", port.number())])
            .probe(Arc::new(probe))
            .ready_within(PATIENCE);
        let process = ServerProcess::start(spec).await.unwrap_or_else(|error| panic!("{error}"));
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // The browser ends when this pipe closes: it cannot outlive a driver that was killed.
            "--remote-debugging-pipe",
            "--window-size=1280,900",
        ];
        let arguments = arguments.into_iter().map(str::to_owned).chain(further.iter().cloned()).chain([
            format!("--user-data-dir={}", profile.path().join("profile").display()),
            format!("--lang={language}"),
        ]);
        let capabilities = json!({
            "goog:chromeOptions": {
                "binary": chromium(),
                "args": arguments.collect::<Vec<_>>(),
                "prefs": { "intl.accept_languages": language },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver)
            .await
            .unwrap_or_else(|error| panic!("no browser: {error}\n{}", process.log_tail()));
        Self { client, driver, _process: process, _port: port, _profile: profile }
    }

    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// The value of a JavaScript expression.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression};"), Vec::new()).await.unwrap()
    }

    pub async fn text(&self, selector: &str) -> String {
        self.element(selector).await.text().await.unwrap()
    }

    /// Waits until a JavaScript expression is true. While a page is being left, it may well fail.
    pub async fn until(&self, expression: &str) {
        let script = format!(
            "if ({expression}) return true; \
             const asked = performance.getEntriesByType('resource').slice(-6); \
             return `${{location.pathname}}: ${{document.body.innerText.slice(0, 1500)}}\nasked last: ${{asked.map((one) => \
                 `${{one.name}} ${{one.responseStatus}} at ${{Math.round(one.startTime)}} for ${{Math.round(one.duration)}} ms`)}}`;"
        );
        eventually(PATIENCE, || async {
            match self.client.execute(&script, Vec::new()).await {
                Ok(Value::Bool(true)) => Ok(()),
                Ok(other) => Err(format!("not yet: {expression}\non the page {other}")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// Waits for an element.
    pub async fn element(&self, selector: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("no {selector}: {error}"))
    }

    pub async fn click(&self, selector: &str) {
        self.element(selector).await.click().await.unwrap_or_else(|error| panic!("cannot click {selector}: {error}"));
    }

    pub async fn fill(&self, selector: &str, text: &str) {
        self.element(selector).await.send_keys(text).await.unwrap();
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn press(&self, keys: &[char]) {
        let mut actions = KeyActions::new("keyboard".into());
        for &key in keys {
            actions = actions.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// The page in a window of this size.
    pub async fn picture(&self, width: u32, height: u32) -> Vec<u8> {
        self.client.set_window_size(width, height).await.unwrap();
        self.client.screenshot().await.unwrap()
    }

    /// Shows pages as somebody wants them who likes it dark.
    pub async fn dark(&self, dark: bool) {
        let session = self.client.session_id().await.unwrap().unwrap();
        let value = if dark { "dark" } else { "light" };
        let params = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        let body = json!({ "cmd": "Emulation.setEmulatedMedia", "params": params });
        let command = reqwest::Client::builder().no_proxy().build().unwrap();
        let command = command.post(format!("{}/session/{session}/goog/cdp/execute", self.driver)).json(&body);
        assert!(command.send().await.unwrap().status().is_success());
    }

    /// Shows pages as paper does, or as a screen again.
    pub async fn paper(&self, paper: bool) {
        let session = self.client.session_id().await.unwrap().unwrap();
        let params = json!({ "media": if paper { "print" } else { "screen" } });
        let body = json!({ "cmd": "Emulation.setEmulatedMedia", "params": params });
        let command = reqwest::Client::builder().no_proxy().build().unwrap();
        let command = command.post(format!("{}/session/{session}/goog/cdp/execute", self.driver)).json(&body);
        assert!(command.send().await.unwrap().status().is_success());
    }

    /// Closes the browser. Fails if a page met an error of its own: a script that failed, something that its security
    /// policy forbids, a file that is missing.
    pub async fn close(self) {
        let session = self.client.session_id().await.unwrap().unwrap();
        let log = reqwest::Client::builder().no_proxy().build().unwrap();
        let log = log.post(format!("{}/session/{session}/se/log", self.driver)).json(&json!({ "type": "browser" }));
        let log: Value = log.send().await.unwrap().json().await.unwrap();
        // Refusals of the interface are logged as well, and pages are made to live with them.
        let refusal = |message: &str| {
            message.contains("/api/v1/")
                || (message.contains("/admin/access/") && !message.contains("/admin/access/page"))
        };
        let own = |entry: &&Value| entry["level"] == "SEVERE" && !refusal(entry["message"].as_str().unwrap());
        let errors: Vec<_> = log["value"].as_array().unwrap().iter().filter(own).collect();
        self.client.clone().close().await.unwrap();
        assert!(errors.is_empty(), "the pages met errors: {errors:#?}");
    }
}
