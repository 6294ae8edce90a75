//! QR codes as SVG, drawn here: no page asks anybody else for one.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder};

/// Light modules around the code, as its standard asks for.
const QUIET: usize = 4;

/// The code of a text, black on white: scanners want it so on dark pages as well. `None` when the text is too long for one.
#[must_use]
pub fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let side = code.size + 2 * QUIET;
    let mut path = String::new();
    for y in 0..code.size {
        let mut x = 0;
        while x < code.size {
            let run = (x..code.size).take_while(|&x| code[y][x].value()).count();
            if run > 0 {
                // Writing into a String cannot fail.
                let _infallible = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners_and_no_text_of_its_own() {
        let drawn = svg("N1ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST").unwrap();
        // Version 3: 29 modules and the margin.
        assert!(drawn.contains("viewBox=\"0 0 37 37\""), "{drawn}");
        for corner in ["M4 4h7v1h-7z", "M26 4h7v1h-7z", "M4 26h7v1h-7z"] {
            assert!(drawn.contains(corner), "{corner}: {drawn}");
        }
        assert_ne!(drawn, svg("another").unwrap());
        let hostile = svg("<script>\"'&").unwrap();
        assert!(!hostile.contains("script"), "{hostile}");
        assert_eq!(svg(&"x".repeat(8_000)), None);
    }
}
