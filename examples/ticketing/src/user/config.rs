//! How accounts are configured.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

/// Accounts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AccountsConfig {
    /// Whether an address is confirmed by a code when somebody registers with it. Left out: where mails are sent, or shown on
    /// `/dev/outbox`. Changing the address and a forgotten password ask for a code in any case.
    pub confirm: Option<bool>,
    /// The roles that open the back office only to whoever has signed in with a second factor. Merchants may demand one of all
    /// their staff besides.
    pub require_second_factor: Vec<String>,
    /// How recently a second factor must have been shown by whoever gives money back, or changes who may do what. Left out: not.
    #[serde(deserialize_with = "crate::duration::optional::deserialize")]
    pub step_up: Option<Duration>,
    /// What buyers read on the buttons of the providers in `auth.oidc`; without it, their names.
    pub provider_labels: BTreeMap<String, String>,
}
