//! The OpenAPI document and the browser for it, which needs no network.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, RefOr, Schema,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// Head of the document; the paths come from the modules.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Nebula ticketing",
        version = "1",
        description = "Shows, seat maps, orders and payments. Errors are `application/problem+json` with a stable `code`; \
                       the page `/problems` lists all codes."
    ),
    tags(
        (name = "account", description = "Register, sign in, stay signed in"),
        (name = "catalog", description = "Shows, sessions, seat maps"),
        (name = "seats", description = "Live state of the seats"),
        (name = "admission", description = "Reserve, wait, show that you are a person"),
        (name = "orders", description = "Hold, pay, cancel"),
        (name = "payments", description = "The payment provider's side"),
        (name = "counter", description = "Selling at a counter, and its tills"),
        (name = "admin", description = "For administrators"),
        (name = "operations", description = "For those who run it"),
    ),
    modifiers(&Common)
)]
pub(super) struct Head;

struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build()),
        );
        components.schemas.insert("Problem".to_owned(), problem());
    }
}

fn problem() -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let codes: Vec<_> = crate::problem::Code::ALL.iter().map(|code| code.as_str()).collect();
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("RFC 9457. Some codes add members; `/problems` says which."))
        .property("type", text())
        .required("type")
        .property("title", text())
        .required("title")
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .required("status")
        .property("code", text().enum_values(Some(codes)))
        .required("code")
        .property("detail", text())
        .required("detail")
        .property("request_id", text())
        .into()
}
