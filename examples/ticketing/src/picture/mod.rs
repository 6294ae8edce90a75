//! Pictures that merchants give their shows.
//!
//! Whatever is uploaded is decoded and encoded anew, in up to three widths: nothing else that was in the file gets out. What comes of it is
//! kept in a store of files, a folder or a bucket, under a hash of its own content, so that an address never changes its meaning. The database
//! knows which pictures there are, and shows name theirs; what no show names any more is removed after a while.

mod config;
mod domain;
mod encode;
mod http;
mod job;
mod records;
mod service;
mod store;
mod studio;

pub(crate) use self::domain::{files, is_file};
pub use self::{
    config::{PictureConfig, S3Config},
    domain::{Poster, PosterFile},
    http::routes,
    service::{Kept, Pictures, let_go},
};
