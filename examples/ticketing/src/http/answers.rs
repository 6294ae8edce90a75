//! What any operation may answer because of what it takes and of what surrounds it: said once, for all of them.

use utoipa::openapi::{
    Content, OpenApi as Document, Ref, RefOr, Response,
    path::{Operation, ParameterIn, PathItem},
};

/// Who may reach the operations of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Everybody, or everybody who is signed in.
    Open,
    /// Those whose roles allow it.
    Desk,
}

/// Adds to each operation what it does not say itself, and to each refusal the shape of a problem.
pub(super) fn complete(mut document: Document, door: Door) -> Document {
    for item in document.paths.paths.values_mut() {
        operations(item).for_each(|operation| complete_operation(operation, door));
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn complete_operation(operation: &mut Operation, door: Door) {
    let takes = |kind: &ParameterIn| {
        operation.parameters.iter().flatten().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == *kind,
            RefOr::Ref(_) => false,
        })
    };
    let signed = door == Door::Desk || operation.security.as_ref().is_some_and(|security| !security.is_empty());
    let body = operation.request_body.is_some();
    let answers = [
        ("400", body || signed || takes(&ParameterIn::Query), "`malformed-request`"),
        ("401", signed, "`unauthenticated`, `token-expired`, `token-invalid`"),
        ("403", door == Door::Desk, "`forbidden`"),
        ("404", takes(&ParameterIn::Path), "`not-found`"),
        ("413", body, "`body-too-large`"),
        ("415", body, "`unsupported-media-type`"),
        (
            "default",
            true,
            "A failure: `internal`, `timeout`, `busy`, `unavailable` or `one-moment`; or `rate-limited`, too much for the server",
        ),
    ];
    let responses = &mut operation.responses.responses;
    for (status, _, description) in answers.into_iter().filter(|(_, applies, _)| *applies) {
        responses.entry(status.to_owned()).or_insert_with(|| Response::new(description).into());
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && response.content.is_empty()
            && (status == "default" || status.starts_with('4') || status.starts_with('5'))
        {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            response.content.insert("application/problem+json".to_owned(), problem.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::openapi;

    #[test]
    fn every_refusal_of_every_operation_is_a_problem() {
        let document = serde_json::to_value(openapi()).unwrap();
        let mut refusals = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("default"), "{method} {path}");
                assert!(!path.contains('{') || responses.contains_key("404"), "{method} {path}");
                for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with(['2', '3'])) {
                    let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
                    refusals += 1;
                }
            }
        }
        assert!(refusals > 300, "{refusals}");
    }
}
