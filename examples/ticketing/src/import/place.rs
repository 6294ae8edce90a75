//! Where something stands in a JSON document, written out only when there is something to say about it.

use std::fmt;

/// A place; cheap to extend on the way down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(super) const ROOT: Place<'static> = Place { parent: None, step: Step::Root };

    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// The same with `[*]` for each index: what all elements of a list have in common.
    pub(super) fn pattern(&self) -> String {
        let mut text = self.parent.map(Place::pattern).unwrap_or_default();
        match self.step {
            Step::Index(_) => text.push_str("[*]"),
            step => text.push_str(&step.to_string()),
        }
        text
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        match self {
            Self::Root => f.write_str("$"),
            Self::Key(key) if !key.is_empty() && key.chars().all(plain) => write!(f, ".{key}"),
            Self::Key(key) => write!(f, "[{key:?}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        self.step.fmt(f)
    }
}
