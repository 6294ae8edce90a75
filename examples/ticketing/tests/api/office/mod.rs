//! The back office: who may do what, at once, and written down.

mod fields;

use crate::common::{PASSWORD, TestApp, expect, expect_problem};
use nebula_auth::{
    audit::AuditQuery,
    rbac::{Actor, Permission, PermissionPattern, RbacService, ResourceId, Role, RoleName, SqlRbacStore},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;
use ticketing::{
    config::{Config, DatabaseProvider},
    ids::UserId,
    office::Reach,
    problem::Code,
};

const REHEARSAL: &str = "/admin/rehearsals";

#[tokio::test]
async fn each_role_may_do_its_own_and_nothing_else() {
    let app = TestApp::start().await;
    let hall = app.hall(10).await;
    let rehearsal = json!({ "users": 1, "seats": 1, "hold_seconds": 60 });
    let audit = format!("/admin/sessions/{hall}/audit");
    expect_problem(app.post(REHEARSAL, &rehearsal).await, Code::Unauthenticated).await;
    // Role, then: rehearse, audit a sale, see users, see the log.
    for (role, allowed) in [
        ("platform-operations", [true, true, true, true]),
        ("merchant-admin", [false, true, false, false]),
        ("box-office", [false, true, false, false]),
        ("finance", [false, true, false, false]),
        ("support", [false, false, false, false]),
        ("", [false, false, false, false]),
    ] {
        let email = format!("{}@example.com", if role.is_empty() { "buyer" } else { role });
        let who = if role.is_empty() { app.register(&email).await } else { app.register_staff(&email, role).await };
        let answers = [
            app.post_as(&who, REHEARSAL, &rehearsal).await,
            app.get_as(&who, &audit).await,
            app.get_as(&who, "//admin/access/users").await,
            app.get_as(&who, "//admin/access/audit").await,
        ];
        for (response, allowed) in answers.into_iter().zip(allowed) {
            let url = response.url().clone();
            assert_eq!(response.status().is_success(), allowed, "{role} {url}");
            if !allowed {
                let problem = expect_problem(response, Code::Forbidden).await;
                assert!(problem["request_id"].is_string(), "{problem}");
            }
        }
        let me = expect(app.get_as(&who, "/me").await, StatusCode::OK).await;
        let roles: Vec<_> = me["roles"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(roles.contains(&role), !role.is_empty(), "{me}");
    }
}

#[tokio::test]
async fn what_is_taken_away_ends_at_once_and_is_written_down() {
    let app = TestApp::start().await;
    let (boss, clerk) =
        (app.register_admin("boss@example.com").await, app.register_staff("clerk@example.com", "box-office").await);
    let merchant = app.register_staff("merchant@example.com", "merchant-admin").await;
    let hall = app.hall(10).await;
    let audit = format!("/admin/sessions/{hall}/audit");
    expect(app.get_as(&clerk, &audit).await, StatusCode::OK).await;

    let access = |method: Method, who: &crate::common::Account, path: String| {
        let request = app.request(method, &format!("//admin/access{path}")).bearer_auth(&who.access);
        let request = request.header("x-request-id", "office-1");
        async move { request.json(&json!({})).send().await.unwrap() }
    };
    let role = |role: &str| format!("/users/{}/roles/{role}", clerk.id);
    // Whoever takes the money does not settle it, and nobody gives what they do not have.
    let refused = expect(access(Method::PUT, &boss, role("finance")).await, StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "separation_of_duty");
    // Merchants give what is theirs at their own desk, and nothing elsewhere.
    expect_problem(access(Method::PUT, &merchant, role("support")).await, Code::Forbidden).await;
    let at_desk = |method: Method, role: &str| {
        let path = format!("/desk/nebula/staff/{}/roles/{role}", clerk.id);
        let request = app.request(method, &path).bearer_auth(&merchant.access).header("x-request-id", "office-1");
        async move { request.send().await.unwrap() }
    };
    let refused = expect_problem(at_desk(Method::PUT, "platform-operations").await, Code::InvalidValue).await;
    assert_eq!(refused["field"], "role");
    expect(at_desk(Method::PUT, "support").await, StatusCode::NO_CONTENT).await;
    // The token is the same as before.
    expect(at_desk(Method::DELETE, "box-office").await, StatusCode::NO_CONTENT).await;
    expect_problem(app.get_as(&clerk, &audit).await, Code::Forbidden).await;

    let log = expect(app.get_as(&boss, "//admin/access/audit?limit=12").await, StatusCode::OK).await;
    let has = |who: &crate::common::Account, key: &str, value: &str| {
        let who = Value::from(who.id.to_string());
        log["items"].as_array().unwrap().iter().any(|line| line["who"] == who && line[key] == value)
    };
    assert!(has(&clerk, "reason", "permission_denied"), "{log}");
    assert!(has(&boss, "reason", "separation_of_duty"), "{log}");
    assert!(has(&merchant, "what", "staff:take") && has(&merchant, "what", "staff:give"), "{log}");
    assert_eq!(log["items"][1]["request_id"], "office-1", "{log}");
    let verdict = expect(app.get_as(&boss, "//admin/access/audit/verification").await, StatusCode::OK).await;
    assert_eq!(verdict["intact"], true);

    // Somebody who works here can be signed out.
    let sessions = format!("/users/{}/sessions", clerk.id);
    expect(access(Method::DELETE, &boss, sessions).await, StatusCode::OK).await;
    expect_problem(app.get_as(&clerk, "/me").await, Code::TokenInvalid).await;
    app.login("clerk@example.com", PASSWORD).await;
}

#[tokio::test]
async fn roles_survive_a_restart_and_are_made_once() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let config = app.app.config.clone();
    let request = app.request(Method::DELETE, "//admin/access/roles/support").bearer_auth(&boss.access);
    let refused = expect(request.send().await.unwrap(), StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "in_use", "merchant administration inherits it");
    let path = "//admin/access/roles/merchant-admin/parents/support";
    let request = app.request(Method::DELETE, path).bearer_auth(&boss.access);
    expect(request.send().await.unwrap(), StatusCode::NO_CONTENT).await;
    let _folder = app.stop().await;
    let app = TestApp::start_on(config).await;
    let role = expect(app.get_as(&boss, "//admin/access/roles/merchant-admin").await, StatusCode::OK).await;
    assert_eq!(role["parents"], json!(["box-office"]), "what an administrator changed stays");
}

/// A platform as an earlier version left it: so many migrations, and these rows.
async fn former(migrations: usize, rows: &str) -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().to_owned(), ..Config::default() };
    if env!("CARGO_CRATE_NAME") == "postgres" {
        let url = nebula_test_support::postgres_database().await;
        let mut database = sqlx::PgConnection::connect(&url).await.unwrap();
        let known = [
            include_str!("../../../migrations/postgres/0001_init.sql"),
            include_str!("../../../migrations/postgres/0002_roles.sql"),
        ];
        let versions: Vec<_> = (1..=migrations).map(|version| format!("({version})")).collect();
        let versions = format!(
            "CREATE TABLE ticketing_schema (version BIGINT PRIMARY KEY); INSERT INTO ticketing_schema VALUES {};",
            versions.join(", ")
        );
        for sql in known.into_iter().take(migrations).chain([versions.as_str(), rows]) {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut database).await.unwrap();
        }
        config.database.provider = DatabaseProvider::Postgres;
        config.database.url = Some(url.into());
    } else {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(config.database_path()).create_if_missing(true);
        let mut database = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
        let known = [
            include_str!("../../../migrations/sqlite/0001_init.sql"),
            include_str!("../../../migrations/sqlite/0002_roles.sql"),
        ];
        let version = format!("PRAGMA user_version = {migrations};");
        for sql in known.into_iter().take(migrations).chain([version.as_str(), rows]) {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut database).await.unwrap();
        }
        database.close().await.unwrap();
    }
    (folder, config)
}

#[tokio::test]
async fn who_was_an_administrator_before_there_were_roles_is_one_after_the_upgrade() {
    let (boss, buyer) = (UserId::new(), UserId::new());
    let rows = format!(
        "INSERT INTO users (id, email, display_name, role, created_at)
         VALUES ('{boss}', 'boss@example.com', '', 'admin', 0), ('{buyer}', 'buyer@example.com', '', 'buyer', 0);
         INSERT INTO venues (id, name, created_at) VALUES ('v', 'House', 0);
         INSERT INTO plans (id, venue_id, name, width, height, areas, digest, created_at)
         VALUES ('p', 'v', 'House', 1, 1, '[]', '', 0);"
    );
    let (_folder, config) = former(1, &rows).await;
    for _ in 0..2 {
        let app = TestApp::start_on(config.clone()).await;
        assert_eq!(app.app.office.roles_of(boss).await.unwrap(), ["platform-operations"]);
        assert_eq!(app.app.office.roles_of(buyer).await.unwrap(), Vec::<String>::new());
        // What was there belongs to the platform's own merchant.
        let own = app.app.merchants.scope(&ticketing::ids::platform()).unwrap();
        let plans = own.query("SELECT p.id FROM plans p JOIN venues v ON v.id = p.venue_id WHERE v.name = 'House'");
        assert_eq!(plans.fetch_all(&app.app.database.read).await.unwrap().len(), 1);
        // Once: what is taken away afterwards stays away.
        assert_eq!(upgraded(&app).await, 1);
        app.stop().await;
    }
}

/// How many changes the log has of upgrades.
async fn upgraded(app: &TestApp) -> usize {
    let upgrades = AuditQuery { who: Some("system: upgrade".to_owned()), ..AuditQuery::default() };
    app.app.office.log().query(&upgrades).await.unwrap().entries.len()
}

/// The roles as the version before there were merchants made them, and who had them.
async fn former_roles(config: &Config, people: &[(UserId, &str)]) {
    let rbac = if let Some(url) = &config.database.url {
        let pool = sqlx::PgPool::connect(secrecy::ExposeSecret::expose_secret(url)).await.unwrap();
        SqlRbacStore::migrate(&pool).await.unwrap();
        RbacService::new(SqlRbacStore::new(pool))
    } else {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(config.data.join("access.db"));
        let pool = sqlx::SqlitePool::connect_with(file.create_if_missing(true)).await.unwrap();
        SqlRbacStore::migrate(&pool).await.unwrap();
        RbacService::new(SqlRbacStore::new(pool))
    };
    let start = Actor::system("start");
    let declared = ["rehearsal:create", "sale:audit"];
    for name in declared.iter().chain(nebula_auth::admin::permissions::PERMISSIONS) {
        let made = rbac.put_permission(&start, &Permission::new(*name).unwrap(), name).await.unwrap();
        made.into_result().unwrap();
    }
    for (name, parents, patterns) in [
        ("box-office", &[][..], &["sale:audit"][..]),
        ("finance", &[], &["auth:audit:read", "sale:audit"]),
        // Nobody needed support: it was removed.
        ("merchant-admin", &["box-office"], &["rbac:role:read", "rbac:user:*"]),
        ("platform-operations", &[], &["*"]),
        // An administrator's own.
        ("auditors", &[], &["sale:audit"]),
    ] {
        let patterns = patterns.iter().map(|pattern| PermissionPattern::new(pattern).unwrap());
        let mut role = Role::new(RoleName::new(name).unwrap()).with_permissions(patterns);
        for parent in parents {
            role = role.with_parent(RoleName::new(*parent).unwrap());
        }
        rbac.create_role(&start, role).await.unwrap().into_result().unwrap();
    }
    for (user, role) in people {
        let (user, role) = (user.to_string().parse().unwrap(), RoleName::new(*role).unwrap());
        rbac.assign_role(&start, &user, &role, None).await.unwrap().into_result().unwrap();
    }
}

#[tokio::test]
async fn a_platform_of_one_merchant_gets_what_is_new_once_and_keeps_what_was_changed() {
    let (boss, admin, books) = (UserId::new(), UserId::new(), UserId::new());
    let people = [(boss, "platform-operations"), (admin, "merchant-admin"), (books, "finance")];
    let rows: Vec<_> = people.iter().map(|(user, role)| format!("('{user}', '{role}@example.com', '', 0)")).collect();
    let rows = format!("INSERT INTO users (id, email, display_name, created_at) VALUES {};", rows.join(", "));
    let (_folder, config) = former(2, &rows).await;
    former_roles(&config, &people).await;

    let app = TestApp::start_on(config.clone()).await;
    let own = Reach::Own(ticketing::ids::platform());
    for (user, reach) in [(boss, Reach::All), (admin, own.clone()), (books, own.clone())] {
        assert_eq!(app.app.office.reach(user).await.unwrap(), reach);
    }
    let policy = app.app.office.service().policy().await.unwrap();
    let roles: Vec<_> = policy.roles.keys().map(RoleName::as_str).collect();
    let expected =
        ["auditors", "box-office", "door", "finance", "general-agent", "merchant-admin", "platform-operations"];
    assert_eq!(roles, expected);
    for permission in ticketing::office::PERMISSIONS {
        assert!(policy.permissions.contains_key(&Permission::new(permission).unwrap()), "{permission}");
    }
    for entry in ["desk", "door", "refunds", "statements", "admission", "blacklist", "queues", "stock", "system"] {
        assert!(policy.resources.contains_key(&ResourceId::new(entry).unwrap()), "{entry}");
    }
    let may = |user: UserId| {
        let office = app.app.office.clone();
        async move {
            let authority = office.service().authority(&user.to_string().parse().unwrap()).await.unwrap();
            move |permission: &str| {
                let permission = Permission::new(permission).unwrap();
                authority.permissions.iter().any(|pattern| pattern.covers(&permission))
            }
        }
    };
    let (admin_may, books_may) = (may(admin).await, may(books).await);
    assert!(["ticket:check-in", "catalog:publish", "admission:edit", "sale:audit"].into_iter().all(&admin_may));
    assert!(["refund:decide", "refund:read", "order:read"].into_iter().all(&books_may));
    // What reaches beyond a merchant is gone, and what is the platform's is not given.
    for permission in ["rbac:user:read", "rbac:role:read", "auth:audit:read", "blacklist:read", "limits:edit"]
        .into_iter()
        .chain(["statement:compare", "rehearsal:create", "merchant:manage", "account:manage"])
    {
        assert!(!admin_may(permission) && !books_may(permission), "{permission}");
    }
    let changes = upgraded(&app).await;
    assert!(changes > 0);
    // Somebody takes the new role away again.
    let door = RoleName::new("door").unwrap();
    let service = app.app.office.service();
    let by = Actor::system("test");
    let taken = service.remove_parent(&by, &RoleName::new("box-office").unwrap(), &door).await.unwrap();
    taken.into_result().unwrap();
    service.delete_role(&by, &door).await.unwrap().into_result().unwrap();
    app.stop().await;
    let app = TestApp::start_on(config).await;
    assert_eq!(upgraded(&app).await, changes, "once");
    let policy = app.app.office.service().policy().await.unwrap();
    assert!(!policy.roles.contains_key(&door), "what an administrator removed stays removed");
    assert_eq!(app.app.office.reach(admin).await.unwrap(), own);
}

#[tokio::test]
async fn the_page_and_its_document_are_there() {
    let app = TestApp::start().await;
    let page = app.get("//admin/access/page").await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "the page's own stands: {policy}");
    let document = expect(app.get("//admin/access/openapi.json").await, StatusCode::OK).await;
    assert!(document["paths"]["/users/{id}/roles/{role}"]["put"].is_object());
    let document = expect(app.get("//api/openapi.json").await, StatusCode::OK).await;
    for path in ["/api/v1/admin/rehearsals", "/api/v1/admin/sessions/{id}/audit"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
