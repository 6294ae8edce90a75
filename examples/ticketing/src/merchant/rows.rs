//! Rows of several merchants in one list. A [`Scope`](super::Scope) is one merchant's; whoever works for several reads with this.

use nebula_tenant::TenantId;

use crate::storage::sql::Query;

/// Whose rows a list may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(Option<Vec<TenantId>>);

impl Rows {
    /// Everybody's.
    #[must_use]
    pub(super) const fn all() -> Self {
        Self(None)
    }

    /// Those of these merchants.
    #[must_use]
    pub(super) const fn of(merchants: Vec<TenantId>) -> Self {
        Self(Some(merchants))
    }

    /// The condition on the column that names the merchant; its parameters are numbered from `first`.
    #[must_use]
    pub fn condition(&self, column: &'static str, first: usize) -> String {
        match &self.0 {
            None => "1 = 1".to_owned(),
            Some(merchants) if merchants.is_empty() => "1 = 0".to_owned(),
            Some(merchants) => {
                let names: Vec<_> = (first..first + merchants.len()).map(|number| format!("${number}")).collect();
                format!("{column} IN ({})", names.join(", "))
            }
        }
    }

    /// Binds the parameters of the condition, after those before `first`.
    pub fn bind(&self, query: Query) -> Query {
        self.0.iter().flatten().fold(query, |query, merchant| query.bind(merchant.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_works_for_nobody_sees_nothing() {
        let merchants = |names: &[&str]| Rows::of(names.iter().map(|name| name.parse().unwrap()).collect());
        assert_eq!(merchants(&[]).condition("tenant_id", 1), "1 = 0");
        assert_eq!(merchants(&["a", "b"]).condition("tenant_id", 3), "tenant_id IN ($3, $4)");
        assert_eq!(Rows::all().condition("tenant_id", 1), "1 = 1");
    }
}
