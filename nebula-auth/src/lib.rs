//! Passwords (argon2id), strictly verified access tokens and rotating refresh tokens, with an axum extractor
