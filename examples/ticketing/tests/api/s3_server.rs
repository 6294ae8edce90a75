//! A store that speaks the language of S3, in this process: files in a folder, and every request's signature is checked.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part of this")]

use std::path::{Path, PathBuf};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tower::ServiceExt;

pub struct S3Server {
    port: u16,
    serving: JoinHandle<()>,
    root: TempDir,
}

impl S3Server {
    pub const BUCKET: &str = "pictures";
    pub const KEY: &str = "AKIATESTSOFTICKETING";

    pub async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(Self::BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(Self::KEY, SECRET));
        let service = builder.build();
        let answer = move |request: Request| {
            let service = service.clone();
            async move {
                let answered = service.oneshot(request).await;
                answered.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), Response::into_response)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
        Self { port, serving, root }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn secret(&self) -> &'static str {
        SECRET
    }

    /// Where the bucket's objects lie.
    pub fn folder(&self) -> PathBuf {
        Path::join(self.root.path(), Self::BUCKET)
    }
}

/// What requests are signed with.
const SECRET: &str = "the key that every request is signed with";

impl Drop for S3Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
