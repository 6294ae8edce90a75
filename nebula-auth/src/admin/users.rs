//! Users: what they were given, and what comes of it.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Admin, actor,
    answer::{Answer, Failure, Page, changed},
    body::{Asked, Body, Named, Part, Until, text},
    permissions,
};
use crate::{
    access::AuthContext,
    rbac::{
        Assignment, Authority, DepartmentId, Explanation, MenuNode, Permission, PermissionPattern, Reach, RoleName,
        User, UserId,
    },
};

#[derive(Serialize)]
struct Given {
    name: String,
    by: String,
    until: Option<String>,
}

impl Given {
    fn of((name, assignment): (impl ToString, Assignment)) -> Self {
        Self { name: name.to_string(), by: assignment.by, until: assignment.until.map(text) }
    }
}

#[derive(Serialize)]
pub(super) struct UserView {
    id: UserId,
    department: Option<DepartmentId>,
    disabled: bool,
    roles: Vec<Given>,
    grants: Vec<Given>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            department: user.department,
            disabled: user.disabled,
            roles: user.roles.into_iter().map(Given::of).collect(),
            grants: user.grants.into_iter().map(Given::of).collect(),
        }
    }
}

/// Who asks, and which of the permissions of this interface they have.
pub(super) async fn me(State(admin): State<Arc<Admin>>) -> Result<Answer<Value>, Failure> {
    let context = AuthContext::current()?;
    let mut held = Vec::new();
    for name in permissions::PERMISSIONS {
        let permission = Permission::new(name)?;
        if context.has(&permission).await? {
            held.push(*name);
        }
    }
    Ok(Answer(json!({
        "user": context.user(),
        "permissions": held,
        "sessions": admin.sessions.is_some(),
        "audit": admin.audit.is_some(),
    })))
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Asked(part): Asked<Part>,
) -> Result<Answer<Page<UserView>>, Failure> {
    let after = part.after.as_deref().map(UserId::new).transpose()?;
    let limit = part.limit();
    let mut users = admin.service.users(after.as_ref(), limit + 1).await?;
    let more = users.len() > limit as usize;
    users.truncate(limit as usize);
    let next = users.last().filter(|_| more).map(|user| user.id.to_string());
    Ok(Answer(Page { items: users.into_iter().map(UserView::from).collect(), next }))
}

pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<UserId>,
) -> Result<Answer<UserView>, Failure> {
    let user = admin.service.user(&id).await?.ok_or(Failure::Unknown("user"))?;
    Ok(Answer(user.into()))
}

/// What changes; what is left out stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Null for none.
    #[serde(default, with = "present")]
    department: Option<Option<DepartmentId>>,
    disabled: Option<bool>,
}

/// Tells null from absent.
mod present {
    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        from: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(from).map(Some)
    }
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<UserId>,
    Body(change): Body<Change>,
) -> Result<StatusCode, Failure> {
    let actor = actor()?;
    // To withhold comes first, to give back last: between the two nobody has more than before or after.
    if change.disabled == Some(true) {
        changed(admin.service.set_disabled(&actor, &id, true).await?)?;
    }
    if let Some(department) = change.department {
        changed(admin.service.set_department(&actor, &id, department.as_ref()).await?)?;
    }
    if change.disabled == Some(false) {
        changed(admin.service.set_disabled(&actor, &id, false).await?)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(State(admin): State<Arc<Admin>>, Named(id): Named<UserId>) -> Result<StatusCode, Failure> {
    changed(admin.service.delete_user(&actor()?, &id).await?)
}

pub(super) async fn assign(
    State(admin): State<Arc<Admin>>,
    Named((id, role)): Named<(UserId, RoleName)>,
    Body(Until { until }): Body<Until>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.assign_role(&actor()?, &id, &role, until).await?)
}

pub(super) async fn unassign(
    State(admin): State<Arc<Admin>>,
    Named((id, role)): Named<(UserId, RoleName)>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.unassign_role(&actor()?, &id, &role).await?)
}

pub(super) async fn grant(
    State(admin): State<Arc<Admin>>,
    Named((id, permission)): Named<(UserId, PermissionPattern)>,
    Body(Until { until }): Body<Until>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.grant(&actor()?, &id, &permission, until).await?)
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Named((id, permission)): Named<(UserId, PermissionPattern)>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.revoke(&actor()?, &id, &permission).await?)
}

#[derive(Serialize)]
pub(super) struct AuthorityView {
    roles: BTreeSet<RoleName>,
    permissions: BTreeSet<PermissionPattern>,
    data: Vec<Value>,
    until: Option<String>,
}

impl From<Authority> for AuthorityView {
    fn from(authority: Authority) -> Self {
        let data = authority.data.into_iter().map(|rule| {
            let reach = match rule.reach {
                Reach::All => json!("all"),
                Reach::Some { own, departments } => json!({ "own": own, "departments": departments }),
            };
            json!({ "entity": rule.entity, "reach": reach, "fields": rule.fields })
        });
        Self {
            data: data.collect(),
            roles: authority.roles,
            permissions: authority.permissions,
            until: authority.until.map(text),
        }
    }
}

/// Straight from the store.
pub(super) async fn authority(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<UserId>,
) -> Result<Answer<AuthorityView>, Failure> {
    Ok(Answer(admin.service.authority(&id).await?.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    permission: Permission,
}

#[derive(Serialize)]
pub(super) struct Explained {
    #[serde(flatten)]
    explanation: Explanation,
    text: String,
}

pub(super) async fn explain(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<UserId>,
    Asked(Question { permission }): Asked<Question>,
) -> Result<Answer<Explained>, Failure> {
    let explanation = admin.evaluator.explain(&id, &permission).await?;
    Ok(Answer(Explained { text: explanation.to_string(), explanation }))
}

pub(super) async fn menu(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<UserId>,
) -> Result<Answer<Vec<MenuNode>>, Failure> {
    Ok(Answer(admin.evaluator.menu(&id).await?))
}
