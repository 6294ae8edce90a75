//! The servers that one URL names.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

/// The URLs of the servers that a URL names as libpq's do, `postgres://user:password@one:5432,two:5432/database`: the same
/// but for the host.
///
/// # Errors
///
/// When it is no URL, or asks for something else than a server that takes writes.
pub(crate) fn each(url: &str) -> Result<Vec<String>, sqlx::Error> {
    let url = without_target(url)?;
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let hosts = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    Ok(url[hosts..end].split(',').map(|host| format!("{}{host}{}", &url[..hosts], &url[end..])).collect())
}

/// How to connect to each of them.
pub(super) fn options(url: &SecretString) -> Result<Vec<PgConnectOptions>, sqlx::Error> {
    each(url.expose_secret())?.iter().map(|url| PgConnectOptions::from_str(url)).collect()
}

/// The platform always wants the server that takes writes; that an address says so as well is no mistake.
fn without_target(url: &str) -> Result<String, sqlx::Error> {
    let Some((head, query)) = url.split_once('?') else { return Ok(url.to_owned()) };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("target_session_attrs", "read-write" | "primary")) => {}
            Some(("target_session_attrs", _)) => {
                return Err(sqlx::Error::Configuration("target_session_attrs can only be read-write".into()));
            }
            _ => kept.push(pair),
        }
    }
    Ok(if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_several_servers() {
        for (url, servers) in [
            ("postgres://u:p@one/d", &["postgres://u:p@one/d"][..]),
            ("postgres://one:1,two:2", &["postgres://one:1", "postgres://two:2"]),
            (
                "postgres://u:p%2C%40@one:1,[::1]:2,three/d?sslmode=require&target_session_attrs=read-write",
                &[
                    "postgres://u:p%2C%40@one:1/d?sslmode=require",
                    "postgres://u:p%2C%40@[::1]:2/d?sslmode=require",
                    "postgres://u:p%2C%40@three/d?sslmode=require",
                ],
            ),
            ("postgres://u@one,two/d?target_session_attrs=primary", &["postgres://u@one/d", "postgres://u@two/d"]),
        ] {
            assert_eq!(each(url).unwrap(), servers, "{url}");
        }
        let refused = each("postgres://u@one,two/d?target_session_attrs=any").unwrap_err();
        assert!(refused.to_string().contains("read-write"), "{refused}");
        let two = options(&"postgres://u:secret@one:7001,two/d".to_owned().into()).unwrap();
        assert_eq!(
            two.iter().map(|one| (one.get_host(), one.get_port())).collect::<Vec<_>>(),
            [("one", 7001), ("two", 5432)]
        );
        let broken = options(&"postgres://u:secret@one:port/d".to_owned().into()).unwrap_err();
        assert!(!broken.to_string().contains("secret"), "{broken}");
    }
}
