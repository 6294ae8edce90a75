use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use crate::{
    error::Result,
    limit::{Charge, LimitStore, Ruling, prefix},
    phone::Phone,
};

/// Guards against pumping: fraud that lets an application send codes to numbers which earn money by receiving them. Such numbers
/// come from few countries, in blocks, and nobody ever types their codes in.
#[derive(Clone)]
pub struct PumpGuard {
    store: Arc<dyn LimitStore>,
    regions: BTreeSet<String>,
    digits: u8,
    velocity: u64,
    span: Duration,
    enough: u64,
    least_per_mille: u64,
}

impl PumpGuard {
    /// Numbers of every country; at most 20 codes an hour to numbers that begin with the same calling code and four digits;
    /// and when fewer than 50 ‰ of 50 or more codes to such a block were typed in within the hour, no more are sent to it.
    #[must_use]
    pub fn new(store: impl LimitStore) -> Self {
        Self {
            store: Arc::new(store),
            regions: BTreeSet::new(),
            digits: 4,
            velocity: 20,
            span: Duration::from_secs(3600),
            enough: 50,
            least_per_mille: 50,
        }
    }

    /// Only numbers of these regions, such as `CN`.
    #[must_use]
    pub fn only<R: Into<String>>(mut self, regions: impl IntoIterator<Item = R>) -> Self {
        self.regions = regions.into_iter().map(Into::into).collect();
        self
    }

    /// At most so many codes within a span to numbers that begin with the same calling code and so many digits. A block of
    /// mainland China that ten thousand customers share wants more than the usual 20.
    #[must_use]
    pub const fn with_velocity(mut self, codes: u64, span: Duration, digits: u8) -> Self {
        self.velocity = codes;
        self.span = span;
        self.digits = digits;
        self
    }

    /// When so many codes were sent to a block and fewer than so many of a thousand were typed in, no more are sent.
    #[must_use]
    pub const fn with_verify_rate(mut self, enough: u64, least_per_mille: u64) -> Self {
        self.enough = enough;
        self.least_per_mille = least_per_mille;
        self
    }

    fn names(&self, phone: &Phone) -> [String; 2] {
        let block = prefix(phone, self.digits);
        ["sent", "typed"].map(|what| format!("pump.{what}:{block}"))
    }

    /// `None`: go on; else why not.
    pub(super) async fn check(&self, phone: &Phone) -> Result<Option<&'static str>> {
        let known = phone.region().is_some_and(|region| self.regions.contains(region));
        if !self.regions.is_empty() && !known {
            return Ok(Some("region"));
        }
        let [sent, typed] = self.names(phone);
        let before = self.store.count(&sent, self.span).await?;
        if before >= self.enough {
            let typed = self.store.count(&typed, self.span).await?;
            if typed.saturating_mul(1000) < before.saturating_mul(self.least_per_mille) {
                return Ok(Some("verify rate"));
            }
        }
        Ok(match self.store.charge(&[Charge::new(sent, self.velocity, self.span)]).await? {
            Ruling::Allowed => None,
            Ruling::Refused { .. } => Some("velocity"),
        })
    }

    /// A code was typed in.
    pub(super) async fn typed(&self, phone: &Phone) -> Result<()> {
        let [_, typed] = self.names(phone);
        self.store.charge(&[Charge::new(typed, u64::from(u32::MAX), self.span)]).await.map(drop)
    }
}

impl fmt::Debug for PumpGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PumpGuard").field("regions", &self.regions).finish_non_exhaustive()
    }
}
