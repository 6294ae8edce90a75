//! Whose a request is, and which requests are nobody's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::{Extensions, Request, Response, StatusCode, header};
use nebula_tenant::resolve::{
    Claim, Hint, Malformed, PathSegment, ResolveRefusal, Resolvers, Subdomain, TENANT_HEADER, TenantDirectory,
    TenantLayer, TenantStatus, TrustedHeader,
};
use nebula_tenant::{Error, ErrorKind, TenantId, current};
use tower::{Layer as _, ServiceExt as _, service_fn};

struct Directory(AtomicBool);

static UP: Directory = Directory(AtomicBool::new(true));

#[async_trait]
impl TenantDirectory for &'static Directory {
    async fn status(&self, tenant: &TenantId) -> Result<Option<TenantStatus>, Error> {
        if !self.0.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "down"));
        }
        Ok(match tenant.as_str() {
            "star" | "moon" => Some(TenantStatus::Active),
            "late" => Some(TenantStatus::Suspended),
            "gone" => Some(TenantStatus::Archived),
            _ => None,
        })
    }

    async fn by_domain(&self, domain: &str) -> Result<Option<TenantId>, Error> {
        Ok((domain == "star-cinema.example").then(|| "star".parse().unwrap()))
    }
}

/// Who signed in, and who holds the connection.
#[derive(Clone)]
struct Signed(&'static str);
#[derive(Clone, Copy)]
struct Peer(IpAddr);

const OURS: &str = "10.0.0.1";
const STRANGER: &str = "203.0.113.9";

fn resolvers() -> Resolvers {
    let peer = |extensions: &Extensions| extensions.get::<Peer>().map(|peer| peer.0);
    Resolvers::builder(&UP)
        .with(Claim::new(|extensions| extensions.get::<Signed>().map(|signed| signed.0.to_owned())))
        .with(Subdomain::of("tickets.example").unwrap().with_domains())
        .with(PathSegment::after("/m/"))
        .with(TrustedHeader::new(peer, |peer| peer.to_string() == OURS))
        .build()
}

struct Asked(http::request::Builder);

impl Asked {
    fn new(host: &str, path: &str) -> Self {
        Self(Request::builder().uri(path).header(header::HOST, host))
    }

    fn signed(self, tenant: &'static str) -> Self {
        Self(self.0.extension(Signed(tenant)))
    }

    fn header(self, tenant: &str, from: &str) -> Self {
        Self(self.0.header(TENANT_HEADER, tenant).extension(Peer(from.parse().unwrap())))
    }

    async fn is(self) -> Result<String, ResolveRefusal> {
        let (parts, ()) = self.0.body(()).unwrap().into_parts();
        resolvers().resolve(&parts).await.map(String::from)
    }
}

const BASE: &str = "tickets.example";

#[tokio::test]
async fn each_part_can_say_it() {
    let star = Ok("star".to_owned());
    assert_eq!(Asked::new("star.tickets.example", "/").is().await, star);
    assert_eq!(Asked::new("STAR.Tickets.Example:8443", "/").is().await, star);
    assert_eq!(Asked::new("star.tickets.example.", "/").is().await, star);
    assert_eq!(Asked::new("star-cinema.example", "/").is().await, star);
    assert_eq!(Asked::new(BASE, "/m/star/orders").is().await, star);
    assert_eq!(Asked::new(BASE, "/m/star").is().await, star);
    assert_eq!(Asked::new(BASE, "/").signed("star").is().await, star);
    assert_eq!(Asked::new(BASE, "/").header("star", OURS).is().await, star);
    assert_eq!(Asked::new("star.tickets.example", "/m/star").signed("star").header("star", OURS).is().await, star);
}

#[tokio::test]
async fn all_have_to_agree() {
    let conflict = Err(ResolveRefusal::Conflict);
    assert_eq!(Asked::new("moon.tickets.example", "/").signed("star").is().await, conflict);
    assert_eq!(Asked::new(BASE, "/m/moon").signed("star").is().await, conflict);
    assert_eq!(Asked::new(BASE, "/").signed("star").header("moon", OURS).is().await, conflict);
    assert_eq!(Asked::new("star-cinema.example", "/m/moon").is().await, conflict);
}

#[tokio::test]
async fn a_strangers_header_says_nothing() {
    assert_eq!(Asked::new(BASE, "/").header("star", STRANGER).is().await, Err(ResolveRefusal::Missing));
    assert_eq!(Asked::new(BASE, "/").signed("star").header("moon", STRANGER).is().await, Ok("star".to_owned()));
    let without_peer = Asked(Request::builder().uri("/").header(header::HOST, BASE).header(TENANT_HEADER, "star"));
    assert_eq!(without_peer.is().await, Err(ResolveRefusal::Missing));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let malformed = Err(ResolveRefusal::Malformed);
    for host in [
        "a.b.tickets.example",
        ".tickets.example",
        "star_.tickets.example",
        "star.tickets.example:port",
        "star.tickets.example:",
        "star@tickets.example",
        "[::1]:80",
        "star.tickets.example..",
        "stär.tickets.example",
        "star.tickets.example, moon.tickets.example",
        "",
    ] {
        assert_eq!(Asked::new(host, "/").is().await, malformed, "{host}");
    }
    for path in ["/m/", "/m//x", "/m/STAR", "/m/%73tar", "/m/..", "/m/star;x"] {
        assert_eq!(Asked::new(BASE, path).is().await, malformed, "{path}");
    }
    let two = Asked(Asked::new("star.tickets.example", "/").0.header(header::HOST, "moon.tickets.example"));
    assert_eq!(two.is().await, malformed);
    assert_eq!(Asked::new(BASE, "/").header("star", OURS).header("moon", OURS).is().await, malformed);
    assert_eq!(Asked::new(BASE, "/").signed("Star Cinema").is().await, malformed);
    // The target's authority counts, whatever the header says (RFC 9110, 7.2).
    assert_eq!(Asked::new("moon.tickets.example", "https://star.tickets.example/").is().await, Ok("star".to_owned()));
    let forwarded = Asked(Asked::new(BASE, "/").0.header("x-forwarded-host", "star.tickets.example"));
    assert_eq!(forwarded.is().await, Err(ResolveRefusal::Missing));
    assert!(Subdomain::of("bad domain").is_err());
}

#[tokio::test]
async fn only_active_tenants_are_served() {
    assert_eq!(Asked::new(BASE, "/").is().await, Err(ResolveRefusal::Missing));
    assert_eq!(Asked::new("nobody.tickets.example", "/").is().await, Err(ResolveRefusal::Unknown));
    assert_eq!(Asked::new("elsewhere.example", "/").is().await, Err(ResolveRefusal::Unknown));
    assert_eq!(Asked::new("late.tickets.example", "/").is().await, Err(ResolveRefusal::Suspended));
    assert_eq!(Asked::new("gone.tickets.example", "/").is().await, Err(ResolveRefusal::Archived));
}

#[tokio::test]
async fn a_directory_that_cannot_say_lets_nobody_in() {
    static DOWN: Directory = Directory(AtomicBool::new(false));
    let resolvers = Resolvers::builder(&DOWN).with(PathSegment::after("/")).build();
    let (parts, ()) = Request::builder().uri("/star").body(()).unwrap().into_parts();
    assert_eq!(resolvers.resolve(&parts).await, Err(ResolveRefusal::Unavailable));
}

#[tokio::test]
async fn requests_are_their_tenants_work() {
    let seen = |request: Request<String>| async move {
        let header = request.headers().contains_key(TENANT_HEADER);
        let extension = request.extensions().get::<TenantId>().unwrap().to_string();
        Ok::<_, Infallible>(Response::new(format!("{} {extension} {header}", current().unwrap())))
    };
    let custom = |parts: &http::request::Parts| match parts.headers.get("x-shop") {
        None => Ok(None),
        Some(value) => value.to_str().ok().and_then(|it| it.parse().ok()).map(Hint::Tenant).map(Some).ok_or(Malformed),
    };
    let service = TenantLayer::new(Resolvers::builder(&UP).with(custom).build()).layer(service_fn(seen));
    let ask = |request: http::request::Builder| service.clone().oneshot(request.body(String::new()).unwrap());

    let star = Request::builder().header("x-shop", "star").header(TENANT_HEADER, "moon");
    assert_eq!(ask(star).await.unwrap().into_body(), "star star false", "the header gets no further");
    let answer = ask(Request::builder()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        answer.into_body(),
        r#"{"type":"about:blank","title":"nothing in the request names a tenant","status":400,"code":"tenant-missing"}"#
    );
    let unknown = ask(Request::builder().header("x-shop", "nobody")).await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn handlers_are_given_the_tenant_or_fail_loudly() {
    use axum::extract::FromRequestParts as _;
    use axum::response::IntoResponse as _;
    use nebula_tenant::resolve::CurrentTenant;

    let (mut parts, ()) = Request::new(()).into_parts();
    let outside = CurrentTenant::from_request_parts(&mut parts, &()).await.unwrap_err();
    assert_eq!(outside.into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
    let star = nebula_tenant::TenantContext::of("star".parse().unwrap());
    let CurrentTenant(tenant) = star.scope(CurrentTenant::from_request_parts(&mut parts, &())).await.unwrap().unwrap();
    assert_eq!(tenant.as_str(), "star");
}

#[tokio::test]
async fn the_registry_is_a_directory() {
    use nebula_tenant::registry::{MemoryTenants, Tenant, TenantRegistry};

    let registry = TenantRegistry::new(MemoryTenants::new());
    for (name, status) in [
        ("star", TenantStatus::Active),
        ("new", TenantStatus::Preparing),
        ("late", TenantStatus::Suspended),
        ("gone", TenantStatus::Archived),
        ("going", TenantStatus::Erasing),
        ("erased", TenantStatus::Erased),
    ] {
        let tenant = Tenant::new(name.parse().unwrap()).with_status(status);
        let _ = registry.insert(&tenant.with_domain(&format!("{name}.example")).unwrap()).await.unwrap();
    }
    let resolvers = Resolvers::builder(registry).with(Subdomain::of(BASE).unwrap().with_domains()).build();
    for (name, expected) in [
        ("star", Ok("star".to_owned())),
        ("new", Err(ResolveRefusal::Preparing)),
        ("late", Err(ResolveRefusal::Suspended)),
        ("gone", Err(ResolveRefusal::Archived)),
        ("going", Err(ResolveRefusal::Archived)),
        ("erased", Err(ResolveRefusal::Archived)),
        ("nobody", Err(ResolveRefusal::Unknown)),
    ] {
        for host in [format!("{name}.{BASE}"), format!("{name}.example")] {
            let (parts, ()) = Request::builder().header(header::HOST, &host).body(()).unwrap().into_parts();
            assert_eq!(resolvers.resolve(&parts).await.map(String::from), expected, "{host}");
        }
    }
}
