//! Everything of a tenant, to take along.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;

use super::lifecycle::{Lifecycle, host};
use super::step::BoxError;
use crate::context::TenantContext;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// Takes what is exported: files in a folder, an archive, a bucket.
#[async_trait]
pub trait ExportSink: Send {
    /// The next bytes of a section. Sections come one after the other.
    ///
    /// # Errors
    /// Whatever ends the export.
    async fn write(&mut self, section: &str, bytes: &[u8]) -> Result<(), BoxError>;
}

/// In memory.
#[async_trait]
impl ExportSink for BTreeMap<String, Vec<u8>> {
    async fn write(&mut self, section: &str, bytes: &[u8]) -> Result<(), BoxError> {
        self.entry(section.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }
}

pub(super) type Chunks = BoxStream<'static, Result<Vec<u8>, BoxError>>;

pub(super) struct Section {
    pub(super) name: Box<str>,
    pub(super) read: Box<dyn Fn(TenantId) -> Chunks + Send + Sync>,
}

impl Lifecycle {
    /// Writes all sections of a tenant to the sink, and its entry in the registry as `tenant.json` before them.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] outside of the platform's own work, [`ErrorKind::Unknown`] if there is no such tenant,
    /// [`ErrorKind::Step`] if a section or the sink fails.
    ///
    /// # Cancel safety
    /// The sink has a part of it. Begin again with an empty one.
    pub async fn export(&self, id: &TenantId, sink: &mut dyn ExportSink) -> Result<(), Error> {
        host()?;
        let tenant = self.registry().store().get(id).await?;
        let tenant = tenant.ok_or_else(|| Error::new(ErrorKind::Unknown, format!("there is no tenant {id}")))?;
        let failed = |section: &str| {
            let what = format!("exporting `{section}` of {id}");
            move |error: BoxError| Error::new(ErrorKind::Step, what).with_source(error)
        };
        let entry = serde_json::to_vec_pretty(&tenant).map_err(|error| failed("tenant.json")(error.into()))?;
        sink.write("tenant.json", &entry).await.map_err(failed("tenant.json"))?;
        for Section { name, read } in self.sections() {
            let write = async {
                let mut chunks = read(id.clone());
                while let Some(chunk) = chunks.try_next().await? {
                    sink.write(name, &chunk).await?;
                }
                Ok(())
            };
            TenantContext::of(id.clone()).scope(write).await?.map_err(failed(name))?;
        }
        Ok(())
    }
}
