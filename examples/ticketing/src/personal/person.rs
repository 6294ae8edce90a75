//! Which accounts are one person's, as far as their addresses tell.

/// The mailbox behind an address: what stands behind a plus sign in its name chooses a folder.
pub(super) fn mailbox(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_owned() };
    match local.split_once('+') {
        Some((name, _)) if !name.is_empty() => format!("{name}@{domain}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::mailbox;

    #[test]
    fn a_folder_makes_no_other_mailbox() {
        for (address, expected) in [
            ("a.b+c@example.org", "a.b@example.org"),
            ("a+b+c@example.org", "a@example.org"),
            ("a@example.org", "a@example.org"),
            ("+c@example.org", "+c@example.org"),
            ("", ""),
        ] {
            assert_eq!(mailbox(address), expected);
        }
    }
}
