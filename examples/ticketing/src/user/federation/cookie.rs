//! What the browser keeps between the steps of a sign-in, where no script reads it.

use axum::http::{HeaderMap, HeaderValue, header};
use nebula_auth::secrecy::{ExposeSecret, SecretString};

use super::Provider;
use crate::problem::{Problem, Result};

/// The secret that binds a sign-in to the browser that began it.
pub(super) const BEGUN: &str = "nebula-sign-in";
/// What the provider said, sealed.
pub(super) const SAID: &str = "nebula-said";

/// The cookie of this name.
pub(super) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// For the routes of this provider only, and only from pages of this site. Without a value it is taken away.
pub(super) fn write(
    headers: &mut HeaderMap,
    (name, provider): (&str, &Provider),
    path: &str,
    value: Option<(&SecretString, u64)>,
) -> Result<()> {
    let (value, age) = value.map_or(("", 0), |(value, age)| (value.expose_secret(), age));
    let secure = if provider.secure { "; Secure" } else { "" };
    let line =
        format!("{name}={value}; Path=/api/v1/auth/providers/{path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut line = HeaderValue::from_str(&line).map_err(Problem::internal)?;
    line.set_sensitive(true);
    headers.append(header::SET_COOKIE, line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; xnebula-said=no; nebula-said=yes=="));
        headers.append(header::COOKIE, HeaderValue::from_static("nebula-sign-in=there"));
        assert_eq!(read(&headers, SAID), Some("yes=="));
        assert_eq!(read(&headers, BEGUN), Some("there"));
        assert_eq!(read(&headers, "nebula"), None);
    }
}
