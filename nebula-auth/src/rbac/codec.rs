//! Documents as stores keep them: JSON with the version of its form.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    model::{Department, Resource, Role, Separation, User},
    name::UserId,
    permission::Permission,
    policy::Policy,
    store::{Document, DocumentKind, StoredPolicy},
};
use crate::error::{Error, ErrorKind};

/// What this version writes, and the newest that it reads.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize, Deserialize)]
struct Named {
    title: String,
}

pub(crate) fn encode<T: Serialize>(content: &T) -> Result<String, Error> {
    serde_json::to_string(&Versioned { v: VERSION, content })
        .map_err(|error| Error::internal("a role or user could not be written as JSON").with_source(error))
}

pub(crate) fn decode<T: DeserializeOwned>(body: &str) -> Result<T, Error> {
    let damaged = |error| Error::internal("a stored role or user is damaged").with_source(error);
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_str(body).map_err(damaged)?;
    if v > VERSION {
        return Err(Error::new(ErrorKind::Config, "a stored role or user was written by a newer version"));
    }
    let Versioned { content, .. } = serde_json::from_str(body).map_err(damaged)?;
    Ok(content)
}

pub(crate) fn user(id: &UserId, body: Option<&str>) -> Result<Option<User>, Error> {
    let Some(body) = body else { return Ok(None) };
    let user: User = decode(body)?;
    // A row that was copied onto somebody else's key must not speak for them.
    if user.id == *id { Ok(Some(user)) } else { Err(Error::internal("a stored user is filed under another id")) }
}

pub(crate) fn policy(stored: &StoredPolicy) -> Result<Policy, Error> {
    let mut policy = Policy::default();
    for Document { kind, id, body } in &stored.documents {
        let Some(body) = body else { continue };
        let filed = match kind {
            DocumentKind::Role => {
                let role: Role = decode(body)?;
                let filed = role.name.as_str() == id;
                policy.roles.insert(role.name.clone(), role);
                filed
            }
            DocumentKind::Department => {
                let department: Department = decode(body)?;
                let filed = department.id.as_str() == id;
                policy.departments.insert(department.id.clone(), department);
                filed
            }
            DocumentKind::Resource => {
                let resource: Resource = decode(body)?;
                let filed = resource.id.as_str() == id;
                policy.resources.insert(resource.id.clone(), resource);
                filed
            }
            DocumentKind::Separation => {
                let separation: Separation = decode(body)?;
                let filed = separation.name.as_str() == id;
                policy.separations.insert(separation.name.clone(), separation);
                filed
            }
            DocumentKind::Permission => {
                let Named { title } = decode(body)?;
                let permission = Permission::new(id);
                permission.map(|permission| policy.permissions.insert(permission, title)).is_ok()
            }
        };
        if !filed {
            return Err(Error::internal("a stored role is filed under another name"));
        }
    }
    Ok(policy)
}

/// What has to be written to turn one policy into the other.
pub(crate) fn difference(before: &Policy, after: &Policy) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    macro_rules! compare {
        ($field:ident, $kind:ident) => {
            for (id, value) in &after.$field {
                if before.$field.get(id) != Some(value) {
                    let body = Some(encode(value)?);
                    documents.push(Document { kind: DocumentKind::$kind, id: id.as_str().to_owned(), body });
                }
            }
            for id in before.$field.keys().filter(|id| !after.$field.contains_key(*id)) {
                documents.push(Document { kind: DocumentKind::$kind, id: id.as_str().to_owned(), body: None });
            }
        };
    }
    compare!(roles, Role);
    compare!(departments, Department);
    compare!(resources, Resource);
    compare!(separations, Separation);
    for (permission, title) in &after.permissions {
        if before.permissions.get(permission) != Some(title) {
            let body = Some(encode(&Named { title: title.clone() })?);
            documents.push(Document { kind: DocumentKind::Permission, id: permission.as_str().to_owned(), body });
        }
    }
    for permission in before.permissions.keys().filter(|name| !after.permissions.contains_key(*name)) {
        documents.push(Document { kind: DocumentKind::Permission, id: permission.as_str().to_owned(), body: None });
    }
    Ok(documents)
}
