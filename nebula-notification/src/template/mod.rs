//! Templates: what a notification says, in which languages, and how providers know it.

mod cached;
mod memory;
mod model;
mod render;
mod store;

pub use self::{
    cached::CachedTemplates,
    memory::MemoryTemplates,
    model::{Content, NotificationTemplate, ParamSpec, ParamType, ProviderParams, ProviderTemplate},
    render::Rendered,
    store::{PutTemplate, StoredTemplate, TemplateStore},
};
