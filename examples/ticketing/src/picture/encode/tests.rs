//! Pictures as people and other programs send them.

use image::{ExtendedColorType, GrayImage, ImageEncoder, Rgba, RgbaImage, codecs::png::PngEncoder};

use super::*;

const MOST: u32 = 1_000_000;
const RED: [u8; 3] = [220, 30, 30];
const BLUE: [u8; 3] = [30, 30, 220];

/// The left half red, the right one blue.
fn halves(width: u32, height: u32) -> DynamicImage {
    let shade = |x: u32| if x < width / 2 { RED } else { BLUE };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, _| Rgb(shade(x))))
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG whose Exif says how it is to be turned, and where it was taken.
fn with_exif(image: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    exif.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0]);
    exif.extend(b"\0\0\0\0GPS 31.2304 N 121.4737 E");
    let jpeg = written(image, ImageFormat::Jpeg);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn sizes(encoded: &Encoded) -> Vec<(u32, u32)> {
    encoded.picture.sizes().iter().map(|size| (size.width, size.height)).collect()
}

fn read(file: &Bytes) -> RgbImage {
    image::load_from_memory_with_format(file, ImageFormat::Jpeg).unwrap().into_rgb8()
}

fn looks(image: &RgbImage, x: u32, y: u32, shade: [u8; 3]) -> bool {
    image.get_pixel(x, y).0.iter().zip(shade).all(|(is, should)| is.abs_diff(should) < 25)
}

#[test]
fn each_kind_comes_out_as_jpeg_in_the_widths_that_it_has_pixels_for() {
    let image = halves(1_200, 600);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let encoded = encode(&written(&image, format), MOST).unwrap();
        assert_eq!(sizes(&encoded), [(480, 240), (960, 480), (1_200, 600)], "{format:?}");
        for (size, file) in encoded.picture.sizes().iter().zip(&encoded.files) {
            let image = read(file);
            assert_eq!((image.width(), image.height()), (size.width, size.height));
            assert!(looks(&image, 20, 20, RED) && looks(&image, size.width - 20, 20, BLUE), "{format:?}");
        }
        let again = encode(&written(&image, format), MOST).unwrap();
        assert_eq!((again.picture, again.files), (encoded.picture, encoded.files), "the same has the same name");
    }
    let small = encode(&written(&halves(300, 400), ImageFormat::Png), MOST).unwrap();
    assert_eq!(sizes(&small), [(300, 400)], "nothing is made larger");
    let exact = encode(&written(&halves(960, 480), ImageFormat::Png), MOST).unwrap();
    assert_eq!(sizes(&exact), [(480, 240), (960, 480)]);
    let large = encode(&written(&halves(2_000, 500), ImageFormat::Png), MOST).unwrap();
    assert_eq!(sizes(&large), [(480, 120), (960, 240), (1_600, 400)]);
}

#[test]
fn it_stands_upright_and_says_nothing_of_where_it_was_taken() {
    let sent = with_exif(&halves(600, 400), 6);
    assert!(sent.windows(3).any(|window| window == b"GPS"));
    let encoded = encode(&sent, MOST).unwrap();
    assert_eq!(sizes(&encoded), [(400, 600)], "turned by a quarter");
    // What was left is at the top.
    let image = read(&encoded.files[0]);
    assert!(looks(&image, 200, 100, RED) && looks(&image, 200, 500, BLUE));
    for file in &encoded.files {
        for word in [&b"Exif"[..], b"GPS", b"31.2304", b"http://ns.adobe.com"] {
            assert!(!file.windows(word.len()).any(|window| window == word), "{}", String::from_utf8_lossy(word));
        }
    }
    let mirrored = encode(&with_exif(&halves(600, 400), 2), MOST).unwrap();
    let image = read(&mirrored.files[1.min(mirrored.files.len() - 1)]);
    assert!(looks(&image, 20, 20, BLUE), "left and right are swapped");
}

#[test]
fn what_can_be_seen_through_lies_on_white_and_other_colours_are_taken() {
    let clear = RgbaImage::from_fn(400, 400, |x, _| if x < 200 { Rgba([0, 0, 0, 0]) } else { Rgba([0, 0, 0, 255]) });
    let encoded = encode(&written(&DynamicImage::ImageRgba8(clear), ImageFormat::Png), MOST).unwrap();
    let image = read(&encoded.files[0]);
    assert!(looks(&image, 50, 200, [255; 3]) && looks(&image, 350, 200, [0; 3]));
    let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(250, 250, image::Luma([90])));
    let deep = DynamicImage::ImageRgb16(halves(250, 250).into_rgb16());
    for (image, shade) in [(grey, [90; 3]), (deep, RED)] {
        let encoded = encode(&written(&image, ImageFormat::Png), MOST).unwrap();
        assert!(looks(&read(&encoded.files[0]), 50, 50, shade));
    }
}

#[test]
fn one_pixel_too_many_and_a_bomb_are_refused_before_they_are_unpacked() {
    let limit = 500 * 400;
    let refused = Refusal::Pixels { limit };
    assert_eq!(sizes(&encode(&written(&halves(500, 400), ImageFormat::Png), limit).unwrap()), [(480, 384), (500, 400)]);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(encode(&written(&halves(501, 400), format), limit).unwrap_err(), refused, "{format:?}");
    }
    // A few hundred kilobytes that would be 256 million pixels: nothing is made of them but a head and zeros.
    let side = 16_000;
    let mut bomb = Vec::new();
    let nothing = vec![0; 16_000 * 16_000 / 8];
    let encoder = PngEncoder::new_with_quality(
        &mut bomb,
        image::codecs::png::CompressionType::Fast,
        image::codecs::png::FilterType::NoFilter,
    );
    // One bit a pixel cannot be asked for; a narrow strip of bytes will do for the zeros, and the head is forged.
    encoder.write_image(&nothing, 16_000, 2_000, ExtendedColorType::L8).unwrap();
    forge(&mut bomb, side, side);
    assert!(bomb.len() < 400_000, "{}", bomb.len());
    assert_eq!(encode(&bomb, MOST).unwrap_err(), Refusal::Pixels { limit: MOST });
    // Few pixels in all, but a side that no file of ours could have.
    forge(&mut bomb, 40_000, 3);
    assert_eq!(encode(&bomb, MOST).unwrap_err(), Refusal::Pixels { limit: MOST });
    // And one whose head keeps the limit while the data would unpack to far more.
    forge(&mut bomb, 800, 800);
    assert!(matches!(encode(&bomb, MOST), Ok(_) | Err(Refusal::Damaged)));
}

/// Writes other dimensions into the head of a PNG.
fn forge(png: &mut [u8], width: u32, height: u32) {
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = u32::MAX;
    for byte in &png[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    png[29..33].copy_from_slice(&(!crc).to_be_bytes());
}

#[test]
fn what_is_cut_off_small_or_something_else_is_refused_with_its_reason() {
    let image = halves(640, 480);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let whole = written(&image, format);
        assert!(encode(&whole, MOST).is_ok());
        for kept in [whole.len() / 2, whole.len() * 9 / 10, 40] {
            assert_eq!(encode(&whole[..kept], MOST).unwrap_err(), Refusal::Damaged, "{format:?} {kept}");
        }
    }
    // The end of a thumbnail is not that of the picture.
    let cut = with_exif(&image, 1);
    let thumbnail = [&cut[..40], &[0xff, 0xd9], &cut[42..cut.len() / 2]].concat();
    assert_eq!(encode(&thumbnail, MOST).unwrap_err(), Refusal::Damaged);
    assert_eq!(encode(&written(&halves(640, 199), ImageFormat::Png), MOST).unwrap_err(), Refusal::Small);
    for other in [
        &b""[..],
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<script>alert(1)</script>",
        b"GIF89a\x01\0\x01\0\0\0\0;",
        b"%PDF-1.7",
    ] {
        assert_eq!(encode(other, MOST).unwrap_err(), Refusal::Kind, "{}", String::from_utf8_lossy(other));
    }
}
