//! Something to be done for a tenant.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::context::TenantContext;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// The error of a step: anything that can be shown.
pub type BoxError = Box<dyn StdError + Send + Sync>;

type Act = dyn Fn(TenantId) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;

#[derive(Clone)]
pub(super) struct Step {
    pub(super) name: Arc<str>,
    act: Arc<Act>,
}

impl Step {
    pub(super) fn new<F>(name: &str, act: impl Fn(TenantId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self { name: name.into(), act: Arc::new(move |tenant| act(tenant).boxed()) }
    }

    /// Does it as the tenant's work. A panic is a failure.
    pub(super) async fn run(&self, tenant: &TenantId) -> Result<(), Error> {
        let act = async { (self.act)(tenant.clone()).await };
        let done = TenantContext::of(tenant.clone()).scope(AssertUnwindSafe(act).catch_unwind()).await?;
        let failed = |source: BoxError| {
            Err(Error::new(ErrorKind::Step, format!("`{}` failed for {tenant}", self.name)).with_source(source))
        };
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => failed(error),
            Err(_) => failed("it panicked".into()),
        }
    }
}
