//! On methods and functions, with every form of requirement and of answer. Nobody is known to be asking here.

use nebula_auth::access::AccessError;
use nebula_auth::{requires_mfa, requires_permission, requires_role};

mod names {
    nebula_auth::permissions! {
        order: [Read = "order:read", Delete = "order:delete"],
    }
}

pub(crate) use names::{PERMISSIONS, order};

type AppResult<T> = Result<T, AccessError>;

struct Orders;

impl Orders {
    #[requires_permission("order:read")]
    async fn one<T: Clone + Send>(&self, what: &T) -> Result<T, AccessError> {
        Ok(what.clone())
    }

    #[requires_role("admin")]
    #[requires_mfa(within = "5m")]
    async fn all(&mut self) -> AppResult<()> {
        Ok(())
    }
}

#[requires_permission(any(order::Delete, all("order:read", "order:delete")), declared = names::PERMISSIONS)]
async fn response(text: String) -> impl nebula_auth::__private::IntoResponse {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    text
}

#[tokio::test]
async fn functions_that_require_something_refuse_without_anybody() {
    let mut orders = Orders;
    assert!(matches!(orders.one(&1).await, Err(AccessError::NoContext)));
    assert!(matches!(orders.all().await, Err(AccessError::NoContext)));
    assert_eq!(response(String::new()).await.status().as_u16(), 403);
}
