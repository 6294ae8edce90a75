//! The admin API and its page, with a few people and roles to look at.
//!
//! Asks its own routes and ends: `cargo run -p nebula-auth --example admin --features admin`. With `ADDRESS=127.0.0.1:8099` in
//! the environment it serves the page there until it is stopped, and prints how to sign in.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::State,
    http::{Request, StatusCode},
};
use nebula_auth::{
    Algorithm, KeySet, MemoryRefreshStore, NewSession, SessionService, SigningKey, TokenService,
    admin::{Admin, SignIn},
    audit::{AuditLog, MemoryAuditSink},
    axum::{AuthLayer, Policy, SecureRouter},
    rbac::{
        Actor, DataRule, Department, DepartmentId, EntityName, EvaluatorOptions, FieldAccess, MemoryRbacStore,
        PermissionEvaluator, PermissionPattern, RbacService, Resource, ResourceId, ResourceKind, Role, RoleName,
        RowScope, Separation, SeparationKind, UserId,
    },
    secrecy::ExposeSecret as _,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Roles of a shop: clerks see orders, leads also change them, accountants pay; who pays must not buy.
async fn people(rbac: &RbacService) -> Result<(), Failure> {
    let setup = Actor::system("example");
    let (name, pattern) = (RoleName::new, PermissionPattern::new);
    let department = |id: &str, parent: Option<&str>| -> Result<_, Failure> {
        let parent = parent.map(DepartmentId::new).transpose()?;
        Ok(Department { id: DepartmentId::new(id)?, title: id.to_uppercase(), parent })
    };
    for department in
        [department("shop", None)?, department("north", Some("shop"))?, department("south", Some("shop"))?]
    {
        rbac.put_department(&setup, department).await?.into_result()?;
    }
    let orders = DataRule {
        entity: EntityName::new("order")?,
        rows: RowScope::DepartmentTree,
        fields: [("phone".to_owned(), FieldAccess::Masked)].into(),
    };
    for role in [
        Role::new(name("admin")?).with_permissions([PermissionPattern::everything()]),
        Role::new(name("clerk")?).with_permissions([pattern("order:read")?]).with_data(orders),
        Role::new(name("lead")?)
            .with_permissions([pattern("order:*")?, pattern("rbac:user:*")?])
            .with_parent(name("clerk")?),
        Role::new(name("buyer")?).with_permissions([pattern("purchase:order")?]),
        Role::new(name("accountant")?).with_permissions([pattern("purchase:pay")?, pattern("auth:audit:read")?]),
    ] {
        rbac.create_role(&setup, role).await?.into_result()?;
    }
    let roles = [name("buyer")?, name("accountant")?].into();
    let apart = Separation { name: "purchase".parse()?, kind: SeparationKind::Static, roles, limit: 2 };
    rbac.put_separation(&setup, apart).await?.into_result()?;
    let menu = |id: &str, kind, title: &str, parent: Option<&str>, permission: Option<&str>| -> Result<_, Failure> {
        Ok(Resource {
            id: ResourceId::new(id)?,
            kind,
            title: title.to_owned(),
            target: format!("/{id}"),
            parent: parent.map(ResourceId::new).transpose()?,
            permission: permission.map(str::parse).transpose()?,
            order: 0,
        })
    };
    for resource in [
        menu("office", ResourceKind::Menu, "Back office", None, None)?,
        menu("orders", ResourceKind::Menu, "Orders", Some("office"), Some("order:read"))?,
        menu("cancel", ResourceKind::Button, "Cancel", Some("orders"), Some("order:cancel"))?,
    ] {
        rbac.put_resource(&setup, resource).await?.into_result()?;
    }
    for (user, role) in
        [("root", "admin"), ("ann", "lead"), ("bob", "clerk"), ("carol", "accountant"), ("dave", "buyer")]
    {
        rbac.assign_role(&setup, &UserId::new(user)?, &name(role)?, None).await?.into_result()?;
    }
    for (user, department) in [("bob", "north"), ("erin", "south")] {
        rbac.set_department(&setup, &UserId::new(user)?, Some(&DepartmentId::new(department)?)).await?.into_result()?;
    }
    Ok(())
}

/// Everybody's password is `example`. A real application compares hashes: see the example `login`.
async fn sign_in(State(sessions): State<Arc<SessionService>>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let (Some(name), Some("example")) = (body["name"].as_str(), body["password"].as_str()) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "Name or password is wrong." })));
    };
    match sessions.start(NewSession::new(name).label("example page")).await {
        Ok(pair) => (StatusCode::OK, Json(json!({ "access_token": pair.access_token.expose_secret() }))),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "detail": "Try again in a moment." }))),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let tokens =
        TokenService::new(KeySet::new(SigningKey::generate(Algorithm::EdDSA, "k")?), "https://auth.example", "shop")?;
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let tokens = tokens.with_session_check(sessions.session_check());
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), EvaluatorOptions::new()).await?;
    let log = AuditLog::new(MemoryAuditSink::new());
    people(&evaluator.service().with_audit(log.clone())).await?;

    let sign_in_route =
        SecureRouter::new().post("/login", Policy::Public, sign_in).with_state(Arc::new(sessions.clone()));
    let admin = Admin::new(&evaluator)
        .with_sessions(sessions)
        .with_audit(log.clone())
        .with_routes(sign_in_route.routes())
        .with_sign_in(SignIn::new("/login", "name", "/access_token"));
    let app = sign_in_route.nest("/admin", admin.routes()).finish(AuthLayer::new(tokens, evaluator).with_audit(log));

    if let Ok(address) = std::env::var("ADDRESS") {
        let listener = tokio::net::TcpListener::bind(&address).await?;
        println!(
            "http://{}/admin/page: root, ann, bob, carol or dave, with the password `example`",
            listener.local_addr()?
        );
        return Ok(axum::serve(listener, app).await?);
    }
    let ask = async |method: &str, path: &str, token: Option<&str>, body: Value| -> Result<(u16, Value), Failure> {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = app.clone().oneshot(request.body(Body::from(body.to_string()))?).await?;
        let status = response.status().as_u16();
        let answer = serde_json::from_slice(&to_bytes(response.into_body(), 100_000).await?).unwrap_or_default();
        println!("{status} {method} {path}");
        Ok((status, answer))
    };
    let (_, answer) = ask("POST", "/login", None, json!({ "name": "ann", "password": "example" })).await?;
    let ann = answer["access_token"].as_str();
    // A lead gives what leads have, and nothing else.
    assert_eq!(
        ask("PUT", "/admin/users/erin/roles/clerk", ann, json!({})).await?.0,
        403,
        "as a clerk, erin would reach the south's orders; ann does not"
    );
    assert_eq!(ask("PUT", "/admin/users/erin/grants/order:read", ann, json!({})).await?.0, 204);
    assert_eq!(ask("PUT", "/admin/users/erin/roles/admin", ann, json!({})).await?.1["code"], "escalation_denied");
    let (_, why) = ask("GET", "/admin/users/erin/explanation?permission=order:read", ann, json!({})).await?;
    println!("{}", why["text"].as_str().unwrap_or_default());
    assert_eq!(ask("GET", "/admin/audit", ann, json!({})).await?.0, 403);
    Ok(())
}
