//! `/problems`: every code of the interface, for people. The `type` of a problem points into this page.

use std::fmt::Write;

use axum::response::Html;

use crate::problem::Code;

pub(super) async fn page() -> Html<String> {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Problem codes</title>\n\
         <link rel=\"icon\" href=\"/assets/favicon.svg\" type=\"image/svg+xml\">\n\
         <link rel=\"stylesheet\" href=\"/assets/base.css\">\n\
         <link rel=\"stylesheet\" href=\"/assets/problems.css\">\n</head>\n<body>\n<main>\n<h1>Problem codes</h1>\n\
         <p>Refusals and failures are answered as <code>application/problem+json</code> (RFC 9457). Programs decide by \
         <code>code</code>; codes are never renamed.</p>\n<dl>\n",
    );
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        let help = escape(code.help().trim());
        let title = escape(code.title());
        // Writing into a String cannot fail.
        let _infallible = writeln!(
            html,
            "<dt id=\"{name}\"><a href=\"#{name}\"><code>{name}</code></a> <span>{status}</span> {title}</dt>\n<dd>{help}</dd>"
        );
    }
    html.push_str("</dl>\n</main>\n</body>\n</html>\n");
    Html(html)
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // The texts mark code as in documentation comments.
    let mut html = String::with_capacity(text.len());
    for (index, part) in text.split('`').enumerate() {
        html.push_str(match index {
            0 => "",
            n if n % 2 == 1 => "<code>",
            _ => "</code>",
        });
        html.push_str(part);
    }
    html
}
