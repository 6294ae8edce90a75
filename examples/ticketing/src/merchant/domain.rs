//! What a merchant is.

use nebula_tenant::{TenantId, TenantStatus, registry::Tenant};
use serde::Serialize;

use crate::problem::{Code, Problem, Result};

/// The longest name of a merchant, in characters.
const MAX_NAME: usize = 100;

const NAME: &str = "name";
const NAME_ZH: &str = "name_zh";
const SECOND_FACTOR: &str = "second_factor";

/// A merchant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Merchant {
    /// Its short name: part of addresses.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The same in Chinese.
    pub name_zh: String,
    /// Domains of its own.
    pub domains: Vec<String>,
    /// `active`, `suspended`, `archived`.
    pub status: &'static str,
    /// Whether its staff need a second factor.
    pub second_factor: bool,
    /// Counts its changes.
    pub version: u64,
}

impl From<&Tenant> for Merchant {
    fn from(tenant: &Tenant) -> Self {
        let text = |key: &str| tenant.settings.get(key).and_then(|value| value.as_str());
        let name = text(NAME).unwrap_or(tenant.id.as_str()).to_owned();
        Self {
            id: tenant.id.to_string(),
            name_zh: text(NAME_ZH).map_or_else(|| name.clone(), str::to_owned),
            name,
            domains: tenant.domains.iter().cloned().collect(),
            status: tenant.status.as_str(),
            second_factor: demands_second_factor(tenant),
            version: tenant.version,
        }
    }
}

/// Whether the tenant's staff need a second factor.
pub(super) fn demands_second_factor(tenant: &Tenant) -> bool {
    tenant.settings.get(SECOND_FACTOR).and_then(serde_json::Value::as_bool).unwrap_or_default()
}

/// The tenant, whose staff need one or not.
pub(super) fn demanding_second_factor(tenant: Tenant, demanded: bool) -> Tenant {
    tenant.with_setting(SECOND_FACTOR, demanded)
}

/// The tenant with these names and domains, served.
pub(super) fn tenant(id: TenantId, name: &str, name_zh: &str, domains: &[String]) -> Result<Tenant> {
    changed(Tenant::new(id).with_status(TenantStatus::Active), name, name_zh, domains)
}

/// The tenant with other names and domains.
pub(super) fn changed(mut tenant: Tenant, name: &str, name_zh: &str, domains: &[String]) -> Result<Tenant> {
    for (field, text) in [(NAME, name), (NAME_ZH, name_zh)] {
        let text = checked_name(field, text)?;
        tenant = tenant.with_setting(field, text);
    }
    tenant.domains.clear();
    for domain in domains {
        tenant = tenant.with_domain(domain).map_err(|_| {
            Problem::new(Code::InvalidValue, "A domain is of a-z, 0-9, - and dots.").with("field", "domains")
        })?;
    }
    Ok(tenant)
}

/// A name that people read, without white space at its ends.
pub(crate) fn checked_name(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        let detail = format!("A name has 1 to {MAX_NAME} characters.");
        return Err(Problem::new(Code::InvalidValue, detail).with("field", field));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::platform;

    #[test]
    fn names_and_domains_are_kept_and_checked() {
        let star = tenant("star".parse().unwrap(), " Star ", "星", &["Tickets.Star.example".to_owned()]).unwrap();
        let merchant = Merchant::from(&star);
        assert_eq!((merchant.name.as_str(), merchant.name_zh.as_str()), ("Star", "星"));
        assert_eq!(merchant.domains, ["tickets.star.example"]);
        assert!(!merchant.second_factor);
        let other = changed(demanding_second_factor(star, true), "Moon", "月", &[]).unwrap();
        let merchant = Merchant::from(&other);
        assert!(merchant.domains.is_empty() && merchant.second_factor, "other settings stay");
        for (name, domain) in [("", "a.example"), ("x\u{7}", "a.example"), ("x", "no domain")] {
            assert!(tenant(platform(), name, "x", &[domain.to_owned()]).is_err(), "{name} {domain}");
        }
    }
}
