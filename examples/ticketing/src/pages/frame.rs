//! One frame for all pages: `web/frame.html` has what they share, a file of `web/pages` what one of them has for itself.
//!
//! That file begins with lines that say `name: value`. `styles` come after the common ones, in this order; `class` is the body's,
//! if it is another than `page-` and the page's name; `frame: bare` leaves out the shop's header and footer. After an empty line
//! stands what `main` shows until the page's script has something better.

use thiserror::Error;

use super::{assets, modules, text};

const FRAME: &str = "frame.html";
const TOP: &str = "<header class=\"top\" id=\"top\"></header>\n";
const FOOT: &str = "<footer class=\"foot\" id=\"foot\"></footer>\n";

/// Why a page cannot be put together. All but the first are mistakes in the `web` folder, and tests find them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum PageError {
    #[error("there is no page {0}")]
    Missing(String),
    #[error("the page {page} says {line:?}: write `styles: NAME NAME`, `class: NAME` or `frame: bare`, each once")]
    Line { page: String, line: String },
    #[error("the page {0} does not say its styles: write `styles:`, with nothing behind it if it has none")]
    Styles(String),
    #[error("the page {page} needs {file}, which is not there")]
    File { page: String, file: String },
}

/// What a page says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Description<'a> {
    styles: Vec<&'a str>,
    class: Option<&'a str>,
    bare: bool,
    main: &'a str,
}

impl<'a> Description<'a> {
    fn read(page: &str, file: &'a str) -> Result<Self, PageError> {
        let (head, main) = file.split_once("\n\n").unwrap_or((file, ""));
        let (mut styles, mut class, mut bare) = (None, None, false);
        for line in head.lines() {
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("styles", names)) if styles.is_none() => styles = Some(names.split_whitespace().collect()),
                Some(("class", name)) if class.is_none() && !name.is_empty() => class = Some(name),
                Some(("frame", "bare")) if !bare => bare = true,
                _ => return Err(PageError::Line { page: page.to_owned(), line: line.to_owned() }),
            }
        }
        let styles = styles.ok_or_else(|| PageError::Styles(page.to_owned()))?;
        Ok(Self { styles, class, bare, main })
    }
}

/// A page in its frame. It asks for its styles, for everything that its script will import, and for its script.
pub(super) fn html(page: &str) -> Result<String, PageError> {
    let lost = |file: String| PageError::File { page: page.to_owned(), file };
    let file = text(&format!("pages/{page}.html")).ok_or_else(|| PageError::Missing(page.to_owned()))?;
    let Description { styles, class, bare, main } = Description::read(page, &file)?;

    let mut links = String::new();
    for style in styles {
        let style = format!("{style}.css");
        assets::text(&style).ok_or_else(|| lost(style.clone()))?;
        links += &format!("<link rel=\"stylesheet\" href=\"/assets/{style}\">\n");
    }
    let script = format!("page-{page}.js");
    for module in modules::imported(&script, assets::text).map_err(lost)? {
        links += &format!("<link rel=\"modulepreload\" href=\"/assets/{module}\">\n");
    }
    links += &format!("<script type=\"module\" src=\"/assets/{script}\"></script>\n");

    let class = class.map_or_else(|| format!("page-{page}"), str::to_owned);
    let (top, foot) = if bare { ("", "") } else { (TOP, FOOT) };
    let frame = text(FRAME).ok_or_else(|| lost(FRAME.to_owned()))?;
    let places =
        [("{links}\n", links.as_str()), ("{class}", &class), ("{top}\n", top), ("{foot}\n", foot), ("{main}\n", main)];
    Ok(places.into_iter().fold(frame, |html, (place, what)| html.replace(place, what)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::names, *};

    #[test]
    fn every_page_can_be_put_together_and_nothing_lies_about() {
        let mut asked = BTreeSet::new();
        for page in names() {
            let html = html(&page).unwrap_or_else(|wrong| panic!("{wrong}"));
            assert!(!html.contains('{'), "{page}: {html}");
            asked.extend(html.split("\"/assets/").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
        // Of the page that explains problems, which is not one of these.
        asked.insert("problems.css".to_owned());
        let there: BTreeSet<_> = assets::names().collect();
        assert_eq!(asked, there);
    }

    #[test]
    fn a_page_says_what_differs() {
        let read = |file| Description::read("it", file);
        let whole = "styles: forms desk\nclass: page-desk\nframe: bare\n\n<p></p>\n\n<p></p>\n";
        let (styles, class) = (vec!["forms", "desk"], Some("page-desk"));
        assert_eq!(read(whole), Ok(Description { styles, class, bare: true, main: "<p></p>\n\n<p></p>\n" }));
        assert_eq!(read("styles:\n"), Ok(Description { styles: vec![], class: None, bare: false, main: "" }));
        for wrong in ["styles: a\nstyles: b", "styles:\nstyle: a", "styles:\nframe: none", "styles:\nclass:", "<p></p>"]
        {
            assert!(matches!(read(wrong), Err(PageError::Line { .. })), "{wrong}");
        }
        assert_eq!(read("class: it\n\n<p></p>\n"), Err(PageError::Styles("it".to_owned())));
        assert_eq!(html("nowhere"), Err(PageError::Missing("nowhere".to_owned())));
    }

    #[test]
    fn only_the_pages_of_the_shop_have_its_header() {
        let bare: Vec<_> = names().filter(|page| !html(page).unwrap().contains(TOP)).collect();
        assert_eq!(bare, ["mock-pay"]);
        assert!(!html("mock-pay").unwrap().contains(FOOT));
    }
}
