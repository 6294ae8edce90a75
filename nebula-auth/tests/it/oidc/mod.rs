//! Keys and logins of others, over HTTP, from servers in this process.

mod keys;
mod login;
mod provider;

use axum::Router;

/// Serves on a port of its own, and returns the address.
async fn serve(make: impl FnOnce(&str) -> Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = make(&url);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
