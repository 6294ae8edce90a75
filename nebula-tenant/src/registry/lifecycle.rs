//! From the first row of a tenant to its last.

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt as _;
#[cfg(feature = "sql")]
use futures_util::TryStreamExt as _;
use futures_util::stream::Stream;

use super::export::Section;
use super::step::{BoxError, Step};
use super::{Changed, Saved, Tenant, TenantRegistry};
use crate::context::TenantContext;
use crate::directory::TenantStatus;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// Creates, migrates, exports and erases tenants. All of it is the platform's own work: enter [`as_host`](crate::as_host).
/// Cheap to clone.
///
/// Steps run as the work of the tenant that they are for, in the order in which they were given, and what was done is
/// remembered. A step may run twice if the process dies in between.
#[derive(Clone)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

struct Inner {
    registry: TenantRegistry,
    steps: Vec<Step>,
    sections: Vec<Section>,
    erasures: Vec<Step>,
}

pub(super) fn host() -> Result<(), Error> {
    match TenantContext::current()?.host_reason() {
        Some(_) => Ok(()),
        None => Err(Error::new(ErrorKind::Conflict, "tenants are made and erased by the platform alone, see as_host")),
    }
}

impl Lifecycle {
    /// Nothing to be done so far.
    pub const fn builder(registry: TenantRegistry) -> LifecycleBuilder {
        LifecycleBuilder { inner: Inner { registry, steps: Vec::new(), sections: Vec::new(), erasures: Vec::new() } }
    }

    /// The tenants.
    #[must_use]
    pub fn registry(&self) -> &TenantRegistry {
        &self.inner.registry
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.inner.steps.iter()
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.inner.sections.iter()
    }

    /// Adds a tenant, does all steps for it, and serves it from then on. One that was being prepared is gone on with, so that
    /// a call that failed can be made again; what is in the registry stays as it is then.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] outside of the platform's own work, [`ErrorKind::Step`] if a step fails, and as those of
    /// [`TenantRegistry::insert`].
    ///
    /// # Cancel safety
    /// The tenant is being prepared. Call it again.
    pub async fn create(&self, tenant: Tenant) -> Result<Saved, Error> {
        host()?;
        let id = tenant.id.clone();
        match self.registry().insert(&Tenant { status: TenantStatus::Preparing, ..tenant }).await? {
            Saved::Done(_) => {}
            Saved::IdTaken => match self.registry().store().get(&id).await? {
                Some(present) if present.status == TenantStatus::Preparing => {}
                _ => return Ok(Saved::IdTaken),
            },
            refused => return Ok(refused),
        }
        self.catch_up(&id).await.1?;
        match self.registry().change(&id, &[TenantStatus::Preparing], TenantStatus::Active).await? {
            Changed::Done(tenant) => Ok(Saved::Done(tenant)),
            Changed::NotFrom(_) | Changed::Unknown => Ok(Saved::Stale),
        }
    }

    /// Erases an archived tenant, or one that was never ready, for good: first its keys, after which nothing opens that they sealed, in backups
    /// neither; then everything else that there is a step for. Its name stays taken. A call that failed can be made again.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] outside of the platform's own work, [`ErrorKind::Step`] if a step fails,
    /// [`ErrorKind::Unavailable`] if the store cannot say.
    ///
    /// # Cancel safety
    /// A part of it may have been erased. Call it again.
    pub async fn erase(&self, id: &TenantId) -> Result<Changed, Error> {
        use TenantStatus::{Archived, Erased, Erasing, Preparing};
        host()?;
        if let Some(tenant) = self.registry().store().get(id).await?
            && tenant.status == Erased
        {
            return Ok(Changed::Done(tenant));
        }
        match self.registry().change(id, &[Archived, Preparing], Erasing).await? {
            Changed::Done(_) => {}
            refused => return Ok(refused),
        }
        crate::audit::record(&crate::audit::AuditEvent::Erased { tenant: id.clone() });
        let store = self.registry().store();
        let marks = store.marks(id).await?;
        for step in &self.inner.erasures {
            let mark = format!("erase:{}", step.name);
            if !marks.contains(&mark) {
                step.run(id).await?;
                store.mark(id, &mark).await?;
            }
        }
        self.registry().edit(id, &[Erasing], Erased, |tenant| tenant.tombstone()).await
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("inner", &self.inner).finish()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |steps: &[Step]| steps.iter().map(|step| Arc::clone(&step.name)).collect::<Vec<_>>();
        f.debug_struct("Inner")
            .field("registry", &self.registry)
            .field("steps", &names(&self.steps))
            .field("erasures", &names(&self.erasures))
            .finish_non_exhaustive()
    }
}

/// Collects what is to be done for each tenant.
#[derive(Debug)]
#[must_use]
pub struct LifecycleBuilder {
    inner: Inner,
}

impl LifecycleBuilder {
    /// A step, when a tenant is created and for all that were created before: a schema, a migration, first rows. Its name is
    /// remembered; keep it as it is, and add steps behind the others.
    pub fn step<F>(mut self, name: &str, act: impl Fn(TenantId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.inner.steps.push(Step::new(name, act));
        self
    }

    /// A section of the export.
    pub fn section<S>(mut self, name: &str, read: impl Fn(TenantId) -> S + Send + Sync + 'static) -> Self
    where
        S: Stream<Item = Result<Vec<u8>, BoxError>> + Send + 'static,
    {
        let read = Box::new(move |tenant| read(tenant).boxed());
        self.inner.sections.push(Section { name: name.into(), read });
        self
    }

    /// A section `{table}.jsonl` of the export for each table of tenants that the pool's wall knows: the tenant's rows, a JSON object a
    /// line. See [`TenantPool::export`](crate::db::TenantPool::export).
    #[cfg(feature = "sql")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
    pub fn tables<DB: crate::db::TenantDatabase>(mut self, pool: &crate::db::TenantPool<DB>) -> Self {
        for table in pool.wall().tenant_tables() {
            let (pool, table) = (pool.clone(), table.to_owned());
            self = self.section(&format!("{table}.jsonl"), move |_| {
                // The section is read as the tenant's work.
                let rows = pool.export(&table);
                futures_util::stream::iter([rows]).try_flatten().map_err(BoxError::from)
            });
        }
        self
    }

    /// Erases keys, before anything else.
    #[cfg(feature = "seal")]
    #[cfg_attr(docsrs, doc(cfg(feature = "seal")))]
    pub fn shred(mut self, cipher: crate::seal::TenantCipher) -> Self {
        let step = Step::new("keys", move |tenant| {
            let cipher = cipher.clone();
            async move { Ok(cipher.shred(&tenant).await?) }
        });
        self.inner.erasures.insert(0, step);
        self
    }

    /// Erases something of a tenant: its rows, its schema, its files.
    pub fn erasure<F>(mut self, name: &str, act: impl Fn(TenantId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.inner.erasures.push(Step::new(name, act));
        self
    }

    /// All of it.
    #[must_use]
    pub fn build(self) -> Lifecycle {
        Lifecycle { inner: Arc::new(self.inner) }
    }
}
