//! What a picture is called, and what buyers are told of it.

use std::{
    borrow::Cow,
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use nebula_cache::CacheKey;
use serde::Serialize;

/// Digits of a SHA-256.
const DIGITS: usize = 64;
/// What the address of every file begins with.
const ADDRESS: &str = "/pictures/";
const ENDING: &str = ".jpg";

/// Pixels of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A picture in several widths. Its text, `digest:480x360,960x720`, is its name in the database: whoever has it knows all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    digest: String,
    /// The narrowest first.
    sizes: Vec<Size>,
}

/// The name of a file: `digest-480.jpg`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileName(String);

/// A show's picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Poster {
    /// What it shows, for those who cannot see it.
    pub alt: String,
    /// The same in Chinese.
    pub alt_zh: String,
    /// The same picture in several widths, the narrowest first. What is at an address never changes.
    pub files: Vec<PosterFile>,
}

/// A picture in one width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PosterFile {
    /// Where it is, on this server.
    pub url: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// That is no picture's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPicture;

impl Picture {
    pub(super) fn new(digest: &[u8], sizes: Vec<Size>) -> Self {
        Self { digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(), sizes }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    pub(super) fn file(&self, size: Size) -> FileName {
        FileName(format!("{}-{}{ENDING}", self.digest, size.width))
    }

    pub(super) fn files(&self) -> impl Iterator<Item = FileName> + '_ {
        self.sizes.iter().map(|size| self.file(*size))
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.digest)?;
        for (place, Size { width, height }) in self.sizes.iter().enumerate() {
            write!(f, "{}{width}x{height}", if place == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

impl FromStr for Picture {
    type Err = NoPicture;

    fn from_str(text: &str) -> Result<Self, NoPicture> {
        let size = |text: &str| {
            let (width, height) = text.split_once('x')?;
            Some(Size { width: width.parse().ok()?, height: height.parse().ok()? })
        };
        let (digest, sizes) = text.split_once(':').filter(|(digest, _)| is_digest(digest)).ok_or(NoPicture)?;
        let sizes = sizes.split(',').map(size).collect::<Option<_>>().ok_or(NoPicture)?;
        Ok(Self { digest: digest.to_owned(), sizes })
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl FileName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Without its ending: what it holds has no other name.
    pub(super) fn tag(&self) -> String {
        format!("\"{}\"", self.0.trim_end_matches(ENDING))
    }
}

impl CacheKey for FileName {
    fn key_bytes(&self) -> Cow<'_, [u8]> {
        self.0.as_bytes().into()
    }
}

impl FromStr for FileName {
    type Err = NoPicture;

    fn from_str(text: &str) -> Result<Self, NoPicture> {
        let (digest, width) = text.strip_suffix(ENDING).and_then(|name| name.split_once('-')).ok_or(NoPicture)?;
        let is_width = (1..=5).contains(&width.len()) && width.bytes().all(|byte| byte.is_ascii_digit());
        if is_width && is_digest(digest) { Ok(Self(text.to_owned())) } else { Err(NoPicture) }
    }
}

/// Whether a file of this name is one of a picture.
pub(crate) fn is_file(name: &str) -> bool {
    name.parse::<FileName>().is_ok()
}

/// The files of pictures in a folder; none, if there is no such folder.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let is_ours = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(is_file);
    Ok(paths.into_iter().filter(is_ours).collect())
}

impl Poster {
    /// Of the show with this picture. A name that is none is none.
    #[must_use]
    pub fn read(picture: Option<&str>, alt: &str, alt_zh: &str) -> Option<Self> {
        let picture: Picture = picture?.parse().ok()?;
        let file = |size: &Size| PosterFile {
            url: format!("{ADDRESS}{}", picture.file(*size).as_str()),
            width: size.width,
            height: size.height,
        };
        let files = picture.sizes.iter().map(file).collect();
        Some(Self { alt: alt.to_owned(), alt_zh: alt_zh.to_owned(), files })
    }

    /// What nobody has described is called by the show's name.
    #[must_use]
    pub fn or_named(mut self, title: &str, title_zh: &str) -> Self {
        for (text, name) in [(&mut self.alt, title), (&mut self.alt_zh, title_zh)] {
            if text.is_empty() {
                name.clone_into(text);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_all_files_are_and_nothing_else_is_a_name() {
        let sizes = [(480, 360), (800, 600)].map(|(width, height)| Size { width, height });
        let picture = Picture::new(&[0xab; 32], sizes.to_vec());
        let digest = "ab".repeat(32);
        assert_eq!(picture.to_string(), format!("{digest}:480x360,800x600"));
        assert_eq!(picture.to_string().parse(), Ok(picture.clone()));
        let names: Vec<_> = picture.files().map(|file| file.as_str().to_owned()).collect();
        assert_eq!(names, [format!("{digest}-480.jpg"), format!("{digest}-800.jpg")]);
        assert!(names.iter().all(|name| is_file(name)));
        for name in ["", "x", "../../etc/passwd", &format!("{digest}.jpg"), &format!("{digest}-480.png"), &digest] {
            assert!(!is_file(name), "{name}");
            assert_eq!(name.parse::<Picture>(), Err(NoPicture), "{name}");
        }
        for wrong in
            [format!("{digest}-480.jpg/.."), format!("{}-1.jpg", digest.to_uppercase()), format!("{digest}-.jpg")]
        {
            assert!(!is_file(&wrong), "{wrong}");
        }
    }

    #[test]
    fn what_nobody_described_is_called_by_the_shows_name() {
        let name = format!("{}:480x360", "0".repeat(64));
        let poster = Poster::read(Some(&name), "", "一架钢琴").unwrap().or_named("Piano", "钢琴");
        assert_eq!((poster.alt.as_str(), poster.alt_zh.as_str()), ("Piano", "一架钢琴"));
        assert_eq!(poster.files[0].url, format!("/pictures/{}-480.jpg", "0".repeat(64)));
        assert_eq!(Poster::read(None, "", ""), None);
        assert_eq!(Poster::read(Some("nonsense"), "", ""), None);
    }
}
