use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;

use super::{Arg, Row, SqlStore, args, file, rows, run};
use crate::{
    error::Result,
    template::{NotificationTemplate, PutTemplate, StoredTemplate, TemplateStore},
};

fn stored(row: &Row) -> sqlx::Result<Arc<StoredTemplate>> {
    let template: NotificationTemplate = rows::from_body(&row.text(2)?)?;
    Ok(Arc::new(StoredTemplate { version: rows::number(row.int(0)?), stored: rows::time(row.int(1)?), template }))
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TemplateStore for SqlStore {
    async fn get(&self, name: &str, version: Option<u32>) -> Result<Option<Arc<StoredTemplate>>> {
        run!(self, "a template could not be read", false, |session| {
            let found = match version {
                None => session.fetch(file!("template_current").into(), args![name]).await?,
                Some(version) => session.fetch(file!("template_one").into(), args![name, version]).await?,
            };
            found.first().map(stored).transpose()?
        })
    }

    async fn put(&self, template: &NotificationTemplate, expected: u32, now: SystemTime) -> Result<PutTemplate> {
        template.check()?;
        let name = template.name.as_str();
        run!(self, "a template could not be stored", true, |session| {
            let mut changed = 0;
            if expected == 0 {
                changed = session.execute(file!("template_first"), args![name]).await?;
            }
            if changed == 0 {
                changed = match expected {
                    0 => session.execute(file!("template_again"), args![name]).await?,
                    _ => session.execute(file!("template_next"), args![name, expected]).await?,
                };
            }
            let latest = session.fetch(file!("template_latest").into(), args![name]).await?;
            let (version, removed) = match latest.first() {
                Some(row) => (rows::number(row.int(0)?), row.int(1)? != 0),
                None => (0, true),
            };
            if changed == 0 {
                PutTemplate::Conflict(if removed { 0 } else { version })
            } else {
                let values = args![name, version, rows::millis(now), rows::to_body(template)?];
                session.execute(file!("template_version"), values).await?;
                PutTemplate::Stored(version)
            }
        })
    }

    async fn remove(&self, name: &str) -> Result<bool> {
        run!(self, "a template could not be removed", false, |session| {
            session.execute(file!("template_remove"), args![name]).await? > 0
        })
    }

    async fn list(&self) -> Result<Vec<Arc<StoredTemplate>>> {
        run!(self, "templates could not be listed", false, |session| {
            let found = session.fetch(file!("template_list").into(), args![]).await?;
            found.iter().map(stored).collect::<sqlx::Result<Vec<_>>>()?
        })
    }

    async fn versions(&self, name: &str) -> Result<Vec<u32>> {
        run!(self, "versions of a template could not be listed", false, |session| {
            let found = session.fetch(file!("template_versions").into(), args![name]).await?;
            found.iter().map(|row| row.int(0).map(rows::number)).collect::<sqlx::Result<Vec<_>>>()?
        })
    }
}
