//! Which merchants there are, in the platform's database.

use std::sync::Arc;

use nebula_tenant::{
    TenantDirectory, TenantId, TenantStatus,
    registry::{Changed, Saved, SqlTenants, Tenant, TenantRegistry},
    resolve::{PathSegment, ResolveRefusal, Resolvers, Subdomain},
    wall::Wall,
};

use super::{
    domain::{self, Merchant},
    scope::{self, Scope},
};
use crate::{
    ids::platform,
    problem::{Code, Problem, Result},
    storage::{Database, Pool},
};

/// Most merchants in a list.
const PAGE: usize = 1_000;

/// The merchants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Merchants {
    registry: TenantRegistry,
    wall: Wall,
    resolvers: Resolvers,
    /// Hosts that are nobody's are refused; otherwise they are the platform's own.
    strict: bool,
}

/// A merchant to be made, or what it is to become.
#[derive(Clone, Debug)]
pub struct NewMerchant<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The same in Chinese.
    pub name_zh: &'a str,
    /// Domains of its own.
    pub domains: &'a [String],
}

impl Merchants {
    /// Opens the registry and makes the platform's own merchant. `base` is the domain whose subdomains are merchants.
    ///
    /// # Errors
    ///
    /// The database cannot be used, or `base` is no domain.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn open(
        database: &Database,
        base: Option<&str>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        // On SQLite in the line of those who write: nobody sleeps there.
        let registry = match &database.queue {
            Pool::Sqlite(pool) => {
                let store = SqlTenants::<sqlx::Sqlite>::new(pool.clone());
                store.migrate().await?;
                TenantRegistry::new(store)
            }
            Pool::Postgres(pool) => {
                let store = SqlTenants::<sqlx::Postgres>::new(pool.clone());
                store.migrate().await?;
                TenantRegistry::new(store)
            }
        };
        let own = domain::tenant(platform(), "Nebula Tickets", "星云票务", &[])?;
        // It is there, or was made by another process at the same moment.
        let _made_or_known = registry.insert(&own).await?;
        let mut resolvers = Resolvers::builder(registry.clone()).with(PathSegment::after("/m/"));
        if let Some(base) = base {
            resolvers = resolvers.with(Subdomain::of(base)?.with_domains());
        }
        let wall = scope::wall(&database.read)?;
        Ok(Self { registry, wall, resolvers: resolvers.build(), strict: base.is_some() })
    }

    /// What a merchant has, for work that is known to be its.
    ///
    /// # Errors
    ///
    /// Another merchant's work is being done here.
    pub fn scope(&self, tenant: &TenantId) -> Result<Scope> {
        Scope::of(&self.wall, tenant)
    }

    /// A merchant.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get(&self, id: &TenantId) -> Result<Arc<Tenant>> {
        let found = self.registry.get(id).await.map_err(Problem::unavailable)?;
        found.ok_or_else(|| Problem::not_found("merchant"))
    }

    /// Whether buyers are served in its name.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn is_active(&self, id: &TenantId) -> Result<bool> {
        let status = self.registry.status(id).await.map_err(Problem::unavailable)?;
        Ok(status == Some(TenantStatus::Active))
    }

    /// All merchants, by their short names.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn all(&self) -> Result<Vec<Merchant>> {
        let all = self.registry.store().page(None, PAGE).await.map_err(Problem::unavailable)?;
        Ok(all.iter().map(Merchant::from).collect())
    }

    /// Makes a merchant.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`], [`Code::NameTaken`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may have been made.
    pub async fn create(&self, id: TenantId, new: &NewMerchant<'_>) -> Result<Merchant> {
        let tenant = domain::tenant(id, new.name, new.name_zh, new.domains)?;
        saved(self.registry.insert(&tenant).await)
    }

    /// Changes a merchant whose version is still `version`.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], [`Code::VersionConflict`], and those of [`create`](Self::create).
    ///
    /// # Cancel safety
    ///
    /// It may have been changed.
    pub async fn change(&self, id: &TenantId, version: u64, new: &NewMerchant<'_>) -> Result<Merchant> {
        let known = self.get(id).await?;
        let mut tenant = domain::changed((*known).clone(), new.name, new.name_zh, new.domains)?;
        tenant.version = version;
        saved(self.registry.save(&tenant).await)
    }

    /// Whether the staff of a merchant need a second factor. Of none that is known nobody needs one.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn demands_second_factor(&self, id: &TenantId) -> Result<bool> {
        let found = self.registry.get(id).await.map_err(Problem::unavailable)?;
        Ok(found.is_some_and(|tenant| domain::demands_second_factor(&tenant)))
    }

    /// Says whether the staff of a merchant need a second factor.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], [`Code::VersionConflict`] if somebody changed the merchant at the same moment, or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may have been changed.
    pub async fn demand_second_factor(&self, id: &TenantId, demanded: bool) -> Result<Merchant> {
        let known = self.get(id).await?;
        saved(self.registry.save(&domain::demanding_second_factor((*known).clone(), demanded)).await)
    }

    /// Stops or resumes serving buyers in its name. Its staff go on working.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], [`Code::InvalidValue`] for the platform itself, or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may have been changed.
    pub async fn suspend(&self, id: &TenantId, suspended: bool) -> Result<Merchant> {
        if suspended && *id == platform() {
            return Err(Problem::new(Code::InvalidValue, "The platform's own merchant stays.").with("field", "id"));
        }
        let changed = if suspended { self.registry.suspend(id).await } else { self.registry.resume(id).await };
        match changed.map_err(Problem::unavailable)? {
            Changed::Done(tenant) => Ok(Merchant::from(&tenant)),
            Changed::NotFrom(status) => {
                Err(Problem::new(Code::VersionConflict, format!("The merchant is {}.", status.as_str())))
            }
            _ => Err(Problem::not_found("merchant")),
        }
    }

    /// Whose shop a request came to: by its host or path, or nobody's for the platform's own address.
    pub(super) async fn shop(&self, request: &axum::http::request::Parts) -> Result<Option<TenantId>> {
        let said = match self.resolvers.resolve(request).await {
            Ok(tenant) => Some(tenant),
            Err(ResolveRefusal::Missing) => None,
            Err(ResolveRefusal::Unavailable) => return Err(Problem::unavailable("the registry of merchants")),
            Err(_) => return Err(Problem::not_found("merchant")),
        };
        if self.strict {
            return Ok(said);
        }
        // Without a domain of the platform's own, any host that is nobody's is.
        let Some(host) = host(request) else { return Ok(said) };
        let owner = self.registry.by_domain(&host).await.map_err(Problem::unavailable)?;
        match (said, owner) {
            (Some(said), Some(owner)) if said != owner => Err(Problem::not_found("merchant")),
            (_, Some(owner)) if self.is_active(&owner).await? => Ok(Some(owner)),
            (_, Some(_)) => Err(Problem::not_found("merchant")),
            (said, None) => Ok(said),
        }
    }
}

fn host(request: &axum::http::request::Parts) -> Option<String> {
    let text = request.headers.get(axum::http::header::HOST)?.to_str().ok()?;
    let name = text.rsplit_once(':').map_or(text, |(name, _)| name).trim_end_matches('.');
    (name.len() <= 253).then(|| name.to_ascii_lowercase())
}

fn saved(saved: Result<Saved, nebula_tenant::Error>) -> Result<Merchant> {
    match saved.map_err(Problem::unavailable)? {
        Saved::Done(tenant) => Ok(Merchant::from(&tenant)),
        Saved::IdTaken => Err(Problem::new(Code::NameTaken, "There is a merchant of this name.").with("field", "id")),
        Saved::DomainTaken => {
            Err(Problem::new(Code::NameTaken, "One of the domains is another merchant's.").with("field", "domains"))
        }
        Saved::Stale => Err(Problem::stale()),
        _ => Err(Problem::not_found("merchant")),
    }
}
