//! Codes in a picture of a camera, for doors whose browser cannot find them itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use rqrr::PreparedImage;

use crate::problem::{Problem, Result};

/// Pixels on a side: as many as a body of the default limit can take.
const LEAST: u32 = 32;
const MOST: u32 = 288;

/// A square of grey pixels, sixteen shades each.
#[derive(Clone)]
pub(super) struct Picture {
    side: usize,
    /// Two pixels a byte, the left one in the upper half, rows from the top.
    pixels: Vec<u8>,
}

impl Picture {
    /// Reads what a browser sends.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`](crate::problem::Code::InvalidValue), naming the field and what is allowed.
    pub(super) fn new(side: u32, pixels: &str) -> Result<Self> {
        if !(LEAST..=MOST).contains(&side) || !side.is_multiple_of(2) {
            let detail = format!("`side` is an even number from {LEAST} to {MOST}.");
            return Err(Problem::invalid("side", detail));
        }
        let side = side as usize;
        let bytes = side * side / 2;
        let pixels = STANDARD.decode(pixels).ok().filter(|pixels| pixels.len() == bytes);
        let detail =
            || format!("`pixels` are {bytes} bytes in Base64: two pixels each, the left one in the upper half.");
        Ok(Self { side, pixels: pixels.ok_or_else(|| Problem::invalid("pixels", detail()))? })
    }

    fn shade(&self, x: usize, y: usize) -> u8 {
        let at = y * self.side + x;
        let pair = self.pixels.get(at / 2).copied().unwrap_or_default();
        // Sixteen shades over the whole range.
        (if at.is_multiple_of(2) { pair >> 4 } else { pair & 15 }) * 17
    }

    /// The texts of the QR codes in it that can be read.
    pub(super) fn codes(&self) -> Vec<String> {
        let mut image = PreparedImage::prepare_from_greyscale(self.side, self.side, |x, y| self.shade(x, y));
        image.detect_grids().iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect()
    }
}

#[cfg(test)]
mod tests {
    use fast_qr::{ECL, QRBuilder};

    use super::*;

    const CODE: &str = "N1ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST";

    /// A code in the middle of a grey picture, `module` pixels for each of its own, darker than the light of a bad lamp.
    fn drawn(side: usize, module: usize) -> String {
        let code = QRBuilder::new(CODE).ecl(ECL::M).build().unwrap();
        let from = (side - (code.size + 8) * module) / 2;
        let shade = |x: usize, y: usize| {
            let inside = |at: usize| at.checked_sub(from).map(|at| at / module).filter(|at| *at < code.size + 8);
            match (inside(x), inside(y)) {
                (Some(x), Some(y)) => {
                    let in_code = |at: usize| (4..code.size + 4).contains(&at);
                    let dark = in_code(x) && in_code(y) && code[y - 4][x - 4].value();
                    if dark { 3 } else { 12 }
                }
                _ => 7,
            }
        };
        let pixels = (0..side * side / 2).map(|pair| {
            let (x, y) = (pair * 2 % side, pair * 2 / side);
            (shade(x, y) << 4) | shade(x + 1, y)
        });
        STANDARD.encode(pixels.collect::<Vec<u8>>())
    }

    #[test]
    fn a_code_is_found_and_a_wall_is_none() {
        for (side, module) in [(288, 7), (288, 4), (160, 4)] {
            let picture = Picture::new(u32::try_from(side).unwrap(), &drawn(side, module)).unwrap();
            assert_eq!(picture.codes(), [CODE], "{side} {module}");
        }
        let wall = Picture::new(64, &STANDARD.encode([0x77; 2_048])).unwrap();
        assert_eq!(wall.codes(), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_field() {
        let good = STANDARD.encode([0; 512]);
        for (side, pixels) in
            [(30, &*good), (33, &good), (290, &good), (u32::MAX, &good), (34, &good), (32, ""), (32, "!")]
        {
            assert!(Picture::new(side, pixels).is_err(), "{side}");
        }
        assert!(Picture::new(32, &good).is_ok());
    }
}
