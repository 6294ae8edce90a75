//! Merchants: what is one's is nobody else's, who works where, and where buyers find them.

use crate::common::{Account, TestApp, expect, expect_problem};
use nebula_auth::audit::AuditQuery;
use nebula_tenant::TenantId;
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{ids::platform, problem::Code, storage::sql::query};

/// Generous: the machine may be busy with other tests.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn send(app: &TestApp, who: &Account, method: Method, path: &str, body: Value) -> Response {
    app.request(method, path).bearer_auth(&who.access).json(&body).send().await.unwrap()
}

/// A merchant of this name, with somebody who administers it.
async fn merchant(app: &TestApp, boss: &Account, name: &str) -> (TenantId, Account) {
    let body = json!({"id": name, "name": name, "name_zh": name, "domains": [format!("{name}.example")]});
    expect(app.post_as(boss, "/admin/merchants", &body).await, StatusCode::CREATED).await;
    let admin = app.register_at(&tenant(name), &format!("{name}@example.com"), "merchant-admin").await;
    (tenant(name), admin)
}

#[tokio::test]
async fn who_works_for_one_merchant_finds_nothing_of_another() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let (_, star) = merchant(&app, &boss, "star").await;
    let (_, moon) = merchant(&app, &boss, "moon").await;
    let session = app.hall(3).await;
    let invite = json!({"email": "new@example.com", "role": "support"});
    let invited = expect(app.post_as(&moon, "/desk/moon/invitations", &invite).await, StatusCode::CREATED).await;
    let invitation = invited["id"].as_str().unwrap();
    let role = |merchant: &str, who: &Account| format!("/desk/{merchant}/staff/{}/roles/support", who.id);

    for (method, path, body) in [
        (Method::GET, "/desk/moon/staff".to_owned(), json!({})),
        (Method::POST, "/desk/moon/invitations".to_owned(), invite.clone()),
        (Method::DELETE, format!("/desk/moon/invitations/{invitation}"), json!({})),
        // Under the own name the wall says the same.
        (Method::DELETE, format!("/desk/star/invitations/{invitation}"), json!({})),
        (Method::PUT, role("star", &moon), json!({})),
        (Method::DELETE, role("star", &moon), json!({})),
        (Method::PUT, role("moon", &moon), json!({})),
        // The hall is the platform's own.
        (Method::GET, format!("/admin/sessions/{session}/audit"), json!({})),
        (Method::GET, "/desk/nowhere/staff".to_owned(), json!({})),
        (Method::GET, "/desk/No%20Name/staff".to_owned(), json!({})),
    ] {
        let refused = send(&app, &star, method.clone(), &path, body).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{method} {path}");
        expect_problem(refused, Code::NotFound).await;
    }
    let staff = expect(app.get_as(&moon, "/desk/moon/staff").await, StatusCode::OK).await;
    assert_eq!(staff["staff"].as_array().unwrap().len(), 1, "{staff}");
    assert_eq!(staff["staff"][0]["roles"], json!(["merchant-admin"]), "{staff}");
    assert_eq!(staff["invitations"][0]["id"], invitation, "{staff}");
    // What reaches beyond a merchant is the platform's.
    for path in ["//admin/access/users", "//admin/access/audit", "/admin/merchants"] {
        expect_problem(app.get_as(&star, path).await, Code::Forbidden).await;
    }
    let buyer = app.register("buyer@example.com").await;
    expect_problem(app.get_as(&buyer, "/desk/star/staff").await, Code::Forbidden).await;
    expect_problem(app.get("/desk/star/staff").await, Code::Unauthenticated).await;
    let mine = expect(app.get_as(&buyer, "/desk").await, StatusCode::OK).await;
    assert_eq!(mine, json!({"merchants": [], "permissions": []}));

    // A statement of one merchant's that asks for everything gets that merchant's.
    let scope = app.app.merchants.scope(&tenant("star")).unwrap();
    let all = scope.query("SELECT id FROM sessions WHERE 1 = 1 OR id = $1").bind(session);
    assert!(all.fetch_all(&app.app.database.read).await.unwrap().is_empty());
    let own = app.app.merchants.scope(&platform()).unwrap();
    assert_eq!(own.query("SELECT id FROM sessions").fetch_all(&app.app.database.read).await.unwrap().len(), 1);
    let stolen = scope.query("UPDATE sessions SET hold_ms = 1 WHERE id = $1").bind(session);
    assert_eq!(stolen.execute(&app.app.database.queue).await.unwrap(), 0);
    assert!(scope.query("SELECT * FROM users").fetch_all(&app.app.database.read).await.is_err());
}

#[tokio::test]
async fn the_platform_enters_a_desk_and_leaves_a_trace() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let (_, star) = merchant(&app, &boss, "star").await;
    expect(app.get_as(&boss, "/desk/star/staff").await, StatusCode::OK).await;
    expect(app.get_as(&star, "/desk/star/staff").await, StatusCode::OK).await;
    let entered = AuditQuery { what: Some("merchant:enter".to_owned()), ..AuditQuery::default() };
    let entered = app.app.office.log().query(&entered).await.unwrap().entries;
    assert_eq!(entered.len(), 1, "whoever works there does not enter: {entered:?}");
    assert_eq!((entered[0].record.who.clone(), entered[0].record.on.as_str()), (boss.id.to_string(), "star"));
    expect_problem(app.get_as(&boss, "/desk/nowhere/staff").await, Code::NotFound).await;
    let desks = expect(app.get_as(&boss, "/desk").await, StatusCode::OK).await;
    let names: Vec<_> = desks["merchants"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(names, ["nebula", "star"]);

    // An agent works for all of them, and sees no more than an agent may.
    let agent = app.register("agent@example.com").await;
    app.app.office.assign_agent(agent.id).await.unwrap();
    let desks = expect(app.get_as(&agent, "/desk").await, StatusCode::OK).await;
    assert_eq!(desks["merchants"].as_array().unwrap().len(), 2, "{desks}");
    assert_eq!(
        desks["permissions"],
        json!(["admission:read", "refund:read", "sale:audit", "catalog:read", "order:read", "order:sell"])
    );
    expect_problem(app.get_as(&agent, "/desk/star/staff").await, Code::Forbidden).await;
}

#[tokio::test]
async fn an_administrator_invites_and_manages_the_staff() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let (_, star) = merchant(&app, &boss, "star").await;
    let (_, moon) = merchant(&app, &boss, "moon").await;
    for (body, field) in [
        (json!({"email": "no address", "role": "support"}), "email"),
        (json!({"email": "a@example.com", "role": "platform-operations"}), "role"),
    ] {
        let refused = app.post_as(&star, "/desk/star/invitations", &body).await;
        assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], field);
    }
    let body = json!({"email": "Clerk@example.com", "role": "box-office"});
    let invited = expect(app.post_as(&star, "/desk/star/invitations", &body).await, StatusCode::CREATED).await;
    let code = json!({"code": invited["code"]});

    // Only the account with that address, and only once.
    let thief = app.register("thief@example.com").await;
    expect_problem(app.post_as(&thief, "/invitations/accept", &code).await, Code::InvitationRefused).await;
    let clerk = app.register("clerk@example.com").await;
    let accepted = expect(app.post_as(&clerk, "/invitations/accept", &code).await, StatusCode::OK).await;
    assert_eq!(accepted, json!({"merchant": "star", "role": "box-office"}));
    expect_problem(app.post_as(&clerk, "/invitations/accept", &code).await, Code::InvitationRefused).await;
    let desks = expect(app.get_as(&clerk, "/desk").await, StatusCode::OK).await;
    assert_eq!(desks["merchants"][0]["id"], "star", "{desks}");

    // Nobody works for two.
    let body = json!({"email": "clerk@example.com", "role": "support"});
    let invited = expect(app.post_as(&moon, "/desk/moon/invitations", &body).await, StatusCode::CREATED).await;
    let code = json!({"code": invited["code"]});
    expect_problem(app.post_as(&clerk, "/invitations/accept", &code).await, Code::InvitationRefused).await;

    let role = |who: &Account, role: &str| format!("/desk/star/staff/{}/roles/{role}", who.id);
    let put = |path: String| send(&app, &star, Method::PUT, Box::leak(path.into_boxed_str()), json!({}));
    // Whoever takes the money does not settle it.
    expect_problem(put(role(&clerk, "finance")).await, Code::InvalidValue).await;
    expect_problem(put(role(&clerk, "general-agent")).await, Code::InvalidValue).await;
    expect(put(role(&clerk, "support")).await, StatusCode::NO_CONTENT).await;
    let own = send(&app, &star, Method::DELETE, &role(&star, "merchant-admin"), json!({})).await;
    expect_problem(own, Code::InvalidValue).await;
    for (gone, left) in [("support", 1), ("box-office", 0)] {
        let taken = send(&app, &star, Method::DELETE, &role(&clerk, gone), json!({})).await;
        expect(taken, StatusCode::NO_CONTENT).await;
        let desks = expect(app.get_as(&clerk, "/desk").await, StatusCode::OK).await;
        assert_eq!(desks["merchants"].as_array().unwrap().len(), left, "{desks}");
    }
    let taken = AuditQuery { what: Some("staff:take".to_owned()), ..AuditQuery::default() };
    assert_eq!(app.app.office.log().query(&taken).await.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn merchants_are_made_and_changed_by_the_platform() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    merchant(&app, &boss, "star").await;
    let again = json!({"id": "star", "name": "x", "name_zh": "x"});
    expect_problem(app.post_as(&boss, "/admin/merchants", &again).await, Code::NameTaken).await;
    let domain = json!({"id": "moon", "name": "x", "name_zh": "x", "domains": ["star.example"]});
    expect_problem(app.post_as(&boss, "/admin/merchants", &domain).await, Code::NameTaken).await;
    let odd = json!({"id": "No Name", "name": "x", "name_zh": "x"});
    expect_problem(app.post_as(&boss, "/admin/merchants", &odd).await, Code::InvalidValue).await;

    let change = |version: u64, suspended: bool| json!({"version": version, "name": "Star", "name_zh": "星", "domains": [], "suspended": suspended});
    let put = |path: &'static str, body| send(&app, &boss, Method::PUT, path, body);
    let changed = expect(put("/admin/merchants/star", change(1, false)).await, StatusCode::OK).await;
    assert_eq!((&changed["name"], &changed["version"]), (&json!("Star"), &json!(2)));
    expect_problem(put("/admin/merchants/star", change(1, false)).await, Code::VersionConflict).await;
    expect_problem(put("/admin/merchants/moon", change(1, false)).await, Code::NotFound).await;
    expect_problem(put("/admin/merchants/nebula", change(1, true)).await, Code::InvalidValue).await;
}

#[tokio::test]
async fn buyers_find_a_merchant_by_its_domain_and_by_its_path() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    merchant(&app, &boss, "star").await;
    let (ours, theirs) = (app.hall(1).await, app.hall(1).await);
    app.write(move |connection| {
        Box::pin(async move {
            for sql in [
                "UPDATE sessions SET tenant_id = 'star' WHERE id = $1",
                "UPDATE shows SET tenant_id = 'star' WHERE id = (SELECT show_id FROM sessions WHERE id = $1)",
            ] {
                query(sql).bind(theirs).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    app.app.catalog.forget_session(theirs).await;
    let list = |host: Option<&'static str>, path: &'static str| {
        let request = app.request(Method::GET, path);
        let request = match host {
            Some(host) => request.header("host", host),
            None => request,
        };
        async move {
            let body = expect(request.send().await.unwrap(), StatusCode::OK).await;
            let ids = body["shows"].as_array().unwrap().iter().map(|show| show["sessions"][0]["id"].clone());
            let mut ids: Vec<String> = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
            ids.sort_unstable();
            ids
        }
    };
    let (ours, theirs) = (ours.to_string(), theirs.to_string());
    let mut both = vec![ours.clone(), theirs.clone()];
    both.sort_unstable();
    assert_eq!(list(None, "/shows").await, both);
    assert_eq!(list(Some("star.example"), "/shows").await, std::slice::from_ref(&theirs));
    assert_eq!(list(Some("STAR.example:8080"), "/shows").await, std::slice::from_ref(&theirs));
    assert_eq!(list(Some("who.example"), "/shows").await, both);
    assert_eq!(list(None, "/m/star/shows").await, std::slice::from_ref(&theirs));
    assert_eq!(list(None, "/m/nebula/shows").await, std::slice::from_ref(&ours));
    for path in ["/m/nowhere/shows", "/m/No%20Name/shows"] {
        expect_problem(app.get(path).await, Code::NotFound).await;
    }
    // In one merchant's shop another's session is not there; on the platform's address it speaks for itself.
    let at_star = |path: String| app.request(Method::GET, &path).header("host", "star.example").send();
    let session = |id: &str| format!("/sessions/{id}");
    expect_problem(at_star(session(&ours)).await.unwrap(), Code::NotFound).await;
    expect_problem(at_star(format!("/sessions/{ours}/seatmap")).await.unwrap(), Code::NotFound).await;
    expect(at_star(session(&theirs)).await.unwrap(), StatusCode::OK).await;
    expect(app.get(&session(&theirs)).await, StatusCode::OK).await;

    // While it is suspended nothing of its is sold.
    let buyer = app.register("buyer@example.com").await;
    let change = json!({"version": 1, "name": "Star", "name_zh": "星", "domains": [], "suspended": true});
    expect(send(&app, &boss, Method::PUT, "/admin/merchants/star", change).await, StatusCode::OK).await;
    assert_eq!(list(None, "/shows").await, std::slice::from_ref(&ours));
    let wish = |session: &str| json!({"session_id": session, "seats": ["1-1"]});
    expect_problem(app.post_as(&buyer, "/orders", &wish(&theirs)).await, Code::NotFound).await;
    expect(app.post_as(&buyer, "/orders", &wish(&ours)).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn with_a_domain_of_its_own_the_platform_gives_subdomains_and_refuses_strangers() {
    let app = TestApp::start_with(|config| config.http.base_domain = Some("tickets.example".to_owned())).await;
    let boss = app.register_admin("boss@example.com").await;
    merchant(&app, &boss, "star").await;
    app.hall(1).await;
    for (host, status, shows) in [
        ("tickets.example", StatusCode::OK, 1),
        ("star.tickets.example", StatusCode::OK, 0),
        ("star.example", StatusCode::OK, 0),
        ("nebula.tickets.example", StatusCode::OK, 1),
        ("moon.tickets.example", StatusCode::NOT_FOUND, 0),
        ("who.example", StatusCode::NOT_FOUND, 0),
    ] {
        let answer = app.request(Method::GET, "/shows").header("host", host).send().await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["shows"].as_array().map_or(0, Vec::len), shows, "{host}");
    }
}

#[tokio::test]
async fn an_account_that_is_kept_out_is_out_at_once() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let buyer = app.register("buyer@example.com").await;
    let path = format!("/admin/accounts/{}", buyer.id);
    let standing = |disabled: bool| json!({"kind": "VIP", "disabled": disabled});
    expect_problem(send(&app, &buyer, Method::PUT, &path, standing(false)).await, Code::Forbidden).await;
    expect(send(&app, &boss, Method::PUT, &path, standing(true)).await, StatusCode::NO_CONTENT).await;
    expect_problem(app.get_as(&buyer, "/me").await, Code::TokenInvalid).await;
    let login = json!({"email": buyer.email, "password": crate::common::PASSWORD});
    expect_problem(app.post("/auth/login", &login).await, Code::WrongCredentials).await;
    expect(send(&app, &boss, Method::PUT, &path, standing(false)).await, StatusCode::NO_CONTENT).await;
    app.login(&buyer.email, crate::common::PASSWORD).await;
    assert_eq!(app.app.users.kind(buyer.id).await.unwrap(), Some(ticketing::user::Kind::Vip));
    let nobody = format!("/admin/accounts/{}", ticketing::ids::UserId::new());
    expect_problem(send(&app, &boss, Method::PUT, &nobody, standing(false)).await, Code::NotFound).await;
}

/// What the merchant has that others must not find: a hall, an order of it that was paid, and a refund that waits.
fn coupon() -> Value {
    json!({"code": "autumn", "title": "Autumn", "title_zh": "秋", "worth": {"percent": 10},
        "minimum": {"amount": "0.00", "currency": "CNY"}, "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        "total": 10, "per_buyer": 1})
}

struct Belongings {
    names: Vec<(&'static str, String)>,
    session: ticketing::ids::SessionId,
}

impl Belongings {
    async fn of(app: &TestApp, merchant: &str, admin: &Account) -> Self {
        let (session, name) = (app.hall(4).await, merchant.to_owned());
        app.write(move |connection| {
            Box::pin(async move {
                for table in ["sessions", "shows", "plans", "venues", "session_prices"] {
                    let sql = ticketing::storage::sql::Sql::Built(format!("UPDATE {table} SET tenant_id = $1"));
                    query(sql).bind(&name).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .await;
        app.app.catalog.forget_session(session).await;
        let buyer = app.register("fan@example.com").await;
        let wish = json!({"session_id": session, "seats": ["1-1"]});
        let placed = expect(app.post_as(&buyer, "/orders", &wish).await, StatusCode::CREATED).await;
        let order = placed["id"].as_str().unwrap().to_owned();
        let own = format!("/orders/{order}");
        let begun = expect(app.post_as(&buyer, &format!("{own}/pay"), &json!({})).await, StatusCode::OK).await;
        let page = begun["payment"]["pay_url"].as_str().unwrap().to_owned();
        expect(app.request(Method::POST, &format!("/{page}/approve")).send().await.unwrap(), StatusCode::OK).await;
        let ticket = eventually(PATIENCE, || async {
            let order = expect(app.get_as(&buyer, &own).await, StatusCode::OK).await;
            order["tickets"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| order.to_string())
        })
        .await;
        let offer = expect(app.get_as(&buyer, &format!("{own}/refund")).await, StatusCode::OK).await;
        let body = json!({"expected_amount": offer["quote"]["amount"], "reason": "ill"});
        let asked = expect(app.post_as(&buyer, &format!("{own}/refund"), &body).await, StatusCode::OK).await;
        let refund = asked["refunds"][0]["id"].as_str().unwrap().to_owned();
        let rules = "name: x\ncurrency: CNY\nfloor: basket.subtotal\nphases: [{ id: p, groups: [] }]\n";
        let rules = app.post_as(admin, &format!("/desk/{merchant}/rules"), &json!({"text": rules})).await;
        expect(rules, StatusCode::CREATED).await;
        let coupon = app.post_as(admin, &format!("/desk/{merchant}/coupons"), &coupon()).await;
        let coupon = expect(coupon, StatusCode::CREATED).await;
        let invite = json!({"email": "guest@example.com", "role": "door"});
        let invited = app.post_as(admin, &format!("/desk/{merchant}/invitations"), &invite).await;
        let invited = expect(invited, StatusCode::CREATED).await;
        let mut names = vec![
            ("sessions", session.to_string()),
            ("orders", order),
            ("refunds", refund),
            ("tickets", ticket),
            ("coupons", coupon["id"].as_str().unwrap().to_owned()),
            ("invitations", invited["id"].as_str().unwrap().to_owned()),
            ("staff", admin.id.to_string()),
        ];
        for table in ["shows", "plans", "venues"] {
            let sql = ticketing::storage::sql::Sql::Built(format!("SELECT id FROM {table} WHERE tenant_id = $1"));
            let id = query(sql).bind(merchant).scalar(&app.app.database.read).await.unwrap();
            names.push((table, id));
        }
        Self { names, session }
    }

    fn id(&self, kind: &str) -> &str {
        let known = self.names.iter().find(|(known, _)| *known == kind);
        &known.unwrap_or_else(|| panic!("what is one of `{kind}`? Say it in `Belongings`.")).1
    }

    /// The path of a documented route, at this merchant's desk, about these things.
    fn path(&self, route: &str, merchant: &str) -> String {
        let mut path: Vec<&str> = Vec::new();
        for segment in route.split('/') {
            path.push(match segment {
                "{merchant}" => merchant,
                "{role}" => "support",
                // Of each merchant the first is number 1.
                "{revision}" => "1",
                "{challenge}" => "01900000-0000-7000-8000-000000000000",
                segment if segment.starts_with('{') => self.id(path.last().unwrap()),
                segment => segment,
            });
        }
        path.join("/")
    }

    /// What a route is sent, such that nothing is wrong with it but whose the things are.
    fn body(&self, route: &str) -> Value {
        let at = |hours: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string();
        let times = || json!({"version": 1, "starts_at": at(48), "sale_opens_at": at(-1), "sale_closes_at": at(47), "hold_seconds": 900, "seats_per_user": 6});
        match route {
            "/desk/{merchant}/sessions" => {
                let mut body = times();
                body.as_object_mut().unwrap().remove("version");
                body["show_id"] = self.id("shows").into();
                body["plan_id"] = self.id("plans").into();
                body["prices"] = json!({"A": {"amount": "1.00", "currency": "CNY"}});
                body
            }
            "/desk/{merchant}/sessions/{id}" => times(),
            "/desk/{merchant}/sessions/{id}/prices" => {
                json!({"version": 1, "prices": {"A": {"amount": "1.00", "currency": "CNY"}}})
            }
            "/desk/{merchant}/shows/{id}" => json!({"version": 1, "title": "x", "title_zh": "x"}),
            "/desk/{merchant}/shows/{id}/poster/words" => json!({"version": 1, "alt": "x"}),
            "/desk/{merchant}/venues/{id}" => json!({"version": 1, "name": "x"}),
            "/desk/{merchant}/venues/{id}/plans" => {
                serde_json::from_str(include_str!("../../demo/nebula-grand-theatre.json")).unwrap()
            }
            "/admin/orders/{id}/refund" | "/admin/refunds/{id}/refuse" => json!({"reason": "x"}),
            "/admin/sessions/{id}/admission" => json!({"policy": {}}),
            "/admin/sessions/{id}/check-in" => json!({"code": "x", "gate": "x"}),
            "/admin/sessions/{id}/check-in/scans" => {
                json!({"gate": "x", "scans": [{"id": "x", "code": "x", "at": 1}]})
            }
            "/desk/{merchant}/counter/orders/{id}/payment" => {
                json!({"method": "cash", "amount": {"amount": "380.00", "currency": "CNY"}})
            }
            "/desk/{merchant}/counter/orders/{id}/refund" => json!({"reason": "x"}),
            "/desk/{merchant}/counter/orders" => json!({"session_id": self.session, "seats": ["1-2"]}),
            "/desk/{merchant}/counter/till" => json!({"opening": {"amount": "1.00", "currency": "CNY"}}),
            "/desk/{merchant}/tills/closings" => {
                json!({"clerk_id": self.id("staff"), "day": "2026-11-22", "counted": {"amount": "1.00", "currency": "CNY"}})
            }
            "/desk/{merchant}/rules/active" => json!({"revision": 1}),
            "/desk/{merchant}/coupons/{id}" => {
                let mut body = coupon();
                body["version"] = 1.into();
                body
            }
            "/sessions/{id}/quote" => json!({"seats": ["1-2"]}),
            "/sessions/{id}/coupons" => json!({"code": "AUTUMN"}),
            "/sessions/{id}/challenges" => json!({"kind": "question"}),
            "/sessions/{id}/challenges/{challenge}" => json!({"value": 1}),
            route if route.ends_with("/publication") => json!({"version": 1, "published": true}),
            _ => json!({}),
        }
    }
}

/// Every documented route whose path begins so, without `/api/v1`.
fn routes(prefixes: &[&str]) -> Vec<(Method, String)> {
    let document = serde_json::to_value(ticketing::http::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else { continue };
        if prefixes.iter().any(|prefix| path.starts_with(prefix)) {
            let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
            let methods = known.into_iter().filter(|method| methods[method.as_str().to_ascii_lowercase()].is_object());
            routes.extend(methods.map(|method| (method, path.to_owned())));
        }
    }
    assert!(routes.len() > 10, "{routes:?}");
    routes
}

/// What the platform's people alone may ask for.
const PLATFORM: [&str; 11] = [
    "/admin/accounts/",
    "/admin/blacklist",
    "/admin/jobs",
    "/admin/limits/",
    "/admin/load",
    "/admin/merchants",
    "/admin/queues",
    "/admin/rehearsals",
    "/admin/statements",
    "/admin/stock-reports",
    "/admin/system",
];

#[tokio::test]
async fn every_route_of_every_desk_is_behind_the_wall() {
    let app = TestApp::start_with(|config| config.refund.review = true).await;
    let boss = app.register_admin("boss@example.com").await;
    let (_, moon) = merchant(&app, &boss, "moon").await;
    let (id, star) = merchant(&app, &boss, "star").await;
    let finance = app.register_at(&id, "finance@example.com", "finance").await;
    let theirs = Belongings::of(&app, "moon", &moon).await;
    for (method, route) in routes(&["/admin/", "/desk/"]) {
        let body = theirs.body(&route);
        if PLATFORM.iter().any(|platform| route.starts_with(platform)) {
            let path = route.replace(['{', '}'], "");
            for who in [&star, &finance, &moon] {
                expect_problem(send(&app, who, method.clone(), &path, body.clone()).await, Code::Forbidden).await;
            }
            continue;
        }
        // Under their name; and, where it is not a list, about their things under the own name.
        let lists = method == Method::GET && !route.trim_start_matches("/desk/{merchant}").contains('{');
        let makes = method == Method::POST && !route.contains("{id}") && route != "/desk/{merchant}/sessions";
        // Of the merchant itself.
        let makes = makes || route == "/desk/{merchant}/second-factor";
        for merchant in ["moon", "star"] {
            let path = theirs.path(&route, merchant);
            let on_version = method == Method::DELETE || route.ends_with("/poster");
            let path = if on_version { format!("{path}?version=1") } else { path };
            let own = merchant == "star" || !route.contains("{merchant}");
            if own && makes {
                continue;
            }
            let mut found = Vec::new();
            for who in [&star, &finance] {
                let answer = send(&app, who, method.clone(), &path, body.clone()).await;
                let status = answer.status();
                if own && lists && status == StatusCode::OK {
                    let list = answer.text().await.unwrap();
                    assert!(theirs.names.iter().all(|(_, id)| !list.contains(id)), "{method} {path}: {list}");
                } else if status != StatusCode::FORBIDDEN {
                    assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {}", answer.text().await.unwrap());
                }
                found.push(status);
            }
            assert!(found.iter().any(|status| *status != StatusCode::FORBIDDEN), "nobody may: {method} {path}");
        }
    }

    // Those whose things they are find them, and so does the platform, which leaves a trace.
    let clerk = app.register_at(&tenant("moon"), "books@example.com", "finance").await;
    let session = theirs.id("sessions");
    for path in ["check-in", "check-in/list", "admission", "audit"] {
        for who in [&moon, &boss] {
            expect(app.get_as(who, &format!("/admin/sessions/{session}/{path}")).await, StatusCode::OK).await;
        }
    }
    for (path, list, kind) in
        [("/admin/refunds", "refunds", "refunds"), ("/admin/check-in/sessions", "sessions", "sessions")]
    {
        for who in [&moon, &boss] {
            let found = expect(app.get_as(who, path).await, StatusCode::OK).await;
            assert_eq!((found[list].as_array().unwrap().len(), &found[list][0]["id"]), (1, &theirs.id(kind).into()));
        }
    }
    let refuse = format!("/admin/refunds/{}/refuse", theirs.id("refunds"));
    let refused = expect(app.post_as(&clerk, &refuse, &json!({"reason": "x"})).await, StatusCode::OK).await;
    assert_eq!(refused["state"], "REFUSED", "nobody else has decided: {refused}");
    let entered = AuditQuery { what: Some("merchant:enter".to_owned()), ..AuditQuery::default() };
    let entered = app.app.office.log().query(&entered).await.unwrap().entries;
    let mut at: Vec<_> = entered.iter().map(|entry| (&*entry.record.who, &*entry.record.on)).collect();
    at.sort_unstable();
    let boss = boss.id.to_string();
    let expected = ["*", "*", "moon", "moon", "moon", "moon"].map(|on| (&*boss, on));
    assert_eq!(at, expected);
}

#[tokio::test]
async fn what_is_not_on_sale_is_not_there_for_buyers_on_any_route() {
    let app = TestApp::start_with(|config| config.refund.review = true).await;
    let boss = app.register_admin("boss@example.com").await;
    let (id, moon) = merchant(&app, &boss, "moon").await;
    merchant(&app, &boss, "star").await;
    let things = Belongings::of(&app, "moon", &moon).await;
    let buyer = app.register("buyer@example.com").await;
    let publish = |published: bool| {
        let (app, session) = (&app, things.session);
        async move {
            app.write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET published = $1 WHERE id = $2";
                    query(sql).bind(published).bind(session).execute(connection).await?;
                    Ok(())
                })
            })
            .await;
            app.app.catalog.forget_session(session).await;
        }
    };
    let mut routes = routes(&["/sessions/", "/shows/"]);
    routes.retain(|(_, route)| route.starts_with("/sessions/"));
    for (case, host, there) in [
        ("on sale", "moon.example", true),
        ("another merchant's shop", "star.example", false),
        ("not published", "moon.example", false),
        ("suspended", "moon.example", false),
        ("suspended, on the platform's address", "localhost", false),
    ] {
        match case {
            "not published" => publish(false).await,
            "suspended" => {
                publish(true).await;
                app.app.merchants.suspend(&id, true).await.unwrap();
            }
            _ => {}
        }
        for (method, route) in &routes {
            let (path, body) = (things.path(route, "moon"), things.body(route));
            let request = app.request(method.clone(), &path).bearer_auth(&buyer.access).header("host", host);
            let status = request.json(&body).send().await.unwrap().status();
            assert_eq!(status != StatusCode::NOT_FOUND, there, "{case}: {method} {path} {status}");
        }
        let wish = json!({"session_id": things.session, "seats": ["1-2"]});
        let request = app.request(Method::POST, "/orders").bearer_auth(&buyer.access).header("host", host);
        let request = request.header("idempotency-key", "once").json(&wish);
        // What was ordered while it was on sale stays.
        let status = request.send().await.unwrap().status();
        assert!(status == if there { StatusCode::CREATED } else { StatusCode::OK }, "{case}: {status}");
        let request = app.request(Method::POST, "/orders").bearer_auth(&buyer.access).header("host", host);
        if !there {
            expect_problem(request.json(&wish).send().await.unwrap(), Code::NotFound).await;
        }
    }
}
