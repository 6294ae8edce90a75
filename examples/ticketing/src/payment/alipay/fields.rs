//! Named fields, as forms carry them and signatures cover them.

use std::collections::BTreeMap;

/// Fields by name, each there once.
pub(super) type Fields = BTreeMap<String, String>;

/// What a signature covers: the fields that have a value, in the order of their names, except for those.
pub(super) fn signed(fields: &Fields, except: &[&str]) -> String {
    let covered = fields.iter().filter(|(name, value)| !value.is_empty() && !except.contains(&name.as_str()));
    covered.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Reads a form; `None` when a field is there twice, because nobody knows which one was signed.
pub(super) fn parse(form: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(form) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(fields)
}

/// Writes a form.
pub(super) fn form(fields: &Fields) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
