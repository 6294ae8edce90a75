//! E-mail addresses: enough of RFC 5321 to refuse typing errors, and one form of each address.

use nebula_notification::EmailAddress;

/// The address trimmed and in lower case, if it can be one.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    (text.len() <= 254 && local_part(local) && host(domain)).then(|| text.to_lowercase())
}

/// For logs, and for people who need not know all of it: `m***@example.com`.
#[must_use]
pub fn masked(email: &str) -> String {
    EmailAddress::new(email).map_or_else(|_| "***".to_owned(), |address| address.masked())
}

fn local_part(text: &str) -> bool {
    let atom =
        |atom: &str| !atom.is_empty() && atom.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c));
    text.len() <= 64 && text.split('.').all(atom)
}

fn host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn one_form_of_each_address_and_none_of_others() {
        for (text, address) in [
            (" Buyer@Example.COM ", Some("buyer@example.com")),
            ("a.b+c@sub.example.org", Some("a.b+c@sub.example.org")),
            ("李雷@例子.公司", Some("李雷@例子.公司")),
            ("", None),
            ("@example.com", None),
            ("buyer@", None),
            ("buyer@localhost", None),
            ("a@b@example.com", None),
            ("a..b@example.com", None),
            ("a b@example.com", None),
            ("a@-example.com", None),
            ("a@example..com", None),
            ("a@exam\u{0}ple.com", None),
        ] {
            assert_eq!(canonical(text).as_deref(), address, "{text:?}");
        }
        assert_eq!(canonical(&format!("{}@example.com", "a".repeat(65))), None);
    }
}
