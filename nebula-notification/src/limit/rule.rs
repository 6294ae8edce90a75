use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use super::store::{Charge, LimitStore, Ruling};
use crate::{
    error::Result,
    kind::{Channel, Kind},
    phone::Phone,
    recipient::Address,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// What a limit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitScope {
    /// Each address.
    Address,
    /// Each address and template.
    AddressAndTemplate,
    /// The address of whoever caused it; IPv6 by /64, which is what one household has.
    Origin,
    /// The beginning of a telephone number: the calling code and so many digits. Pumping fraud comes in blocks of numbers.
    Prefix(u8),
    /// Each template.
    Template,
    /// Each tenant.
    Tenant,
}

/// How many messages may be sent in a span of time.
#[derive(Clone, Debug)]
pub struct LimitRule {
    name: String,
    scope: LimitScope,
    limit: u64,
    span: Duration,
    channels: Vec<Channel>,
    kinds: Vec<Kind>,
}

impl LimitRule {
    /// At most `limit` in any span of that length. Rules with the same name share their counters.
    #[must_use]
    pub fn new(name: impl Into<String>, scope: LimitScope, limit: u64, span: Duration) -> Self {
        Self { name: name.into(), scope, limit, span, channels: Vec::new(), kinds: Vec::new() }
    }

    /// So many text messages to a number in 24 hours.
    #[must_use]
    pub fn per_phone(limit: u64) -> Self {
        Self::new("phone.day", LimitScope::Address, limit, DAY).for_channel(Channel::Sms)
    }

    /// So many text messages caused from an address in 24 hours.
    #[must_use]
    pub fn per_ip(limit: u64) -> Self {
        Self::new("ip.day", LimitScope::Origin, limit, DAY).for_channel(Channel::Sms)
    }

    /// So many text messages to a number in a minute.
    #[must_use]
    pub fn per_minute(limit: u64) -> Self {
        Self::new("phone.minute", LimitScope::Address, limit, MINUTE).for_channel(Channel::Sms)
    }

    /// Holds for this channel; for all by default.
    #[must_use]
    pub fn for_channel(mut self, channel: Channel) -> Self {
        self.channels.push(channel);
        self
    }

    /// Holds for this kind; for all by default.
    #[must_use]
    pub fn for_kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    fn charge(&self, asked: &Asked<'_>) -> Option<Charge> {
        let holds = (self.channels.is_empty() || self.channels.contains(&asked.address.channel()))
            && (self.kinds.is_empty() || self.kinds.contains(&asked.kind));
        let whom = match self.scope {
            _ if !holds => return None,
            LimitScope::Address => asked.address.key(),
            LimitScope::AddressAndTemplate => format!("{}|{}", asked.address.key(), asked.template),
            LimitScope::Origin => network(asked.origin?),
            LimitScope::Prefix(digits) => match asked.address {
                Address::Phone(phone) => prefix(phone, digits),
                _ => return None,
            },
            LimitScope::Template => asked.template.to_owned(),
            LimitScope::Tenant => asked.tenant.to_owned(),
        };
        // A number is one number, whichever tenant writes to it; templates of the same name are each tenant's own.
        let tenant = if self.scope == LimitScope::Template { asked.tenant } else { "" };
        Some(Charge::new(format!("{}:{tenant}:{whom}", self.name), self.limit, self.span))
    }
}

/// `+86138` for three digits.
pub(crate) fn prefix(phone: &Phone, digits: u8) -> String {
    let national: String = phone.national().chars().take(usize::from(digits)).collect();
    format!("+{}{national}", phone.calling_code())
}

/// What one household has: an IPv4 address, or 64 bits of an IPv6 address.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The message that limits are asked about.
pub(crate) struct Asked<'a> {
    pub(crate) kind: Kind,
    pub(crate) address: &'a Address,
    pub(crate) template: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) origin: Option<IpAddr>,
}

/// Rules, and where their counters are.
#[derive(Clone)]
pub struct Limits {
    store: Arc<dyn LimitStore>,
    rules: Vec<LimitRule>,
    open: Vec<Kind>,
}

impl Limits {
    /// No rules yet. While the counters cannot be reached, notices and alarms are sent, codes and marketing are not.
    #[must_use]
    pub fn new(store: impl LimitStore) -> Self {
        Self { store: Arc::new(store), rules: Vec::new(), open: vec![Kind::Notice, Kind::Alarm] }
    }

    /// Adds a rule.
    #[must_use]
    pub fn with_rule(mut self, rule: LimitRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the kinds that are sent while the counters cannot be reached.
    #[must_use]
    pub fn with_open_when_down(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.open = kinds.into_iter().collect();
        self
    }

    pub(crate) fn is_open_when_down(&self, kind: Kind) -> bool {
        self.open.contains(&kind)
    }

    /// Charges all rules that hold, or none. A refusal comes with the rule's name.
    pub(crate) async fn charge(&self, asked: &Asked<'_>) -> Result<Option<(String, Duration)>> {
        let mut names = Vec::new();
        let mut charges = Vec::new();
        for rule in &self.rules {
            if let Some(charge) = rule.charge(asked) {
                names.push(&rule.name);
                charges.push(charge);
            }
        }
        if charges.is_empty() {
            return Ok(None);
        }
        Ok(match self.store.charge(&charges).await? {
            Ruling::Allowed => None,
            Ruling::Refused { index, retry_after } => {
                Some((names.get(index).map_or_else(String::new, |name| (*name).clone()), retry_after))
            }
        })
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("store", &self.store).field("rules", &self.rules).finish_non_exhaustive()
    }
}
