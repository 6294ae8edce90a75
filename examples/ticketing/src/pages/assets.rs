//! Scripts, styles and pictures, under addresses that change with what they hold: `/assets/v-0123456789abcdef/page.js`. A browser
//! asks for each of them once, and a sale's first minute is not spent on telling it that nothing has changed. Scripts name each
//! other relatively, so one version of them never loads half of another.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use data_encoding::HEXLOWER;
use rust_embed::EmbeddedFile;
use sha2::{Digest, Sha256};

use super::Web;

const FOLDER: &str = "assets/";

/// What the address of every asset of this program begins with: `v-` and a hash of all of them.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    let mut names: Vec<_> = names().collect();
    names.sort_unstable();
    for name in names {
        let Some(file) = get(&name) else { continue };
        hash.update(name.as_bytes());
        hash.update(file.metadata.sha256_hash());
    }
    format!("v-{}", HEXLOWER.encode(&hash.finalize()[..8]))
});

/// What all of them are called.
pub(super) fn names() -> impl Iterator<Item = String> {
    Web::iter().filter_map(|name| Some(name.strip_prefix(FOLDER)?.to_owned()))
}

/// The one of that name.
pub(super) fn get(name: &str) -> Option<EmbeddedFile> {
    Web::get(&format!("{FOLDER}{name}"))
}

/// What it says, if it is a script or a style.
pub(super) fn text(name: &str) -> Option<String> {
    super::text(&format!("{FOLDER}{name}"))
}

/// A page that names its assets by their version.
pub(super) fn versioned(html: &str) -> String {
    html.replace("\"/assets/", &format!("\"/assets/{}/", *VERSION))
}

/// The file's name without its version, and how long it may be kept: for good under the version of this program. During an
/// upgrade pages of one server ask another for a version that it does not have; they get what there is, and keep it for no time.
pub(super) fn unversioned(path: &str) -> (&str, HeaderMap) {
    let (version, name) = match path.split_once('/') {
        Some((version, name)) if version.starts_with("v-") => (Some(version), name),
        _ => (None, path),
    };
    (name, lifetime(version == Some(VERSION.as_str()), cfg!(debug_assertions)))
}

/// Debug builds read the files from the disk, where they change under the same version.
fn lifetime(current: bool, editable: bool) -> HeaderMap {
    let value = if current && !editable { "public, max-age=31536000, immutable" } else { "no-cache" };
    HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(value))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_changes_is_kept_for_good() {
        let kept = |current, editable| lifetime(current, editable)[header::CACHE_CONTROL].to_str().unwrap().to_owned();
        assert_eq!(kept(true, false), "public, max-age=31536000, immutable");
        assert_eq!([kept(true, true), kept(false, false), kept(false, true)], ["no-cache"; 3]);
    }

    #[test]
    fn a_version_is_taken_off_and_nothing_else() {
        let path = format!("{}/page.js", *VERSION);
        assert_eq!(unversioned(&path).0, "page.js");
        assert_eq!(unversioned("v-of-another-server/page.js").0, "page.js");
        assert_eq!(unversioned("page.js").0, "page.js");
        assert_eq!(unversioned("folder/page.js").0, "folder/page.js");
        assert_eq!(unversioned("v-1/../secret").0, "../secret");
        assert_eq!(versioned(r#"<a href="/assets/a.css">"#), format!(r#"<a href="/assets/{}/a.css">"#, *VERSION));
    }
}
