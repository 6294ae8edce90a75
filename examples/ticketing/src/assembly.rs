//! Puts the parts of the platform together.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use nebula_cache::{
    CacheManager, RedisShared,
    rate_limit::{RateLimitConfig, RateLimiter, RedisRates, http::TrustedProxies},
};
use nebula_delay_queue::{
    DelayQueue, MemoryTrace, Provider as QueueProvider, RedisDelayQueue, RedisTrace, Relay, RunningRelay, TraceStore,
};
use nebula_lock::{LockManager, RedisLock};
use nebula_redis::{Connection, RedisConfig};
use secrecy::ExposeSecret;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::{
        self, Admission, Domain, Domains, Kinds, Limits, Parts, Policies, Reservations, RoutedLedger, Tokens,
        room::{MemoryRoom, RedisRoom, Rooms, WaitingRoom},
    },
    api_limits::ApiLimits,
    app::{App, Inner},
    archive::Archive,
    audit::Auditor,
    breaker::Circuit,
    config::{Config, DatabaseProvider, Provider},
    counter::{CounterProvider, Method},
    degrade::Degrade,
    delivery::Delivery,
    folder,
    funnel::Funnel,
    http,
    identity::Identities,
    inventory::{GuardedLedger, Inventory, MemoryLedger, RedisLedger, SeatLedger},
    jobs::Jobs,
    marketing::{Prices, RuleBook, coupon::Coupons},
    merchant::Merchants,
    notification::{self, Notices},
    office::Office,
    order::{self, Orders},
    outbox::{Messages, Outbox, TIMEOUT, Timeouts},
    payment::{
        Guarded, Payments, Providers, Traced, alipay::Alipay, mock::MockProvider, provider::PaymentProvider,
        wechat::WeChat,
    },
    personal::Vault,
    picture::Pictures,
    problem::chain,
    queues::{QueueStore, Queues},
    reconcile::StockReports,
    refund::{Refunds, RefusedNames},
    risk::{Answers, Behaviour, Blacklist, Puzzles},
    routine::Routine,
    screen::{self, Screens},
    search::{OpenSearch, Search, SearchEngine, TextIndex, follow},
    secret,
    show::{BOUND, Catalog},
    statement::Statements,
    storage::{Database, Sole},
    sweep::Sweep,
    ticket::{Codes, Tickets},
    user::{self, Attempts, Federation, Letters, MailCodes, Users},
    wanted::Reminders,
    warm::{Ahead, Warmth},
    workers,
};

/// How long the lives of messages are kept where processes share them.
const LIVES: Duration = Duration::from_secs(24 * 3_600);

/// Why the platform cannot be put together, for the person who starts it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Opens the database, connects what works on it, and starts what runs beside the requests.
///
/// `address` is where the server listens: the mock payment provider sends its notifications there.
///
/// # Errors
///
/// A part cannot be opened or reached; the text names it.
pub async fn assemble(config: Config, address: SocketAddr) -> Result<App, Failure> {
    http::exporter()?;
    let folder = folder::hold(&config.data, config.embedded())?;
    let database = Database::of(&config.database, &config.data).await?;
    let stopping = CancellationToken::new();
    let sole = Sole::claim(database.primary.as_ref(), config.embedded(), &stopping).await?;
    // nebula-cache: the catalog, in this process and on what processes share.
    let caches = caches(&config).await?;
    let catalog = Catalog::new(database.orm(), caches.clone(), config.hot_keys)
        .map_err(|error| format!("hot-keys: {}", chain(&error)))?;
    // nebula-tenant: what seals personal data.
    let vault = Vault::open(&config.personal_data, &config.data, &database).await?;
    let pictures = Pictures::open(&config.pictures, &config.data, database.clone(), &caches).await?;
    let office = office(&config, &database).await?;
    office.knows(&config.accounts.require_second_factor).await?;
    let users =
        Users::open(&config.auth, &config.data, database.clone(), vault.clone(), Some(office.log().clone())).await?;
    let federation = Federation::new(
        &config.auth.oidc,
        &config.accounts.provider_labels,
        users.clone(),
        database.clone(),
        vault.clone(),
    );
    // nebula-tenant: merchants, and the wall between them.
    let merchants = Merchants::open(&database, config.http.base_domain.as_deref()).await?;
    // nebula-rule-engine: prices by the merchants' rules, and coupons.
    let prices = Prices {
        rules: RuleBook::open(&database).await?,
        coupons: Coupons::new(database.clone(), merchants.clone()),
        users: users.clone(),
    };
    let tasks = TaskTracker::new();
    let (engine, search_server) = search_engine(&config)?;
    let search = Search::new(engine, database.clone(), catalog.clone(), merchants.clone());

    // nebula-delay-queue: the outbox, in the transactions of the database.
    let messages = Messages::open(&database.queue).await?;
    let funnel = Funnel::default();
    // Where processes may have to share: seats, locks, and the time-outs of orders.
    let Shared { ledger, mut breakers, locks, lives, timeouts, armed, relay, limiter, show, reservations } =
        match config.ledger.provider {
            Provider::Memory => embedded(&config, &messages, &database, &funnel).await?,
            Provider::Redis => on_redis(&config, &messages, &database, &funnel).await?,
        };
    let outbox = DelayQueue::new(messages.backend()).with_trace(lives);
    let (outbox_store, timeout_store) = queue_stores(&config)?;
    let queues = Queues::new((&outbox, outbox_store), (&timeouts, timeout_store))?;
    // Flash sales apart, when they have a server of their own.
    let kinds = Kinds::new(database.clone());
    let (ledger, flash_ledger, flash) = match &config.flash.redis {
        None => (ledger, None, None),
        Some(redis) => {
            let (flash_ledger, domain) = flash(&config, redis, &funnel).await?;
            let flash_ledger = GuardedLedger::new(Arc::new(flash_ledger), "flash-sale ledger");
            breakers.push(flash_ledger.circuit());
            let flash_ledger: Arc<dyn SeatLedger> = Arc::new(flash_ledger);
            let routed = RoutedLedger::new(kinds.clone(), ledger, Arc::clone(&flash_ledger));
            (Arc::new(routed) as Arc<dyn SeatLedger>, Some(flash_ledger), Some(domain))
        }
    };

    let proxies = TrustedProxies::new(config.http.trusted_proxies.iter().map(String::as_str))
        .map_err(|error| format!("http.trusted-proxies: {error}"))?;
    let attempts = Attempts::new(limiter, proxies);
    // Where everybody's messages are shown to everybody, nobody is who they say.
    let shown = config.shows_messages();
    let identities =
        Identities::new(&config.identity, shown, database.clone(), vault.clone(), &caches, attempts.clone())?;
    identities.fill().await?;
    breakers.extend([identities.circuit(), pictures.circuit()]);
    breakers.extend(search_server);
    let inventory = Inventory::new(Arc::clone(&ledger), locks.clone(), database.clone(), stopping.clone());
    let orders = Orders::new(order::Parts {
        database: database.clone(),
        catalog: catalog.clone(),
        merchants: merchants.clone(),
        prices: prices.clone(),
        inventory: inventory.clone(),
        timeouts: armed,
        identities: identities.clone(),
        funnel: funnel.clone(),
        tasks: tasks.clone(),
    });
    breakers.push(orders.circuit());
    let mock_provider = mock_provider(&config, &database, address)?;
    let payment_outbox = Outbox::new(messages);
    let counters =
        Method::ALL.map(|method| Arc::new(Traced::new(Arc::new(CounterProvider::new(method, database.clone())))) as _);
    let providers = providers(&config, mock_provider.as_ref(), &mut breakers)?.with_counters(counters.into());
    let payments = Payments::new(database.clone(), providers.clone(), payment_outbox.clone(), funnel.clone());
    let statements = Statements::new(database.clone(), providers);
    let tickets = tickets(&config, &database, payment_outbox.clone())?;
    let reminder_outbox = payment_outbox.clone();
    let refunds = Refunds::new(database.clone(), catalog.clone(), payment_outbox, config.refund.clone());
    let admission = Admission::new(Parts {
        policies: Policies::new(database.clone()),
        reservations,
        blacklist: Blacklist::new(database.clone()),
        domains: Domains { kinds, show, flash },
        tokens: Tokens::new(admission_secret(&config)?.expose_secret().as_bytes()),
        catalog: catalog.clone(),
        inventory: inventory.clone(),
    });
    // nebula-notification: inboxes, mails, and what waits for a server that is away.
    let delivery = Delivery::new(config.notification.clone(), shown)?;
    let here = config.url(address);
    let letters = Letters::open(&delivery, here.clone()).await?;
    let codes = codes(&config, &users, &letters, &tasks)?;
    let parts = notification::Parts {
        database: database.clone(),
        vault: vault.clone(),
        users: users.clone(),
        catalog: catalog.clone(),
        merchants: merchants.clone(),
        here,
    };
    let notices = Notices::open(&config.notice, &config.data, &delivery, parts).await?;
    let api_limits = ApiLimits::new(&config.api_limits)?;
    let degrade = Degrade::open(config.degrade.clone(), database.clone()).await?;
    let auditor = Auditor::new(database.clone(), inventory.clone());
    let screens = Screens::new(screen::Sources {
        catalog: catalog.clone(),
        inventory: inventory.clone(),
        admission: admission.clone(),
        database: database.clone(),
        stopping: stopping.clone(),
    });
    let stock_reports = StockReports::new(database.clone(), auditor.clone(), inventory.clone());

    workers::listen(
        (&outbox, &timeouts),
        workers::Parts {
            database: database.clone(),
            inventory: inventory.clone(),
            payments: payments.clone(),
            tickets: tickets.clone(),
            admission: admission.clone(),
        },
    )?;
    if config.notice.workers {
        workers::tell(&outbox, &notices)?;
    }
    let length = config.sales.show_length;
    let sweep = Sweep::new(database.clone(), inventory.clone(), payments.clone(), tickets.clone(), length);
    tasks.spawn(follow(search.clone(), stopping.clone()));
    tasks.spawn(funnel.clone().keep(database.clone(), stopping.clone()));
    tasks.spawn(degrade.clone().watch(stopping.clone()));
    let refused_names =
        RefusedNames::new(database.clone(), identities.clone(), payments.clone(), refunds.clone(), office.clone());
    let routine = Routine {
        sweep: sweep.with_names(identities.clone(), refused_names),
        reminders: Reminders::new(database.clone(), reminder_outbox),
        stock: stock_reports.clone(),
        statements: statements.clone(),
        archive: Archive::new(database.clone(), config.archive.clone(), length),
        users: users.clone(),
        notices: notices.clone(),
        letters,
        search: search.clone(),
        pictures: pictures.clone(),
        ahead: Ahead::new(database.clone(), catalog.clone(), inventory.clone(), config.sales.warm_ahead),
    };
    let jobs = routine.jobs(&config)?;
    let jobs = Jobs::new(database.clone(), locks.clone(), tasks.clone(), stopping.clone(), jobs);
    jobs.start();

    Ok(App::new(Inner {
        config,
        folder,
        database,
        users,
        vault,
        api_limits,
        codes,
        federation,
        degrade,
        identities,
        attempts,
        admission,
        accounts: OnceLock::new(),
        office,
        merchants,
        prices,
        catalog,
        pictures,
        caches,
        search,
        ledger,
        flash_ledger,
        inventory,
        funnel,
        screens,
        orders,
        payments,
        refunds,
        tickets,
        notices,
        statements,
        mock_provider,
        auditor,
        jobs,
        stock_reports,
        breakers,
        queues,
        outbox,
        timeouts,
        relay,
        sole,
        locks,
        tasks,
        warmth: Warmth::default(),
        stopping,
    }))
}

/// Codes by mail; whoever registers needs one where mails can be sent.
fn codes(config: &Config, users: &Users, letters: &Letters, tasks: &TaskTracker) -> Result<MailCodes, Failure> {
    let required = config.accounts.confirm.unwrap_or(letters.delivers());
    if required && !letters.delivers() {
        return Err("accounts.confirm: set notification.email, so that codes can be sent".into());
    }
    Ok(MailCodes::new(users, letters, tasks, required)?)
}

/// Who matches texts, and what guards it where it is a server.
fn search_engine(config: &Config) -> Result<(Arc<dyn SearchEngine>, Option<Circuit>), Failure> {
    Ok(match &config.search.opensearch {
        None => (Arc::new(TextIndex::default()), None),
        Some(server) => {
            let server = OpenSearch::new(server)?;
            let circuit = server.circuit();
            (Arc::new(server), Some(circuit))
        }
    })
}

/// Roles, and the signal that other processes hear of changes by.
async fn office(config: &Config, database: &Database) -> Result<Office, Failure> {
    let office = Office::open(&config.data, database).await?;
    match config.ledger.provider {
        Provider::Memory => Ok(office),
        Provider::Redis => {
            let channel = format!("{}:roles", secret::platform_id(&config.data)?);
            Ok(office.with_signal(&config.redis, &channel).await?)
        }
    }
}

/// What processes may have to share.
struct Shared {
    ledger: Arc<dyn SeatLedger>,
    /// What guards it.
    breakers: Vec<Circuit>,
    /// Who may rebuild a ledger, who sweeps.
    locks: LockManager,
    /// What became of messages.
    lives: Arc<dyn TraceStore>,
    /// Delivers the time-outs of orders.
    timeouts: DelayQueue,
    /// Arms them.
    armed: Timeouts,
    /// Moves them to where they are delivered, if that is not the database.
    relay: Option<RunningRelay>,
    /// How often somebody may do something.
    limiter: RateLimiter,
    /// What ordinary shows have for themselves.
    show: Domain,
    /// Who reserved.
    reservations: Reservations,
}

/// Everything in this process and in the database.
async fn embedded(
    config: &Config,
    messages: &Messages,
    database: &Database,
    funnel: &Funnel,
) -> Result<Shared, Failure> {
    // Of one process, and no work for the database; see decision 0045.
    let lives: Arc<dyn TraceStore> = Arc::new(MemoryTrace::new());
    let armed = match config.delay_queue.provider()? {
        QueueProvider::Redis | QueueProvider::RabbitMq => elsewhere(connect_queue(config).await?, messages, &lives)?,
        _ => in_database(config, messages, &lives)?,
    };
    let Armed { timeouts, armed, relay } = armed;
    let locks = config.lock.connect().await?.with_prefix("ticketing:");
    let limiter = rules(config)?.connect().await?;
    let show = domain(&limiter, Arc::new(MemoryRoom::default()), Answers::memory(), funnel);
    let reservations = Reservations::new(database.clone(), None)?;
    let ledger = Arc::new(MemoryLedger::default());
    let breakers = Vec::new();
    Ok(Shared { ledger, breakers, locks, lives, timeouts, armed, relay, limiter, show, reservations })
}

/// Everything that several processes share on one Redis server, under names of this platform.
async fn on_redis(
    config: &Config,
    messages: &Messages,
    database: &Database,
    funnel: &Funnel,
) -> Result<Shared, Failure> {
    let platform = secret::platform_id(&config.data)?;
    let redis = &config.redis;
    let connection = connected(redis).await?;
    let ledger = RedisLedger::new(redis.pinned_manager()?, redis.subscriber()?).with_prefix(format!("{platform}:v1:"));
    let locks = RedisLock::new(connection.clone())
        .with_subscriber(redis.subscriber()?)
        .with_namespace(format!("{platform}:lock"));
    let locks = config.lock.connect_with(locks)?;
    let rates = RedisRates::new(connection.clone(), redis.subscriber()?).with_namespace(format!("{platform}:rates"));
    let limiter = rules(config)?.builder(rates)?.start().await?;
    let show = domain(
        &limiter,
        Arc::new(RedisRoom::new(connection.clone(), format!("{platform}:room:"))),
        Answers::Redis(connection.clone(), format!("{platform}:challenge:")),
        funnel,
    );
    let filter = (connection.clone(), redis.subscriber()?, format!("{platform}:cache"));
    let reservations = Reservations::new(database.clone(), Some(filter))?;
    let lives: Arc<dyn TraceStore> =
        Arc::new(RedisTrace::new(connection.clone()).with_key_prefix(&format!("{platform}:lives")).keep(LIVES));
    let armed = match config.delay_queue.provider()? {
        QueueProvider::Redis => {
            let backend = RedisDelayQueue::new(connection)
                .with_subscriber(redis.subscriber()?)
                .with_key_prefix(&format!("{platform}:queue"));
            elsewhere(config.delay_queue.connect_with(backend), messages, &lives)?
        }
        QueueProvider::RabbitMq => elsewhere(connect_queue(config).await?, messages, &lives)?,
        _ => in_database(config, messages, &lives)?,
    };
    let Armed { timeouts, armed, relay } = armed;
    let ledger = GuardedLedger::new(Arc::new(ledger), "seat ledger");
    let (breakers, ledger) = (vec![ledger.circuit()], Arc::new(ledger));
    Ok(Shared { ledger, breakers, locks, lives, timeouts, armed, relay, limiter, show, reservations })
}

async fn connected(redis: &RedisConfig) -> Result<Connection, Failure> {
    redis.connect().await.map_err(|error| {
        let cause = chain(&error);
        format!("the Redis server that the configuration names in redis.url cannot be used: {cause}").into()
    })
}

/// Where the catalog is kept: in this process, and on Redis where others serve the same platform.
async fn caches(config: &Config) -> Result<CacheManager, Failure> {
    if config.embedded() {
        return Ok(CacheManager::local());
    }
    let platform = secret::platform_id(&config.data)?;
    let shared = RedisShared::new(connected(&config.redis).await?, config.redis.subscriber()?)
        .with_namespace(format!("{platform}:catalog"));
    Ok(CacheManager::builder().with_shared(shared).with_staleness_bound(BOUND).start().await?)
}

/// The domain of flash sales: everything of theirs on a server of their own.
async fn flash(config: &Config, redis: &RedisConfig, funnel: &Funnel) -> Result<(RedisLedger, Domain), Failure> {
    let platform = secret::platform_id(&config.data)?;
    // Not waited for: the shows sell whether it is there or not.
    let connection = redis.connect_lazy()?;
    let prefix = format!("{platform}:flash");
    let ledger = RedisLedger::new(redis.pinned_manager()?, redis.subscriber()?).with_prefix(format!("{prefix}:v1:"));
    let rates = RedisRates::new(connection.clone(), redis.subscriber()?).with_namespace(format!("{prefix}:rates"));
    let limiter = rules(config)?.builder(rates)?.start().await?;
    let room = Arc::new(RedisRoom::new(connection.clone(), format!("{prefix}:room:")));
    let answers = Answers::Redis(connection, format!("{prefix}:challenge:"));
    Ok((ledger, domain(&limiter, room, answers, funnel)))
}

fn domain(limiter: &RateLimiter, room: Arc<dyn WaitingRoom>, answers: Answers, funnel: &Funnel) -> Domain {
    Domain {
        limits: Limits::new(limiter.clone()),
        behaviour: Behaviour::new(limiter.clone()),
        rooms: Rooms::new(room).with_funnel(funnel.clone()),
        puzzles: Puzzles::new(answers),
    }
}

/// The limits of the configuration, and ours where it has none of the same name.
fn rules(config: &Config) -> Result<RateLimitConfig, Failure> {
    let sign_in = config.rate_limit.clone().with_default_rules(&user::default_rules()?);
    Ok(sign_in.with_default_rules(&admission::limits::default_rules()?))
}

/// Known to every process of the platform: derived from the secret of access tokens, or kept in the data folder.
fn admission_secret(config: &Config) -> Result<secrecy::SecretString, Failure> {
    match &config.auth.jwt.secret {
        Some(secret) => Ok(secret.clone()),
        None => Ok(secret::load_or_create(&config.data, secret::ADMISSION)?),
    }
}

/// The time-outs of orders: who arms them, who delivers them, and who carries them from the one to the other.
struct Armed {
    timeouts: DelayQueue,
    armed: Timeouts,
    relay: Option<RunningRelay>,
}

async fn connect_queue(config: &Config) -> Result<DelayQueue, Failure> {
    config.delay_queue.connect().await.map_err(|error| {
        let key = match config.delay_queue.provider() {
            Ok(QueueProvider::RabbitMq) => "delay-queue.rabbitmq.url",
            _ => "delay-queue.redis.url",
        };
        let cause = chain(&error);
        format!("the server of the orders' time-outs that the configuration names in {key} cannot be used: {cause}")
            .into()
    })
}

fn elsewhere(timeouts: DelayQueue, messages: &Messages, lives: &Arc<dyn TraceStore>) -> Result<Armed, Failure> {
    let timeouts = timeouts.with_trace(Arc::clone(lives));
    let name = timeouts.name(TIMEOUT)?;
    let relay = Relay::new(messages.backend(), Arc::clone(timeouts.backend())).queue(name.clone())?.start()?;
    Ok(Armed { timeouts, armed: Timeouts::Relayed(messages.clone(), name), relay: Some(relay) })
}

fn in_database(config: &Config, messages: &Messages, lives: &Arc<dyn TraceStore>) -> Result<Armed, Failure> {
    let timeouts = config.delay_queue.connect_with(messages.backend()).with_trace(Arc::clone(lives));
    let name = timeouts.name(TIMEOUT)?;
    Ok(Armed { timeouts, armed: Timeouts::Database(messages.clone(), name), relay: None })
}

/// Where the messages of the outbox are, and those of time-outs.
fn queue_stores(config: &Config) -> Result<(QueueStore, QueueStore), Failure> {
    let database = match config.database.provider {
        DatabaseProvider::Sqlite => QueueStore::Sqlite,
        DatabaseProvider::Postgres => QueueStore::Postgres,
    };
    let timeouts = match config.delay_queue.provider()? {
        QueueProvider::Redis => QueueStore::Redis,
        QueueProvider::RabbitMq => QueueStore::Rabbitmq,
        _ => database,
    };
    Ok((database, timeouts))
}

/// Where orders are paid; whichever comes first is taken when a buyer names none.
fn providers(config: &Config, mock: Option<&MockProvider>, breakers: &mut Vec<Circuit>) -> Result<Providers, Failure> {
    let mut providers: Vec<Arc<dyn PaymentProvider>> = Vec::new();
    let here = config.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
    if let Some(account) = &config.payment.alipay {
        let alipay = Alipay::new(account, format!("{here}/api/v1/payments/alipay/callback"), format!("{here}/orders"))?;
        let alipay = Guarded::new(Arc::new(alipay));
        breakers.push(alipay.circuit());
        providers.push(Arc::new(alipay));
    }
    if let Some(account) = &config.payment.wechat {
        let wechat = WeChat::new(account, format!("{here}/api/v1/payments/wechat/callback"))?;
        let wechat = Guarded::new(Arc::new(wechat));
        breakers.push(wechat.circuit());
        providers.push(Arc::new(wechat));
    }
    if let Some(mock) = mock {
        providers.push(Arc::new(mock.clone()));
    }
    let providers = providers.into_iter().map(|provider| Arc::new(Traced::new(provider)) as _).collect();
    Providers::new(providers).ok_or_else(|| "payment: no provider is switched on".into())
}

fn tickets(config: &Config, database: &Database, outbox: Outbox) -> Result<Tickets, Failure> {
    let secret = match &config.ticket.secret {
        Some(secret) => secret.clone(),
        None => secret::load_or_create(&config.data, secret::TICKETS)?,
    };
    let earlier = config.ticket.previous_secrets.iter().map(|secret| secret.expose_secret().as_bytes());
    Ok(Tickets::new(database.clone(), Codes::new(secret.expose_secret().as_bytes(), earlier), outbox))
}

fn mock_provider(
    config: &Config,
    database: &Database,
    mut address: SocketAddr,
) -> Result<Option<MockProvider>, Failure> {
    if !config.payment.mock.enabled {
        return Ok(None);
    }
    let secret = match &config.payment.mock.secret {
        Some(secret) => secret.clone(),
        None => secret::load_or_create(&config.data, secret::MOCK_PAYMENT)?,
    };
    // "Every address of this machine" is no address to send to.
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let callback = format!("http://{address}/api/v1/payments/mock/callback");
    Ok(Some(MockProvider::new(database.clone(), callback, secret.expose_secret().as_bytes())?))
}
