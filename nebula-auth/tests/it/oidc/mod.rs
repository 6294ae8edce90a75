//! Keys and logins of others, over HTTP, from servers in this process.

mod keys;
mod login;
mod oauth;
