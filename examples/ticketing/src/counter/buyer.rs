//! Who buys at a counter: somebody without an account, who may leave a name and an address.

use nebula_tenant::seal::Place;
use serde::Deserialize;

use crate::{
    ids::OrderId,
    language::Language,
    order::Sale,
    personal::Vault,
    problem::{Problem, Result},
    user::email,
};

const NAME: Place<'static> = Place::column("counter_sales", "name");
const EMAIL: Place<'static> = Place::column("counter_sales", "email");

/// Longest name, in characters.
const LONGEST: usize = 80;

/// What a buyer leaves at a counter.
#[derive(Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CounterBuyer)]
pub struct Buyer {
    /// How to address them, up to 80 characters.
    #[serde(default)]
    pub name: Option<String>,
    /// Where a receipt goes to.
    #[serde(default)]
    pub email: Option<String>,
    /// In which language.
    #[serde(default)]
    pub language: Language,
}

impl std::fmt::Debug for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buyer").field("language", &self.language).finish_non_exhaustive()
    }
}

impl Buyer {
    /// What is kept of it with that order: name and address sealed.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`](crate::problem::Code::InvalidValue), or the keys cannot be read.
    pub(super) async fn sealed(&self, vault: &Vault, row: &str) -> Result<(Option<String>, Option<String>)> {
        let given =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let (name, address) = (given(&self.name), given(&self.email));
        if name.as_ref().is_some_and(|name| name.chars().count() > LONGEST || name.chars().any(char::is_control)) {
            return Err(Problem::invalid("buyer.name", format!("A name has up to {LONGEST} characters, on one line.")));
        }
        let unread = || Problem::invalid("buyer.email", "This is not an e-mail address.");
        let address = address.map(|address| email::canonical(&address).ok_or_else(unread)).transpose()?;
        let name = match name {
            Some(name) => Some(vault.seal(NAME, row, &name).await?),
            None => None,
        };
        let address = match address {
            Some(address) => Some(vault.seal(EMAIL, row, &address).await?),
            None => None,
        };
        Ok((name, address))
    }
}

/// The address that a buyer left, if one did.
///
/// # Errors
///
/// The keys cannot be read.
///
/// # Cancel safety
///
/// Safe.
pub async fn address(vault: &Vault, order: OrderId, sale: &Sale) -> Result<Option<String>> {
    match &sale.email_sealed {
        Some(sealed) => Ok(Some(of(vault, sale)?.unseal(EMAIL, &order.to_string(), sealed).await?)),
        None => Ok(None),
    }
}

/// The name that a buyer left, if one did.
pub(super) async fn name(vault: &Vault, order: OrderId, sale: &Sale) -> Result<Option<String>> {
    match &sale.name_sealed {
        Some(sealed) => Ok(Some(of(vault, sale)?.unseal(NAME, &order.to_string(), sealed).await?)),
        None => Ok(None),
    }
}

fn of(vault: &Vault, sale: &Sale) -> Result<Vault> {
    Ok(vault.of(&sale.merchant.parse().map_err(Problem::internal)?))
}
