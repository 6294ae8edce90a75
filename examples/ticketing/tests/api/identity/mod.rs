//! People by their documents: whose an account is, whom buyers buy for, and what an authority says of them.

mod authority;
mod mine;
mod orders;
mod refused;
