//! Headless Chromium.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// What Chromium is called depends on who packaged it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How long a page may take on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Chromium is.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|file| file.is_file());
    let missing = "Chromium is not installed or not on the PATH; `cargo xtask test` installs all that the tests need";
    found.unwrap_or_else(|| panic!("{missing}"))
}

/// What becomes of the page at `url` in Chromium: its elements as HTML, after its scripts have run for `time` by their own
/// clock, which waits for nothing but the network.
///
/// # Panics
/// When Chromium is not installed or does not show the page within two minutes.
///
/// # Cancel safety
/// Dropping the future kills the browser.
pub async fn rendered(url: &str, time: Duration) -> String {
    let profile = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder for a profile: {error}"));
    let mut browser = Command::new(chromium());
    browser
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--lang=en", "--window-size=1280,900"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--virtual-time-budget={}", time.as_millis()))
        .args(["--dump-dom", url])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(PATIENCE, browser.output()).await {
        Ok(output) => output.unwrap_or_else(|error| panic!("Chromium cannot be started: {error}")),
        Err(_) => panic!("Chromium did not show {url} within {PATIENCE:?}"),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Chromium ended with {}: {told}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn scripts_have_run() {
        let page =
            "data:text/html,<p id=a>before</p><script>setTimeout(() => a.textContent = 'af' + 'ter', 500)</script>";
        let shown = rendered(page, Duration::from_secs(1)).await;
        assert!(shown.contains("<p id=\"a\">after</p>"), "{shown}");
    }
}
