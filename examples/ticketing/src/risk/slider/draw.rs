//! Draws the picture with its gap, and the piece that was cut out of it.

use rand::RngExt as _;

pub(super) const WIDTH: u32 = 320;
pub(super) const HEIGHT: u32 = 160;
/// Width and height of the piece.
pub(super) const SIZE: u32 = 48;
/// Radius of the bumps of the piece.
const BUMP: i32 = 8;

/// Two pictures, as PNG.
pub(super) struct Pictures {
    pub(super) background: Vec<u8>,
    pub(super) piece: Vec<u8>,
}

/// Draws a fresh scene with the gap at this place.
pub(super) fn draw(x: u32, y: u32) -> Result<Pictures, png::EncodingError> {
    let scene = Scene::random();
    let decoy = Decoy::random(x);
    let mut background = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    let mut piece = Vec::with_capacity((SIZE * SIZE * 4) as usize);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let color = scene.color(column, row);
            let inside = shape(column, row, x, y);
            // A gap is darker; the decoy is a little darker too, so that looking for what is dark is not enough.
            let shade = if inside {
                90
            } else if decoy.covers(column, row) {
                150
            } else {
                256
            };
            background.extend(color.map(|part| scale(part, shade)));
        }
    }
    for row in 0..SIZE {
        for column in 0..SIZE {
            let color = scene.color(x + column, y + row);
            let inside = shape(x + column, y + row, x, y);
            let edge = inside
                && [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().any(|(dx, dy)| {
                    let (column, row) = (
                        x.saturating_add_signed(column.cast_signed() + dx),
                        y.saturating_add_signed(row.cast_signed() + dy),
                    );
                    !shape(column, row, x, y)
                });
            let color = if edge { [255, 255, 255] } else { color };
            piece.extend(color);
            piece.push(if inside { 255 } else { 0 });
        }
    }
    Ok(Pictures {
        background: encode(&background, WIDTH, HEIGHT, png::ColorType::Rgb)?,
        piece: encode(&piece, SIZE, SIZE, png::ColorType::Rgba)?,
    })
}

fn encode(pixels: &[u8], width: u32, height: u32, color: png::ColorType) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}

/// Whether a point belongs to the piece whose upper left corner is at (x, y): a square with bumps at its top and right, and a
/// bite at its left.
fn shape(column: u32, row: u32, x: u32, y: u32) -> bool {
    let size = SIZE.cast_signed();
    let (dx, dy) = (column.cast_signed() - x.cast_signed(), row.cast_signed() - y.cast_signed());
    if !(0..size).contains(&dx) || !(0..size).contains(&dy) {
        return false;
    }
    let round = |cx: i32, cy: i32| (dx - cx).pow(2) + (dy - cy).pow(2) < BUMP.pow(2);
    let (left, right, top, bottom) = (0, size - BUMP, BUMP, size);
    let body = (left..right).contains(&dx) && (top..bottom).contains(&dy);
    let (middle_x, middle_y) = (right / 2, (top + bottom) / 2);
    (body && !round(left, middle_y)) || round(middle_x, top) || round(right, middle_y)
}

/// A disc that is no gap.
struct Decoy {
    x: i32,
    y: i32,
}

impl Decoy {
    /// Beside the gap, at any height.
    fn random(x: u32) -> Self {
        let mut random = rand::rng();
        let (low, high) = if x > WIDTH / 2 { (20, x - SIZE / 2) } else { (x + SIZE + 20, WIDTH - 20) };
        Self { x: random.random_range(low..high).cast_signed(), y: random.random_range(24..HEIGHT - 24).cast_signed() }
    }

    fn covers(&self, column: u32, row: u32) -> bool {
        (column.cast_signed() - self.x).pow(2) + (row.cast_signed() - self.y).pow(2) < 18_i32.pow(2)
    }
}

/// A sky with hills and discs, in colours by chance.
struct Scene {
    sky: [[u8; 3]; 2],
    hills: [(f32, f32, f32, [u8; 3]); 3],
    discs: [(i32, i32, i32, [u8; 3]); 7],
}

impl Scene {
    fn random() -> Self {
        let mut random = rand::rng();
        let mut color = |low: u8, high: u8| [(); 3].map(|()| random.random_range(low..high));
        let sky = [color(120, 240), color(120, 240)];
        let hills = [color(60, 200), color(60, 180), color(60, 160)];
        let discs = [(); 7].map(|()| color(90, 255));
        let mut random = rand::rng();
        Self {
            sky,
            hills: hills.map(|color| {
                (random.random_range(0.0..6.3), random.random_range(0.01..0.04), random.random_range(12.0..34.0), color)
            }),
            discs: discs.map(|color| {
                let (x, y) = (random.random_range(0..WIDTH), random.random_range(0..HEIGHT));
                (x.cast_signed(), y.cast_signed(), random.random_range(6..22), color)
            }),
        }
    }

    fn color(&self, column: u32, row: u32) -> [u8; 3] {
        let (x, y) = (column.cast_signed(), row.cast_signed());
        let mut color = [0, 1, 2].map(|part| {
            let (from, to) = (u32::from(self.sky[0][part]), u32::from(self.sky[1][part]));
            u8::try_from((from * (HEIGHT - row) + to * row) / HEIGHT).unwrap_or(u8::MAX)
        });
        for (cx, cy, radius, disc) in self.discs {
            if (x - cx).pow(2) + (y - cy).pow(2) < radius.pow(2) {
                color = disc;
            }
        }
        for (index, (phase, pace, height, hill)) in (0_u16..).zip(self.hills) {
            #[allow(clippy::cast_precision_loss, reason = "pixels of a small picture")]
            let (x, y) = (column as f32, row as f32);
            let line = f32::from(index).mul_add(22.0, 80.0) + (x.mul_add(pace, phase)).sin() * height;
            if y > line {
                color = hill;
            }
        }
        color
    }
}

fn scale(part: u8, of_256: u32) -> u8 {
    u8::try_from(u32::from(part) * of_256 / 256).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(bytes: &[u8]) -> (png::OutputInfo, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        (reader.next_frame(&mut pixels).unwrap(), pixels)
    }

    #[test]
    fn the_piece_fits_the_gap_and_nothing_else_tells_where_it_is() {
        let (x, y) = (200, 60);
        let pictures = draw(x, y).unwrap();
        let ((background, back), (piece, cut)) = (pixels(&pictures.background), pixels(&pictures.piece));
        assert_eq!((background.width, background.height, piece.width, piece.height), (WIDTH, HEIGHT, SIZE, SIZE));
        let mut matched = 0;
        for row in 0..SIZE {
            for column in 0..SIZE {
                let at = ((row * SIZE + column) * 4) as usize;
                let white = cut[at..at + 3] == [255; 3];
                if cut[at + 3] == 0 || white {
                    continue;
                }
                let behind = (((y + row) * WIDTH + x + column) * 3) as usize;
                let shaded: Vec<u8> = cut[at..at + 3].iter().map(|part| scale(*part, 90)).collect();
                assert_eq!(back[behind..behind + 3], shaded[..], "{column} {row}");
                matched += 1;
            }
        }
        assert!(matched > 1_000, "{matched}");
        // No two are alike.
        assert_ne!(pictures.background, draw(x, y).unwrap().background);
        // No text of the files names the place: there is nothing in them but the picture.
        assert!(pictures.background.len() < 120_000, "{}", pictures.background.len());
    }
}
