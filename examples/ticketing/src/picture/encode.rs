//! From what somebody sent to files that hold a picture and nothing else.

use std::io::Cursor;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Rgb, RgbImage, codecs::jpeg::JpegEncoder,
    error::LimitErrorKind, imageops::FilterType, metadata::Orientation,
};
use thiserror::Error;

use super::domain::{Picture, Size};
use crate::problem::{Code, Problem};

/// A card on a phone, a card on a fine screen, the page of a show.
const WIDTHS: [u32; 3] = [480, 960, 1_600];
/// Least pixels on a side: less looks bad everywhere.
const LEAST: u32 = 200;
/// Most pixels on a side, however few there are in all.
const SIDE: u32 = 16_384;
/// Fine for posters; more costs buyers time and shows them nothing.
const QUALITY: u8 = 82;

/// Why a picture cannot be taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is something else.
    #[error("Send a picture as JPEG, PNG or WebP.")]
    Kind,
    /// It cannot be read to its end.
    #[error("The picture cannot be read: it is damaged or not complete.")]
    Damaged,
    /// It is too large.
    #[error("A picture has at most {limit} pixels in all, and {SIDE} on a side.")]
    Pixels {
        /// Most in all.
        limit: u32,
    },
    /// It is too small.
    #[error("A picture has at least {LEAST} pixels on each side.")]
    Small,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Damaged => "damaged",
            Self::Pixels { .. } => "pixels",
            Self::Small => "small",
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(Code::PictureRefused, refusal.to_string()).with("reason", refusal.reason());
        match refusal {
            Refusal::Pixels { limit } => problem.with("limit", limit),
            Refusal::Small => problem.with("least", LEAST),
            Refusal::Kind | Refusal::Damaged => problem,
        }
    }
}

/// A picture and the content of its files, in the order of its sizes.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) picture: Picture,
    pub(super) files: Vec<Bytes>,
}

/// Reads a picture of at most so many pixels, upright, and writes it anew in each width that it has pixels for.
pub(super) fn encode(bytes: &[u8], most_pixels: u32) -> Result<Encoded, Refusal> {
    let mut image = decode(bytes, most_pixels)?;
    let widest = image.width().min(WIDTHS[2]);
    let mut widths: Vec<u32> = WIDTHS.into_iter().filter(|width| *width < widest).collect();
    widths.push(widest);
    let mut files = Vec::with_capacity(widths.len());
    // The widest first: each of the others is made from the one before.
    for width in widths.into_iter().rev() {
        let size = Size { width, height: height(&image, width) };
        if size.width != image.width() {
            image = image.resize_exact(size.width, size.height, FilterType::Lanczos3);
        }
        let mut file = Vec::new();
        // Of 200 to 16,384 pixels on a side: nothing that a JPEG could not have.
        image.write_with_encoder(JpegEncoder::new_with_quality(&mut file, QUALITY)).map_err(|_| Refusal::Damaged)?;
        files.push((size, Bytes::from(file)));
    }
    files.reverse();
    let mut digest = Context::new(&SHA256);
    files.iter().for_each(|(_, file)| digest.update(file));
    let (sizes, files) = files.into_iter().unzip();
    Ok(Encoded { picture: Picture::new(digest.finish().as_ref(), sizes), files })
}

/// As high as it is now, in proportion.
fn height(image: &DynamicImage, width: u32) -> u32 {
    let (old, high) = (u64::from(image.width().max(1)), u64::from(image.height()));
    u32::try_from((high * u64::from(width) + old / 2) / old).unwrap_or(u32::MAX).max(1)
}

fn decode(bytes: &[u8], most_pixels: u32) -> Result<DynamicImage, Refusal> {
    // What it is says the content, not whoever sends it.
    let format = image::guess_format(bytes).map_err(|_| Refusal::Kind)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) {
        return Err(Refusal::Kind);
    }
    let too_many = Refusal::Pixels { limit: most_pixels };
    let refused = |error: ImageError| match error {
        ImageError::Limits(limits) if !matches!(limits.kind(), LimitErrorKind::Unsupported { .. }) => too_many,
        _ => Refusal::Damaged,
    };
    let mut limits = image::Limits::no_limits();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE), Some(SIDE));
    // Sixteen bits in each of four channels, and what the decoder needs for itself.
    limits.max_alloc = Some(u64::from(most_pixels) * 8 + (64 << 20));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    // Of this much only the head is read.
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > u64::from(most_pixels) {
        return Err(too_many);
    }
    if width.min(height) < LEAST {
        return Err(Refusal::Small);
    }
    if format == ImageFormat::Jpeg && !has_end(bytes) {
        return Err(Refusal::Damaged);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    Ok(opaque(image))
}

/// Whether a JPEG's last scan ends: the decoder would fill what is missing with grey.
fn has_end(bytes: &[u8]) -> bool {
    // A thumbnail among the metadata has an end of its own: only what comes after the first scan counts.
    let mut at = 2;
    loop {
        let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) else { return false };
        match marker {
            0xda => break,
            // Filled up with the byte that markers begin with.
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
        }
    }
    bytes.get(at..).unwrap_or_default().windows(2).any(|pair| pair == [0xff, 0xd9])
}

/// On white, where it can be seen through.
fn opaque(image: DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return DynamicImage::ImageRgb8(image.into_rgb8());
    }
    let image = image.into_rgba8();
    let mut on_white = RgbImage::new(image.width(), image.height());
    for (from, to) in image.pixels().zip(on_white.pixels_mut()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let mixed = [red, green, blue].map(|shade| (shade * alpha + 255 * (255 - alpha) + 127) / 255);
        *to = Rgb(mixed.map(|shade| u8::try_from(shade).unwrap_or(u8::MAX)));
    }
    DynamicImage::ImageRgb8(on_white)
}

#[cfg(test)]
mod tests;
