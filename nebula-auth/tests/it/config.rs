//! Configuration.

use std::time::Duration;

use figment::{
    Figment,
    providers::{Format as _, Yaml},
};
use nebula_auth::{
    Auth, AuthConfig, ErrorKind, NewSession, PasswordPolicy, SessionStoreKind,
    rbac::{Actor, Permission, PermissionKey, PermissionPattern, UserId},
    secrecy::ExposeSecret as _,
};
use nebula_test_support::{eventually, redis_url, unique};

use crate::support;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "mZ3vK8tQ1xW6yR4pL9cN2bH7dF5gJ0sA+uE/iO1k";

/// What applications start from.
const SAMPLE: &str = r#"
nebula:
  auth:
    jwt:
      secret: "your-secret-key"
      expiration: 7200  # 2 hours
      refresh-expiration: 604800  # 7 days
    rbac:
      enabled: true
      cache-enabled: true
      cache-expiration: 1800  # 30 minutes
    mfa:
      enabled: false  # whether a second factor is demanded
"#;

fn parse(yaml: &str) -> Result<AuthConfig, Box<figment::Error>> {
    Figment::from(Yaml::string(yaml)).focus("nebula.auth").extract().map_err(Box::new)
}

fn jwt(rest: &str) -> AuthConfig {
    let lines: String = rest.lines().map(|line| format!("      {}\n", line.trim_start_matches("| "))).collect();
    parse(&format!("nebula:\n  auth:\n    jwt:\n{lines}")).unwrap_or_else(|error| panic!("{rest}: {error}"))
}

fn good() -> AuthConfig {
    jwt(&format!("secret: \"{SECRET}\"\nissuer: i\naudience: a"))
}

async fn refused(config: &AuthConfig) -> (ErrorKind, String) {
    let error = config.connect().await.unwrap_err();
    (error.kind(), error.to_string())
}

async fn works(auth: &Auth) {
    let pair = auth.sessions.start(NewSession::new("ann")).await.unwrap();
    let principal = auth.tokens.verify(pair.access_token.expose_secret()).await.unwrap().into_result().unwrap();
    assert_eq!(principal.subject(), "ann");
}

#[test]
fn the_sample_loads_unchanged() {
    let config = parse(SAMPLE).unwrap();
    assert_eq!(config.jwt.expiration, Duration::from_hours(2));
    assert_eq!(config.jwt.refresh_expiration, Duration::from_hours(7 * 24));
    assert_eq!(config.jwt.secret.as_ref().unwrap().expose_secret(), "your-secret-key");
    assert!(config.rbac.enabled && config.rbac.cache_enabled && !config.mfa.enabled);
    assert_eq!(config.rbac.cache_expiration, Duration::from_mins(30));
}

#[tokio::test]
async fn the_sample_secret_is_refused_with_what_to_do() {
    let (kind, text) = refused(&parse(SAMPLE).unwrap()).await;
    assert_eq!(kind, ErrorKind::WeakSecret);
    for part in ["nebula.auth.jwt.secret", "placeholder", "15 bytes where 32 are needed", "openssl rand -base64 48"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("your-secret-key"));
}

#[tokio::test]
async fn the_sample_with_a_real_secret_lacks_only_issuer_and_audience() {
    let yaml = SAMPLE.replace("your-secret-key", SECRET);
    let (kind, text) = refused(&parse(&yaml).unwrap()).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.jwt.issuer"), "{text}");
    let yaml = yaml.replace("    jwt:\n", "    jwt:\n      issuer: https://auth.example.org\n");
    let (kind, text) = refused(&parse(&yaml).unwrap()).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.jwt.audience"), "{text}");
    let yaml = yaml.replace("    jwt:\n", "    jwt:\n      audience: orders-api\n");
    let auth = parse(&yaml).unwrap().connect().await.unwrap();
    works(&auth).await;
    // And roles are what the sample says: on, and remembered.
    let evaluator = auth.permissions.unwrap();
    let (setup, ann, pattern) = (Actor::system("test"), UserId::new("ann").unwrap(), PermissionPattern::everything());
    evaluator.service().grant(&setup, &ann, &pattern, None).await.unwrap().into_result().unwrap();
    let key = PermissionKey::of(&Permission::new("config:any").unwrap());
    assert!(evaluator.check(&ann, key).await.unwrap());
    assert_eq!(evaluator.cached("ann", key), Some(true));
}

/// What `nebula.auth.rbac` says is what the evaluator does, on the configured database.
#[tokio::test]
async fn roles_are_configured() {
    let folder = tempfile::TempDir::new().unwrap();
    let url = folder.path().join("auth.db");
    let connect = async |rbac: &str| {
        let yaml = format!(
            "nebula:\n  auth:\n    jwt: {{ secret: \"{SECRET}\", issuer: i, audience: a }}\n    session: {{ store: sqlite, \
             url: \"{}\" }}\n    rbac: {{ {rbac} }}\n",
            url.display()
        );
        parse(&yaml).unwrap().connect().await.unwrap().permissions
    };
    assert!(connect("enabled: false").await.is_none());
    let key = PermissionKey::of(&Permission::new("config:any").unwrap());
    let ann = UserId::new("ann").unwrap();
    {
        let first = connect("enabled: true").await.unwrap();
        for id in ["ann", "bob", "cid"] {
            let (setup, id) = (Actor::system("test"), UserId::new(id).unwrap());
            let pattern = PermissionPattern::new("config:*").unwrap();
            first.service().grant(&setup, &id, &pattern, None).await.unwrap().into_result().unwrap();
        }
    }
    // Read at start, as many as asked for.
    assert_eq!(connect("enabled: true").await.unwrap().cached_users(), 3);
    assert_eq!(connect("enabled: true, preload: 2").await.unwrap().cached_users(), 2);
    let slow = connect("enabled: true, preload: 0, cache-expiration: 1800").await.unwrap();
    assert_eq!((slow.cached_users(), slow.cached("ann", key)), (0, None));
    assert!(slow.check(&ann, key).await.unwrap());
    // No cache: every check asks the database.
    for off in ["enabled: true, cache-enabled: false", "enabled: true, cache-expiration: 0"] {
        let uncached = connect(off).await.unwrap();
        assert!(uncached.check(&ann, key).await.unwrap());
        assert_eq!(uncached.cached("ann", key), None, "{off}");
        assert!(uncached.check(&ann, key).await.unwrap());
    }
}

/// A database that is named and not used would be a surprise at the first restart.
#[tokio::test]
async fn a_database_without_its_kind_is_refused() {
    let yaml = |session: &str, rbac: &str| {
        format!(
            "nebula:\n  auth:\n    jwt: {{ secret: \"{SECRET}\", issuer: i, audience: a }}\n    session: {{ {session} }}\n    \
             rbac: {{ {rbac} }}\n"
        )
    };
    for session in ["url: \"postgres://app:hunter2@db/app\"", "store: memory, url: auth.db"] {
        let (kind, text) = refused(&parse(&yaml(session, "")).unwrap()).await;
        assert_eq!(kind, ErrorKind::Config);
        for part in ["nebula.auth.session.url", "nebula.auth.session.store", "sqlite", "postgres", "mysql"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
    // Nor can others see what is in this process.
    let redis = "enabled: true, redis: { url: \"redis://127.0.0.1:1/\" }";
    let (kind, text) = refused(&parse(&yaml("", redis)).unwrap()).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.rbac.redis is set"), "{text}");
    let (kind, text) = refused(&parse(&yaml("", "enabled: true, redis-key: x")).unwrap()).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.rbac.redis-key"), "{text}");
}

/// Two applications by the same configuration: what one has read the other finds on Redis, and what it changes the other hears.
#[tokio::test]
async fn processes_share_what_they_know_over_redis() {
    let (folder, redis) = (tempfile::TempDir::new().unwrap(), redis_url().await);
    let prefix = unique("auth");
    let connect = async |key: &str| {
        let yaml = format!(
            "nebula:\n  auth:\n    jwt: {{ secret: \"{SECRET}\", issuer: i, audience: a }}\n    session: {{ store: sqlite, url: \
             \"{}\" }}\n    rbac: {{ enabled: true, preload: 0, redis: {{ url: \"{redis}\" }}, redis-prefix: \"{prefix}\", \
             redis-key: \"{key}\" }}\n",
            folder.path().join("auth.db").display()
        );
        parse(&yaml).unwrap().connect().await.map(|auth| auth.permissions.unwrap())
    };
    let weak = connect("changeme").await.unwrap_err();
    assert!(weak.kind() == ErrorKind::WeakSecret && weak.to_string().contains("nebula.auth.rbac.redis-key"), "{weak}");
    let (here, there) = (connect(SECRET).await.unwrap(), connect(SECRET).await.unwrap());
    let key = PermissionKey::of(&Permission::new("config:shared").unwrap());
    let (setup, ann) = (Actor::system("test"), UserId::new("ann").unwrap());
    let pattern = PermissionPattern::new("config:*").unwrap();
    here.service().grant(&setup, &ann, &pattern, None).await.unwrap().into_result().unwrap();
    assert!(here.check(&ann, key).await.unwrap());
    let mut connection = nebula_redis::RedisConfig::new(&redis).connect().await.unwrap();
    let name = format!("{prefix}:user:ann");
    eventually(PATIENCE, || async {
        let mut connection = connection.clone();
        nebula_redis::redis::cmd("EXISTS").arg(&name).query_async::<bool>(&mut connection).await.unwrap()
    })
    .await;
    eventually(PATIENCE, || async { there.check(&ann, key).await.unwrap() }).await;
    here.service().revoke(&setup, &ann, &pattern).await.unwrap().into_result().unwrap();
    eventually(PATIENCE, || async { !there.check(&ann, key).await.unwrap() }).await;
    let channels: u64 = nebula_redis::redis::cmd("PUBSUB")
        .arg("NUMSUB")
        .arg(format!("{prefix}:changes"))
        .query_async::<(String, u64)>(&mut connection)
        .await
        .unwrap()
        .1;
    assert!(channels >= 1, "they listen");
}

#[tokio::test]
async fn durations_are_seconds_or_text() {
    let base = format!("secret: \"{SECRET}\"\nissuer: i\naudience: a\n");
    for expiration in ["3600", "\"3600\"", "1h", "\"60m\"", "59m 60s"] {
        let config = jwt(&format!("{base}expiration: {expiration}"));
        assert_eq!(config.connect().await.unwrap().tokens.access_ttl(), Duration::from_hours(1), "{expiration}");
    }
    for expiration in ["-1", "1.5", "soon", "true", "[1]"] {
        let yaml = format!("nebula:\n  auth:\n    jwt:\n      expiration: {expiration}\n");
        assert!(parse(&yaml).is_err(), "{expiration}");
    }
}

#[tokio::test]
async fn lifetimes_out_of_bounds_are_refused() {
    let base = format!("secret: \"{SECRET}\"\nissuer: i\naudience: a\n");
    for bad in [
        "expiration: 0",
        "expiration: 86401",
        "expiration: 25h",
        "refresh-expiration: 0",
        "refresh-expiration: 60",
        "refresh-expiration: 400d",
        "leeway: 61",
    ] {
        let (kind, text) = refused(&jwt(&format!("{base}{bad}"))).await;
        assert_eq!(kind, ErrorKind::Config, "{bad}: {text}");
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for (section, key) in [
        ("jwt", "expiraton: 1"),
        ("session", "stor: memory"),
        ("password", "pases: 1"),
        ("mfa", "x: 1"),
        ("rbac", "x: 1"),
    ] {
        let yaml = format!("nebula:\n  auth:\n    jwt: {{}}\n    {section}:\n      {key}\n");
        let yaml = if section == "jwt" { yaml.replace("    jwt: {}\n", "") } else { yaml };
        let text = parse(&yaml).unwrap_err().to_string();
        assert!(text.contains(key.split(':').next().unwrap()), "{text}");
    }
    assert!(parse("nebula:\n  auth:\n    jwt: {}\n    saml: {}\n").is_err());
}

#[tokio::test]
async fn exactly_one_signing_key_is_needed() {
    let names = "issuer: i\naudience: a\n";
    let (kind, text) = refused(&jwt(names)).await;
    assert!(kind == ErrorKind::Config && text.contains("exactly one of nebula.auth.jwt.secret"), "{text}");
    let pem = support::ED25519_PRIVATE.replace('\n', "\\n");
    let key = format!("private-key: \"{pem}\"\n");
    assert_eq!(refused(&jwt(&format!("{names}{key}secret: \"{SECRET}\""))).await.0, ErrorKind::Config);
    let (kind, text) = refused(&jwt(&format!("{names}{key}"))).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.jwt.key-id"), "{text}");
    works(&jwt(&format!("{names}{key}key-id: \"2026-11\"")).connect().await.unwrap()).await;
    assert_eq!(refused(&jwt(&format!("{names}{key}key-id: k\nalgorithm: ES256"))).await.0, ErrorKind::InvalidKey);
    assert_eq!(refused(&jwt(&format!("{names}secret: \"{SECRET}\"\nalgorithm: EdDSA"))).await.0, ErrorKind::InvalidKey);
}

#[tokio::test]
async fn replaced_secrets_and_foreign_keys_still_verify() {
    let old = good().connect().await.unwrap();
    let issued = old.tokens.issue(&nebula_auth::AccessGrant::new("ann")).unwrap();
    let pem = support::P256_PUBLIC.replace('\n', "\\n");
    let new = jwt(&format!(
        "secret: \"{}\"\nprevious-secrets: [\"{SECRET}\"]\nissuer: i\naudience: a\n\
         public-keys:\n|   - key-id: partner\n|     algorithm: ES256\n|     pem: \"{pem}\"",
        "A9sD8fG7hJ6kL5qW4eR3tY2uI1oP0zX-cV_bN+mQ"
    ));
    let new = new.connect().await.unwrap();
    assert!(new.tokens.verify_offline(issued.token.expose_secret()).is_ok());
    assert_eq!(new.tokens.keys().jwks()["keys"][0]["kid"], "partner");
    let weak = jwt(&format!("secret: \"{SECRET}\"\nprevious-secrets: [\"changeme\"]\nissuer: i\naudience: a"));
    assert_eq!(refused(&weak).await.0, ErrorKind::WeakSecret);
    let twice = jwt(&format!("secret: \"{SECRET}\"\nprevious-secrets: [\"{SECRET}\"]\nissuer: i\naudience: a"));
    assert_eq!(refused(&twice).await.0, ErrorKind::InvalidKey);
}

#[tokio::test]
async fn password_settings_have_a_floor() {
    let mut config = good();
    config.password.memory_kib = 1024;
    assert_eq!(refused(&config).await.0, ErrorKind::Config);
    let mut config = good();
    config.password.min_length = 4;
    assert_eq!(refused(&config).await.0, ErrorKind::Config);
    let mut config = good();
    config.password.max_concurrent = Some(0);
    assert_eq!(refused(&config).await.0, ErrorKind::Config);
    let mut config = good();
    (config.password.memory_kib, config.password.passes, config.password.min_length) = (12_288, 3, 15);
    let auth = config.connect().await.unwrap();
    assert_eq!((auth.passwords.params().memory_kib(), auth.passwords.params().passes()), (12_288, 3));
    assert_eq!(auth.passwords.policy(), PasswordPolicy::new(15, 1024).unwrap());
}

#[tokio::test]
async fn second_factors_need_a_key_and_a_store_that_survives() {
    let mut config = good();
    config.mfa.required = true;
    let (kind, text) = refused(&config).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.mfa.enabled"), "{text}");
    config.mfa.enabled = true;
    let (kind, text) = refused(&config).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.mfa.key"), "{text}");
    config.mfa.key = Some("your-secret-key".into());
    let (kind, text) = refused(&config).await;
    assert!(kind == ErrorKind::WeakSecret && text.contains("nebula.auth.mfa.key"), "{text}");
    config.mfa.key = Some(SECRET.into());
    let (kind, text) = refused(&config).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.session.store"), "{text}");
    for (skew, codes) in [(3, 10), (1, 0), (1, 21)] {
        let mut config = config.clone();
        (config.mfa.skew, config.mfa.recovery_codes) = (skew, codes);
        let stores = (nebula_auth::MemoryRefreshStore::new(), nebula_auth::proof::MemoryProofStore::new());
        assert_eq!(config.connect_with_stores(stores.0, stores.1).unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn the_keys_of_further_factors_are_read() {
    let yaml = format!(
        "
nebula:
  auth:
    jwt: {{ secret: \"{SECRET}\", issuer: i, audience: a, verified-cache: 1000 }}
    mfa:
      enabled: true
      required: true
      key: \"{SECRET}\"
      issuer: Shop
      skew: 0
      recovery-codes: 8
      code: {{ digits: 8, expiration: 600, attempts: 3, cool-down: 90s }}
    throttle: {{ attempts: 3, source-attempts: 30, first-wait: 2, longest-wait: 10m, forget: 2h }}
    oidc:
      keycloak: {{ issuer: \"https://a.test\", client-id: shop, redirect-uri: \"https://b.test/c\", client-secret: hidden }}
"
    );
    let config = parse(&yaml).unwrap();
    assert!(config.mfa.enabled && config.mfa.required && (config.mfa.skew, config.mfa.recovery_codes) == (0, 8));
    let code = &config.mfa.code;
    assert_eq!((code.digits, code.expiration, code.attempts), (8, Duration::from_mins(10), 3));
    assert_eq!(code.cool_down, Duration::from_secs(90));
    let throttle = &config.throttle;
    assert_eq!((throttle.attempts, throttle.source_attempts, throttle.first_wait), (3, 30, Duration::from_secs(2)));
    assert_eq!((throttle.longest_wait, throttle.forget), (Duration::from_mins(10), Duration::from_hours(2)));
    assert_eq!((config.jwt.verified_cache, config.oidc["keycloak"].client_id.as_str()), (Some(1000), "shop"));
    assert_eq!(config.oidc["keycloak"].scopes, ["profile", "email"]);
    assert!(!format!("{config:?}").contains("hidden"));
}

#[tokio::test]
async fn waits_out_of_bounds_are_refused() {
    let change: [fn(&mut AuthConfig); 4] = [
        |config| config.throttle.attempts = 0,
        |config| config.throttle.source_attempts = 0,
        |config| config.throttle.first_wait = Duration::ZERO,
        |config| config.throttle.forget = Duration::from_secs(1),
    ];
    for change in change {
        let mut config = good();
        change(&mut config);
        assert_eq!(refused(&config).await.0, ErrorKind::Config);
    }
}

#[derive(Debug)]
struct OnlyAnn(nebula_auth::PasswordHash);

#[async_trait::async_trait]
impl nebula_auth::PasswordAccounts for OnlyAnn {
    async fn find(&self, name: &str) -> Result<Option<nebula_auth::PasswordAccount>, nebula_auth::Error> {
        Ok((name == "ann").then(|| nebula_auth::PasswordAccount {
            subject: "1".to_owned(),
            hash: self.0.clone(),
            active: true,
            permission_version: None,
        }))
    }

    async fn replace_hash(
        &self,
        _: &str,
        _: &nebula_auth::PasswordHash,
        _: &nebula_auth::PasswordHash,
    ) -> Result<(), nebula_auth::Error> {
        Ok(())
    }
}

/// From the configuration to a login with a second factor that survives a restart.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_login_asks_for_the_second_factor_also_after_a_restart() {
    use nebula_auth::{AuthMethod, Authentication, Credentials, mfa::TotpParams};

    let folder = tempfile::tempdir().unwrap();
    let mut config = good();
    config.session.store = SessionStoreKind::Sqlite;
    config.session.url = Some(folder.path().join("auth.db").to_str().unwrap().into());
    (config.mfa.enabled, config.mfa.key) = (true, Some(SECRET.into()));
    let auth = config.connect().await.unwrap();
    let hash = auth.passwords.hash("correct horse battery staple".into()).await.unwrap().into_result().unwrap();
    let right = Credentials::password("ann", "correct horse battery staple");
    let first = auth.login(OnlyAnn(hash.clone())).authenticate(&right).await.unwrap();
    assert!(matches!(first, Authentication::Authenticated(_)), "{first:?}");
    let pair = auth.sessions.start(NewSession::new("1").methods([AuthMethod::Password])).await.unwrap();
    let totp = auth.totp.as_ref().unwrap();
    let enrolment = totp.enrol(&pair.principal, "ann").await.unwrap().unwrap();
    assert!(enrolment.uri().expose_secret().starts_with("otpauth://totp/i:ann?"));
    let secret = data_encoding::BASE32_NOPAD.decode(enrolment.secret().expose_secret().as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let code = TotpParams::default().code_at(&secret, now).into();
    let recovery = totp.confirm(&pair.principal, &code).await.unwrap().unwrap();

    drop(auth);
    let auth = config.connect().await.unwrap();
    let login = auth.login(OnlyAnn(hash));
    let Authentication::SecondFactor(challenge) = login.authenticate(&right).await.unwrap() else { panic!() };
    let answer = Credentials::one_time_code(challenge.challenge, recovery.codes()[0].clone());
    let Authentication::Authenticated(who) = login.authenticate(&answer).await.unwrap() else { panic!() };
    assert_eq!(who.methods, [AuthMethod::Password, AuthMethod::RecoveryCode, AuthMethod::MultiFactor]);
}

#[tokio::test]
async fn the_session_check_can_be_switched_off() {
    for (check, accepted) in [(true, false), (false, true)] {
        let mut config = good();
        config.session.check = check;
        let auth = config.connect().await.unwrap();
        let pair = auth.sessions.start(NewSession::new("ann")).await.unwrap();
        auth.sessions.revoke_all("ann", nebula_auth::RevokeReason::Logout).await.unwrap();
        let verdict = auth.tokens.verify(pair.access_token.expose_secret()).await.unwrap();
        assert_eq!(verdict.into_result().is_ok(), accepted);
    }
}

#[test]
fn the_store_is_named_in_lower_case() {
    let yaml = |store: &str| format!("nebula:\n  auth:\n    jwt: {{}}\n    session:\n      store: {store}\n");
    assert_eq!(parse(&yaml("sqlite")).unwrap().session.store, SessionStoreKind::Sqlite);
    assert_eq!(parse(&yaml("postgres")).unwrap().session.store, SessionStoreKind::Postgres);
    assert_eq!(parse(&yaml("mariadb")).unwrap().session.store, SessionStoreKind::Mysql);
    assert_eq!(parse(&yaml("memory")).unwrap().session.store, SessionStoreKind::Memory);
    assert!(parse(&yaml("cassandra")).unwrap_err().to_string().contains("sqlite"));
}

#[cfg(not(feature = "sqlite"))]
#[tokio::test]
async fn a_store_that_is_compiled_out_names_its_feature() {
    let mut config = good();
    config.session.store = SessionStoreKind::Sqlite;
    let (kind, text) = refused(&config).await;
    assert_eq!(kind, ErrorKind::NotCompiledIn);
    assert!(text.contains("feature `sqlite`") && text.contains("compiled in: `memory`"), "{text}");
}

#[cfg(all(feature = "postgres", feature = "mysql"))]
#[tokio::test]
async fn sessions_live_in_servers_too() {
    let servers = [
        (SessionStoreKind::Postgres, nebula_test_support::postgres_database().await),
        (SessionStoreKind::Mysql, nebula_test_support::mariadb_database().await),
    ];
    for (store, url) in servers {
        let mut config = good();
        config.session.store = store;
        config.session.url = Some("no url: secret".into());
        let (kind, text) = refused(&config).await;
        assert!(kind == ErrorKind::Config && !text.contains("secret"), "{text}");
        config.session.url = Some(url.into());
        works(&config.connect().await.unwrap()).await;
        works(&config.connect().await.unwrap()).await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sessions_in_sqlite_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db").to_str().unwrap().to_owned();
    let mut config = good();
    config.session.store = SessionStoreKind::Sqlite;
    let (kind, text) = refused(&config).await;
    assert!(kind == ErrorKind::Config && text.contains("nebula.auth.session.url"), "{text}");
    config.session.url = Some("sqlite::memory:".into());
    assert_eq!(refused(&config).await.0, ErrorKind::Config);
    config.session.url = Some(format!("{}/no/such/folder/x.db", folder.path().display()).into());
    assert_eq!(refused(&config).await.0, ErrorKind::Unavailable);

    let options = nebula_auth::RefreshOptions::new;
    let mut token = None;
    for url in [path.clone(), format!("sqlite:{path}"), format!("sqlite://{path}")] {
        config.session.url = Some(url.into());
        let auth = config.connect().await.unwrap();
        works(&auth).await;
        let pair = match token {
            None => auth.sessions.start(NewSession::new("bob")).await.unwrap(),
            Some(token) => auth.sessions.refresh(&token, options()).await.unwrap().into_result().unwrap(),
        };
        token = Some(pair.refresh_token);
    }
}
