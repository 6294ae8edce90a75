//! Templates: what a notification says, in which languages, and how providers know it.

mod memory;
mod model;
mod render;
mod store;

pub use self::{
    memory::MemoryTemplates,
    model::{Content, NotificationTemplate, ParamSpec, ParamType, ProviderParams, ProviderTemplate},
    render::Rendered,
    store::{PutTemplate, StoredTemplate, TemplateStore},
};
