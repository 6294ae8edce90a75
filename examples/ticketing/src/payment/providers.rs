//! The payment providers that are switched on.

use std::sync::Arc;

use super::provider::PaymentProvider;
use crate::problem::{Code, Problem, Result};

/// The providers by name: those where buyers pay, of which the first one is taken when a buyer names none, and those of counters,
/// where clerks take money.
#[derive(Clone, Debug)]
pub struct Providers {
    buyers: Arc<[Arc<dyn PaymentProvider>]>,
    counters: Arc<[Arc<dyn PaymentProvider>]>,
}

impl Providers {
    /// These providers; `None` without any.
    #[must_use]
    pub fn new(providers: Vec<Arc<dyn PaymentProvider>>) -> Option<Self> {
        (!providers.is_empty()).then(|| Self { buyers: providers.into(), counters: Arc::new([]) })
    }

    /// With these of counters.
    #[must_use]
    pub fn with_counters(mut self, providers: Vec<Arc<dyn PaymentProvider>>) -> Self {
        self.counters = providers.into();
        self
    }

    /// The names of those where buyers pay, the one that is taken when a buyer names none first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.buyers.iter().map(|provider| provider.name())
    }

    /// The names of all that write bills.
    pub fn all_names(&self) -> impl Iterator<Item = &'static str> {
        self.all().map(|provider| provider.name())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn PaymentProvider>> {
        self.buyers.iter().chain(self.counters.iter())
    }

    /// The provider that a buyer chose.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`] when it is not switched on.
    pub fn choose(&self, name: Option<&str>) -> Result<&Arc<dyn PaymentProvider>> {
        let chosen = match name {
            None => self.buyers.first(),
            Some(name) => self.buyers.iter().find(|provider| provider.name() == name),
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
        self.all().find(|provider| provider.name() == name)
    }
}
