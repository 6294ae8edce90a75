//! Roles.

use std::{collections::BTreeSet, mem::take, sync::Arc};

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;

use super::{
    Admin, actor,
    answer::{Answer, Failure, Page, changed},
    body::{Asked, Body, Named, Part},
};
use crate::rbac::{DataRule, PermissionPattern, Role, RoleName};

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Asked(part): Asked<Part>,
) -> Result<Answer<Page<Role>>, Failure> {
    let policy = admin.service.policy().await?;
    let roles = policy.roles.values().map(|role| (role.name.as_str(), role.clone()));
    Ok(Page::of(roles, part.after.as_deref(), part.limit() as usize))
}

pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<RoleName>,
) -> Result<Answer<Role>, Failure> {
    let policy = admin.service.policy().await?;
    policy.roles.get(&name).cloned().map(Answer).ok_or(Failure::Unknown("role"))
}

pub(super) async fn create(State(admin): State<Arc<Admin>>, Body(role): Body<Role>) -> Result<StatusCode, Failure> {
    changed(admin.service.create_role(&actor()?, role).await?).map(|_| StatusCode::CREATED)
}

/// What changes; what is left out stays.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    title: Option<String>,
    parents: Option<BTreeSet<RoleName>>,
    permissions: Option<BTreeSet<PermissionPattern>>,
    data: Option<Vec<DataRule>>,
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<RoleName>,
    Body(change): Body<Change>,
) -> Result<StatusCode, Failure> {
    let edit = |role: &mut Role| {
        let Change { title, parents, permissions, data } = change.clone();
        role.title = title.unwrap_or_else(|| take(&mut role.title));
        role.parents = parents.unwrap_or_else(|| take(&mut role.parents));
        role.permissions = permissions.unwrap_or_else(|| take(&mut role.permissions));
        role.data = data.unwrap_or_else(|| take(&mut role.data));
    };
    changed(admin.service.update_role(&actor()?, &name, edit).await?)
}

pub(super) async fn remove(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<RoleName>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.delete_role(&actor()?, &name).await?)
}

type Pair<T> = Named<(RoleName, T)>;

pub(super) async fn add_permission(
    State(admin): State<Arc<Admin>>,
    Named((role, permission)): Pair<PermissionPattern>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.add_permission(&actor()?, &role, &permission).await?)
}

pub(super) async fn remove_permission(
    State(admin): State<Arc<Admin>>,
    Named((role, permission)): Pair<PermissionPattern>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.remove_permission(&actor()?, &role, &permission).await?)
}

pub(super) async fn add_parent(
    State(admin): State<Arc<Admin>>,
    Named((role, parent)): Pair<RoleName>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.add_parent(&actor()?, &role, &parent).await?)
}

pub(super) async fn remove_parent(
    State(admin): State<Arc<Admin>>,
    Named((role, parent)): Pair<RoleName>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.remove_parent(&actor()?, &role, &parent).await?)
}
