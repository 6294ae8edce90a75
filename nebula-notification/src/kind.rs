//! What a notification is for, and by which channel it goes.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in configuration, records and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    $crate::Error::new($crate::ErrorKind::InvalidNotification, format!(concat!("{:?} is no ", $what), text))
                })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a notification is for. Limits, quiet hours, consent and what happens after an unknown outcome depend on it.
    Kind: "kind of notification" {
        /// A verification code: at once or never, and its parameters are never stored.
        Code = "code",
        /// What the recipient wants to know: an order, a ticket, a delay.
        Notice = "notice",
        /// Advertising: only with consent, never in quiet hours.
        Marketing = "marketing",
        /// An alarm for operators: rather twice than not at all.
        Alarm = "alarm",
    }
}

words! {
    /// The way a message takes.
    Channel: "channel" {
        /// A text message to a telephone.
        Sms = "sms",
        /// Mail.
        Email = "email",
        /// A push to an app.
        Push = "push",
        /// A subscribe message of a mini-program.
        MiniProgram = "mini-program",
        /// A request to an address on the web.
        Webhook = "webhook",
        /// The inbox within the application.
        Inbox = "inbox",
    }
}

impl Kind {
    /// Whether a message may be sent again while nobody knows if the first one arrived: two alarms or two messages with the
    /// same code do no harm, two notices do.
    #[must_use]
    pub const fn may_repeat(self) -> bool {
        matches!(self, Self::Code | Self::Alarm)
    }

    /// Whether its parameters stay out of every record.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Code)
    }
}
