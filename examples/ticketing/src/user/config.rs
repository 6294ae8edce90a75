//! How accounts are configured.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Accounts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AccountsConfig {
    /// Whether an address is confirmed by a code when somebody registers with it. Left out: where mails are sent, or shown on
    /// `/dev/outbox`. Changing the address and a forgotten password ask for a code in any case.
    pub confirm: Option<bool>,
    /// What buyers read on the buttons of the providers in `auth.oidc`; without it, their names.
    pub provider_labels: BTreeMap<String, String>,
}
