//! The payment providers that are switched on.

use std::sync::Arc;

use super::provider::PaymentProvider;
use crate::problem::{Code, Problem, Result};

/// The providers by name. The first one is taken when the buyer names none.
#[derive(Clone, Debug)]
pub struct Providers(Arc<[Arc<dyn PaymentProvider>]>);

impl Providers {
    /// These providers; `None` without any.
    #[must_use]
    pub fn new(providers: Vec<Arc<dyn PaymentProvider>>) -> Option<Self> {
        (!providers.is_empty()).then(|| Self(providers.into()))
    }

    /// The names, the one that is taken when the buyer names none first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|provider| provider.name())
    }

    /// The provider that a buyer chose.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`] when it is not switched on.
    pub fn choose(&self, name: Option<&str>) -> Result<&Arc<dyn PaymentProvider>> {
        let chosen = match name {
            None => self.0.first(),
            Some(name) => self.find(name),
        };
        chosen.ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            Problem::new(Code::InvalidValue, format!("`provider` is one of: {}.", names.join(", ")))
                .with("field", "provider")
        })
    }

    /// The provider of a payment that was begun.
    ///
    /// # Errors
    ///
    /// When it is not switched on any more: its payments wait until it is.
    pub fn of(&self, name: &str) -> Result<&Arc<dyn PaymentProvider>> {
        self.find(name).ok_or_else(|| Problem::unavailable(format!("the payment provider `{name}` is switched off")))
    }

    /// The provider of this name, if it is switched on.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<dyn PaymentProvider>> {
        self.0.iter().find(|provider| provider.name() == name)
    }
}
