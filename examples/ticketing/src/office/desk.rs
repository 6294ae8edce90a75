//! Routes that say who may use them, with their documentation.

use axum::{http::Method, routing::MethodRouter};
use nebula_auth::axum::{Policy, SecureRouter};
use utoipa::openapi::{OpenApi as Document, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;

/// The back office's part of a module: handlers with their documentation, each behind a policy.
pub struct Desk {
    documented: OpenApiRouter<App>,
    secured: SecureRouter<App>,
}

impl Desk {
    /// Without routes.
    #[must_use]
    pub fn new() -> Self {
        Self { documented: OpenApiRouter::new(), secured: SecureRouter::new() }
    }

    /// Adds what `routes!` makes, for those whom the policy names.
    #[must_use]
    pub fn routes(mut self, policy: impl Into<Policy>, (schemas, paths, handlers): UtoipaMethodRouter<App>) -> Self {
        let policy = policy.into();
        for (path, item) in &paths.paths {
            self.secured = self.secured.methods(&methods(item), path, policy.clone(), handlers.clone());
        }
        self.documented = self.documented.routes((schemas, paths, MethodRouter::new()));
        self
    }

    /// Adds those of another module.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self { documented: self.documented.merge(other.documented), secured: self.secured.merge(other.secured) }
    }

    pub(super) fn into_routes(self) -> SecureRouter<App> {
        self.secured
    }

    /// What the documentation says of them.
    #[must_use]
    pub fn into_document(self) -> Document {
        self.documented.into_openapi()
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("secured", &self.secured).finish_non_exhaustive()
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

fn methods(item: &PathItem) -> Vec<Method> {
    let known = [
        (&item.get, Method::GET),
        (&item.post, Method::POST),
        (&item.put, Method::PUT),
        (&item.patch, Method::PATCH),
        (&item.delete, Method::DELETE),
    ];
    known.into_iter().filter(|(operation, _)| operation.is_some()).map(|(_, method)| method).collect()
}
