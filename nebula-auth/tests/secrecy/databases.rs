//! No secret in what providers, the layer, the admin API and the stores see of it, on each database.

use axum::{body::Body, http::Request};
use nebula_auth::{
    AccessGrant, NewSession, RefreshOptions, RefreshStore, SessionService, SqlRefreshStore,
    admin::Admin,
    audit::{AuditLog, AuditSink, SqlAuditSink},
    axum::AuthLayer,
    mfa::{FactorKey, SecondFactor as _, Totp},
    oidc::{Callback, LoginRequest, OAuthClient, OAuthSettings, OAuthStyle, OAuthUser, OidcClient, OidcSettings},
    proof::{ProofStore, SqlProofStore},
    rbac::{
        Actor, EvaluatorOptions, PermissionEvaluator, PermissionPattern, RbacDatabase, RbacStore, SqlRbacStore, UserId,
    },
    secrecy::ExposeSecret as _,
    sqlx::{
        self, MySqlPool, PgPool, Pool,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
    testing::openid as provider,
};
use nebula_test_support::{mariadb_database, postgres_database};
use tower::ServiceExt as _;

use super::{Log, support::*};

/// What was shown while everything was done, and what must not be in it.
struct Seen {
    shown: String,
    secrets: Vec<String>,
}

/// Uses everything on that database, on the way through and on every way that ends early.
async fn everything<DB: RbacDatabase>(pool: Pool<DB>) -> Seen
where
    SqlRefreshStore<DB>: RefreshStore,
    SqlProofStore<DB>: ProofStore,
    SqlRbacStore<DB>: RbacStore,
    SqlAuditSink<DB>: AuditSink,
{
    let mut shown = String::new();
    let mut secrets = vec![provider::SECRET.to_owned(), provider::ACCESS.to_owned(), "wrong-client-secret".to_owned()];

    nebula_auth::migrate(&pool).await.unwrap();
    SqlRbacStore::migrate(&pool).await.unwrap();
    let proofs = SqlProofStore::new(pool.clone());
    let audit = AuditLog::new(SqlAuditSink::new(pool.clone()));

    // Providers.
    let server = provider::Provider::start().await.at(NOW);
    let (clock, at) = (nebula_auth::ManualClock::at_unix(NOW), |path: &str| format!("{}{path}", server.issuer()));
    for secret in [provider::SECRET, "wrong-client-secret"] {
        let oidc = OidcSettings::new(server.issuer(), provider::CLIENT, provider::REDIRECT).client_secret(secret);
        let client = OidcClient::discover(oidc, proofs.clone()).await.unwrap();
        let client = client.with_clock(clock.clone()).with_audit(audit.clone());
        let mut settings = OAuthSettings::github(provider::CLIENT, secret, provider::REDIRECT);
        settings.authorization_endpoint = at("/authorize");
        (settings.token_endpoint, settings.userinfo_endpoint) = (at("/token"), at("/user"));
        let mut wechat = OAuthSettings { style: OAuthStyle::WeChat, ..settings.clone() };
        wechat.scopes = vec!["snsapi_login".to_owned()];
        (wechat.token_endpoint, wechat.userinfo_endpoint) = (at("/sns/token"), at("/sns/user"));
        shown.push_str(&format!("{settings:?}{wechat:?}{client:?}"));
        let oauth = |settings| {
            let client = OAuthClient::new(settings, OAuthUser::from_github, proofs.clone()).unwrap();
            client.with_clock(clock.clone()).with_audit(audit.clone())
        };
        let (github, wechat) = (oauth(settings), oauth(wechat));
        for which in 0..3 {
            let begun = match which {
                0 => client.begin(LoginRequest::new()).await.unwrap(),
                1 => github.begin(LoginRequest::new()).await.unwrap(),
                _ => wechat.begin(LoginRequest::new()).await.unwrap(),
            };
            let good = if which == 2 { server.agree_at_wechat(&begun.url) } else { server.agree(&begun.url) };
            let made_up = Callback { state: "made up".to_owned(), ..good.clone() };
            secrets.push(begun.browser.expose_secret().to_owned());
            secrets.push(good.code.as_ref().unwrap().expose_secret().to_owned());
            for callback in [&made_up, &good, &good] {
                let outcome = match which {
                    0 => client.finish(callback, &begun.browser).await,
                    1 => github.finish(callback, &begun.browser).await,
                    _ => wechat.finish(callback, &begun.browser).await,
                };
                shown.push_str(&format!("{callback:?}{outcome:?}{begun:?}\n"));
                if let Err(error) = outcome {
                    shown.push_str(&format!("{error} {error:#?}\n"));
                }
            }
        }
    }

    // Sessions and factors in the database, the layer, and the admin API before them.
    let (tokens, _) = service();
    let sessions = SessionService::new(tokens.clone(), SqlRefreshStore::new(pool.clone())).with_audit(audit.clone());
    let tokens = tokens.with_session_check(sessions.session_check());
    let roles = SqlRbacStore::new(pool.clone());
    let evaluator = PermissionEvaluator::start(roles.clone(), EvaluatorOptions::new()).await.unwrap();
    let (root, all) = (UserId::new("root").unwrap(), PermissionPattern::everything());
    evaluator.service().grant(&Actor::system("test"), &root, &all, None).await.unwrap().into_result().unwrap();
    let pair = sessions.start(NewSession::new("root")).await.unwrap();
    let next = sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    let last = sessions.refresh(&next.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    let totp = Totp::new(proofs.clone(), FactorKey::generate().unwrap(), "Shop").with_clock(clock.clone());
    let totp = totp.with_audit(audit.clone());
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW);
    let grant = AccessGrant::new("root").authenticated(at, [nebula_auth::AuthMethod::Password]);
    let principal = tokens.issue(&grant).unwrap().principal;
    let enrolment = totp.enrol(&principal, "root").await.unwrap().unwrap();
    secrets.push(enrolment.secret().expose_secret().to_owned());
    let admin = Admin::new(&evaluator).with_sessions(sessions.clone()).with_audit(audit.clone());
    shown.push_str(&format!("{admin:?}{sessions:?}{proofs:?}{roles:?}{totp:?}{evaluator:?}{audit:?}\n"));
    let app = admin.routes::<()>().finish(AuthLayer::new(tokens, evaluator).with_audit(audit.clone()));
    let good = last.access_token.expose_secret().to_owned();
    let tampered = format!("{}AAAA", &good[..good.len() - 4]);
    let refresh = last.refresh_token.expose_secret().to_owned();
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for pair in [&pair, &next, &last] {
        secrets.extend([&pair.access_token, &pair.refresh_token].map(|token| signature(token.expose_secret())));
    }
    for token in [&good, &tampered, &refresh, "not-a-token-but-secret"] {
        for path in ["/users/root/sessions", "/audit", "/users", "/me", "/nowhere", "/users/root/authority"] {
            for uri in [path.to_owned(), format!("{path}?access_token={token}")] {
                let request = Request::get(&uri).header("authorization", format!("Bearer {token}"));
                let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
                shown.push_str(&format!("{:?}", response.headers()));
                let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
                shown.push_str(&String::from_utf8_lossy(&body));
            }
        }
    }
    secrets.extend([signature(&tampered), "not-a-token-but-secret".to_owned()]);
    // A database that is gone.
    pool.close().await;
    shown.push_str(&format!("{:?}", sessions.refresh(&last.refresh_token, RefreshOptions::new()).await.unwrap_err()));
    shown.push_str(&format!("{:?}", totp.check("root", &"000000".into()).await.unwrap_err()));
    Seen { shown, secrets }
}

impl Seen {
    /// Nothing of it in logs, `Debug`, errors, answers, the audit log, or the database.
    fn is_clean(&self, on: &str, log: &Log, stored: &str) {
        let Self { shown, secrets } = self;
        assert!(shown.contains("login:oidc") && shown.contains("login:oauth"), "the audit log was shown: {shown}");
        let log = String::from_utf8_lossy(&std::mem::take(&mut *log.0.lock().unwrap())).into_owned();
        assert!(log.contains("nebula_auth_session"), "{on}: statements were captured");
        assert!(stored.contains("login:oidc"), "{on}: what is stored was read");
        for secret in secrets {
            assert!(!log.contains(secret), "{on}, in the log: {secret}");
            assert!(!shown.contains(secret), "{on}, in Debug, an error or an answer: {secret}");
            assert!(!stored.contains(secret), "{on}, in the database: {secret}");
        }
    }
}

/// Every row of every table, with bytes as they are.
async fn rows_of_postgres(url: &str) -> String {
    let pool = PgPool::connect(url).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&pool)
        .await
        .unwrap();
    let mut stored = String::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT CASE data_type WHEN 'bytea' THEN 'encode(' || quote_ident(column_name) || ', ''escape'')' \
             ELSE quote_ident(column_name) || '::text' END FROM information_schema.columns WHERE table_name = $1",
        )
        .bind(&table)
        .fetch_all(&pool)
        .await
        .unwrap();
        let select = format!("SELECT concat_ws('|', {}) FROM {table}", columns.join(", "));
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(&pool).await.unwrap();
        stored.push_str(&rows.join("\n"));
    }
    stored
}

async fn rows_of_mariadb(url: &str) -> String {
    let pool = MySqlPool::connect(url).await.unwrap();
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(table_name AS CHAR), CAST(GROUP_CONCAT(CONCAT('`', column_name, '`')) AS CHAR) \
         FROM information_schema.columns WHERE table_schema = DATABASE() GROUP BY table_name",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut stored = String::new();
    for (table, columns) in tables {
        let select = format!("SELECT CAST(HEX(CONCAT_WS('|', {columns})) AS CHAR) FROM `{table}`");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(&pool).await.unwrap();
        for row in rows {
            let bytes = data_encoding::HEXUPPER.decode(row.as_bytes()).unwrap();
            stored.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    stored
}

#[tokio::test]
async fn providers_routes_and_databases_keep_secrets_to_themselves() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    // Drivers work on tasks and threads of their own.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("auth.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let seen = everything(SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap()).await;
    seen.is_clean("SQLite", &log, &String::from_utf8_lossy(&std::fs::read(&file).unwrap()));

    let url = postgres_database().await;
    let seen = everything(PgPool::connect(&url).await.unwrap()).await;
    seen.is_clean("PostgreSQL", &log, &rows_of_postgres(&url).await);

    let url = mariadb_database().await;
    let seen = everything(MySqlPool::connect(&url).await.unwrap()).await;
    seen.is_clean("MariaDB", &log, &rows_of_mariadb(&url).await);
}
