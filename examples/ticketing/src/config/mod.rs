//! Configuration: built-in defaults < the file named by `--config` < environment variables `NEBULA_TICKETING__…` <
//! command line.

mod args;
#[cfg(test)]
mod deploy;
mod load;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use nebula_auth::{AuthConfig, JwtConfig};
use nebula_cache::{HotKeys, rate_limit::RateLimitConfig};
use nebula_delay_queue::DelayQueueConfig;
use nebula_lock::LockConfig;
use nebula_notification::NotificationConfig;
use nebula_redis::RedisConfig;
use secrecy::SecretString;
use serde::Deserialize;

pub use self::{
    args::CommonArgs,
    load::{ConfigError, load},
};
pub use crate::storage::DatabaseProvider;
use crate::{
    api_limits::ApiLimitsConfig,
    archive::ArchiveConfig,
    degrade::DegradeConfig,
    duration,
    identity::IdentityConfig,
    notification::NoticeConfig,
    payment::{alipay::AlipayConfig, wechat::WeChatConfig},
    personal::PersonalDataConfig,
    picture::PictureConfig,
    refund,
    search::SearchConfig,
    storage::DatabaseConfig,
    telemetry::{LogConfig, TraceConfig},
    user::AccountsConfig,
};

/// Everything that can be configured. `config/redis.yaml` shows every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// What buyers type to get here, when it is not `http://<listen>`: used in links.
    pub public_url: Option<String>,
    /// Folder of the database and the generated secrets. Processes that share it work as one platform.
    pub data: PathBuf,
    /// The database.
    pub database: DatabaseConfig,
    /// Who decides which seat is free.
    pub ledger: LedgerConfig,
    /// The Redis server of everything that lives on Redis.
    pub redis: RedisConfig,
    /// Locks. They live on the server of `redis` when the ledger does, and in this process otherwise.
    pub lock: LockConfig,
    /// Time-outs of orders. With the provider `redis` they live on the server of `redis`, with `rabbitmq` on that broker;
    /// otherwise in the platform's database, where they commit with their order.
    pub delay_queue: DelayQueueConfig,
    /// Passwords and tokens. Issuer, audience and secret need not be set: see `config/redis.yaml`.
    pub auth: AuthConfig,
    /// Accounts.
    pub accounts: AccountsConfig,
    /// The keys of addresses, telephone numbers, and names and numbers of documents.
    pub personal_data: PersonalDataConfig,
    /// Who checks names and documents.
    pub identity: IdentityConfig,
    /// How often somebody may do something: the rules `login.ip` and `login.account` limit attempts to sign in, `code.ip` and
    /// `code.address` codes by mail, `identity.account` people that an authority is asked about, `quote.user` prices and coupons, `order.…`,
    /// `challenge.user` and `conduct.…` sales whose policy asks for it. What was used is kept on the server of `redis` when the ledger lives there, and in this process otherwise.
    pub rate_limit: RateLimitConfig,
    /// How many requests a second a server takes, whoever asks.
    pub api_limits: ApiLimitsConfig,
    /// Limits of the HTTP server.
    pub http: HttpConfig,
    /// Sessions, plans and lists that are read far more often than others, in the catalog's caches.
    pub hot_keys: HotKeys,
    /// What is given up when there is too much to do.
    pub degrade: DegradeConfig,
    /// Rules of selling; new sessions take them over.
    pub sales: SalesConfig,
    /// The domain of flash sales.
    pub flash: FlashConfig,
    /// The payment providers.
    pub payment: PaymentConfig,
    /// When money goes back, and how much of it.
    pub refund: refund::Policy,
    /// When ended orders are archived.
    pub archive: ArchiveConfig,
    /// Pictures of shows.
    pub pictures: PictureConfig,
    /// Where shows are searched.
    pub search: SearchConfig,
    /// Codes of tickets.
    pub ticket: TicketConfig,
    /// How buyers are told what happened.
    pub notice: NoticeConfig,
    /// The servers and services that notices go through: `email`, `sms`.
    pub notification: NotificationConfig,
    /// Log lines.
    pub log: LogConfig,
    /// Traces.
    pub trace: TraceConfig,
    /// Whether an empty database is filled with demo shows and accounts.
    pub demo: bool,
}

/// The seat ledger.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LedgerConfig {
    /// Where it lives.
    pub provider: Provider,
}

/// Where something lives that processes may have to share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// In this process: one process serves the data folder.
    #[default]
    Memory,
    /// On Redis: several processes may serve the data folder.
    Redis,
}

/// Limits of the HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// A request that takes longer is answered with `timeout`. Event streams are exempt.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// The same for what operators have made in one go: rehearsals.
    #[serde(with = "duration")]
    pub preparation_timeout: Duration,
    /// A connection on which no complete head of a request arrives within this time is closed, an idle one too.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// A connection whose other end takes nothing of what was sent for this long is closed. Event streams are sent
    /// something every 15 s, so those of buyers who left without a word end, too. On Linux only.
    #[serde(with = "duration")]
    pub stall_timeout: Duration,
    /// Most connections at once; whoever comes beyond is answered `busy`. Left out, as many as the limit of open files allows,
    /// which is more than configured in no case.
    pub max_connections: Option<u32>,
    /// Most bytes of a request body.
    pub body_limit: usize,
    /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// The platform's own domain, if each merchant has a subdomain of it; other hosts are refused then, except merchants' own
    /// domains. Without it, every host that is no merchant's is the platform's.
    pub base_domain: Option<String>,
    /// How long requests in progress may take to finish after the signal to stop.
    #[serde(with = "duration")]
    pub drain: Duration,
}

/// Rules of selling.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SalesConfig {
    /// How long an unpaid order keeps its seats.
    #[serde(with = "duration")]
    pub hold_time: Duration,
    /// Most seats of a session one buyer may have.
    pub seats_per_user: u32,
    /// How often leftovers are looked for: holds without an order, orders past their time.
    #[serde(with = "duration")]
    pub sweep_interval: Duration,
    /// How often the stock of all sessions on sale is compared with the orders and the money.
    #[serde(with = "duration")]
    pub stock_interval: Duration,
    /// So long before a sale opens its session, plan, ledger and seats are loaded.
    #[serde(with = "duration")]
    pub warm_ahead: Duration,
    /// So long after its beginning a show is over: its orders are completed.
    #[serde(with = "duration")]
    pub show_length: Duration,
}

/// Flash sales apart from ordinary shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FlashConfig {
    /// The Redis server of their ledger, counters, waiting rooms and challenges. Left out, they share those of the shows.
    pub redis: Option<RedisConfig>,
}

/// The payment providers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PaymentConfig {
    /// The provider that moves no money.
    pub mock: MockConfig,
    /// Alipay. Notifications are sent to `public-url`.
    pub alipay: Option<AlipayConfig>,
    /// WeChat Pay. Notifications are sent to `public-url`.
    pub wechat: Option<WeChatConfig>,
}

/// The provider that moves no money.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MockConfig {
    /// Whether orders can be paid there.
    pub enabled: bool,
    /// Key of its signatures and links, at least 32 bytes. Left out: generated into the data folder.
    pub secret: Option<SecretString>,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self { enabled: true, secret: None }
    }
}

/// Codes of tickets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TicketConfig {
    /// Key of the codes, at least 32 bytes. Left out: generated into the data folder.
    pub secret: Option<SecretString>,
    /// Earlier keys: codes that were made with them open doors as well.
    pub previous_secrets: Vec<SecretString>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            data: PathBuf::from("data"),
            database: DatabaseConfig::default(),
            ledger: LedgerConfig::default(),
            redis: RedisConfig::default(),
            lock: LockConfig::default(),
            delay_queue: DelayQueueConfig::default(),
            auth: auth(),
            accounts: AccountsConfig::default(),
            personal_data: PersonalDataConfig::default(),
            identity: IdentityConfig::default(),
            rate_limit: RateLimitConfig::default(),
            api_limits: ApiLimitsConfig::default(),
            http: HttpConfig::default(),
            hot_keys: HotKeys::default(),
            degrade: DegradeConfig::default(),
            sales: SalesConfig::default(),
            flash: FlashConfig::default(),
            payment: PaymentConfig::default(),
            refund: refund::Policy::default(),
            archive: ArchiveConfig::default(),
            pictures: PictureConfig::default(),
            search: SearchConfig::default(),
            ticket: TicketConfig::default(),
            notice: NoticeConfig::default(),
            notification: NotificationConfig::default(),
            log: LogConfig::default(),
            trace: TraceConfig::default(),
            demo: true,
        }
    }
}

/// Access for half an hour, a sign-in for a week; the rest is filled in at the start.
fn auth() -> AuthConfig {
    let jwt = JwtConfig {
        secret: None,
        previous_secrets: Vec::new(),
        private_key: None,
        algorithm: None,
        key_id: None,
        public_keys: Vec::new(),
        jwks_uri: None,
        verified_cache: None,
        issuer: None,
        audience: None,
        expiration: Duration::from_secs(30 * 60),
        refresh_expiration: Duration::from_secs(7 * 24 * 60 * 60),
        leeway: Duration::from_secs(5),
    };
    AuthConfig {
        jwt,
        session: nebula_auth::SessionConfig::default(),
        password: nebula_auth::PasswordConfig::default(),
        rbac: nebula_auth::RbacConfig::default(),
        oauth: std::collections::BTreeMap::new(),
        mfa: nebula_auth::MfaConfig::default(),
        throttle: nebula_auth::ThrottleConfig::default(),
        oidc: std::collections::BTreeMap::new(),
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(15),
            preparation_timeout: Duration::from_secs(120),
            header_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            max_connections: None,
            body_limit: 64 * 1024,
            trusted_proxies: Vec::new(),
            base_domain: None,
            drain: Duration::from_secs(10),
        }
    }
}

impl Default for SalesConfig {
    fn default() -> Self {
        Self {
            hold_time: Duration::from_secs(15 * 60),
            seats_per_user: 10,
            sweep_interval: Duration::from_secs(15),
            stock_interval: Duration::from_secs(3_600),
            warm_ahead: Duration::from_secs(10 * 60),
            show_length: Duration::from_secs(6 * 3_600),
        }
    }
}

impl Config {
    /// Path of the database file.
    #[must_use]
    pub fn database_path(&self) -> PathBuf {
        self.database.path(&self.data)
    }

    /// Where pictures are kept, unless they are in a bucket.
    #[must_use]
    pub fn pictures_path(&self) -> Option<PathBuf> {
        self.pictures.path(&self.data)
    }

    /// What leads a browser here, without a slash at its end; `address` is where the server listens.
    #[must_use]
    pub fn url(&self, address: SocketAddr) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| match address {
            address if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
            address => format!("http://{address}"),
        });
        url.trim_end_matches('/').to_owned()
    }

    /// Whether messages are shown to whoever looks, instead of sent.
    #[must_use]
    pub fn shows_messages(&self) -> bool {
        self.notice.development.unwrap_or(self.demo && self.listen.ip().is_loopback())
    }

    /// Whether this process must have the data folder for itself.
    #[must_use]
    pub fn embedded(&self) -> bool {
        self.ledger.provider == Provider::Memory
    }
}
