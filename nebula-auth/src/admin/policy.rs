//! Constraints, departments, resources, the list of permissions, and the application's routes.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Admin, actor,
    answer::{Answer, Failure, Page, changed},
    body::{Asked, Body, Named, Part},
};
use crate::rbac::{
    ConstraintName, Department, DepartmentId, Permission, Resource, ResourceId, ResourceKind, RoleName, Separation,
    SeparationKind,
};

pub(super) async fn separations(
    State(admin): State<Arc<Admin>>,
    Asked(part): Asked<Part>,
) -> Result<Answer<Page<Separation>>, Failure> {
    let policy = admin.service.policy().await?;
    let all = policy.separations.values().map(|rule| (rule.name.as_str(), rule.clone()));
    Ok(Page::of(all, part.after.as_deref(), part.limit() as usize))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeparationBody {
    kind: SeparationKind,
    roles: BTreeSet<RoleName>,
    limit: usize,
}

pub(super) async fn put_separation(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<ConstraintName>,
    Body(SeparationBody { kind, roles, limit }): Body<SeparationBody>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.put_separation(&actor()?, Separation { name, kind, roles, limit }).await?)
}

pub(super) async fn delete_separation(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<ConstraintName>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.delete_separation(&actor()?, &name).await?)
}

pub(super) async fn departments(
    State(admin): State<Arc<Admin>>,
    Asked(part): Asked<Part>,
) -> Result<Answer<Page<Department>>, Failure> {
    let policy = admin.service.policy().await?;
    let all = policy.departments.values().map(|department| (department.id.as_str(), department.clone()));
    Ok(Page::of(all, part.after.as_deref(), part.limit() as usize))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DepartmentBody {
    #[serde(default)]
    title: String,
    #[serde(default)]
    parent: Option<DepartmentId>,
}

pub(super) async fn put_department(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<DepartmentId>,
    Body(DepartmentBody { title, parent }): Body<DepartmentBody>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.put_department(&actor()?, Department { id, title, parent }).await?)
}

pub(super) async fn delete_department(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<DepartmentId>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.delete_department(&actor()?, &id).await?)
}

pub(super) async fn resources(
    State(admin): State<Arc<Admin>>,
    Asked(part): Asked<Part>,
) -> Result<Answer<Page<Resource>>, Failure> {
    let policy = admin.service.policy().await?;
    let all = policy.resources.values().map(|resource| (resource.id.as_str(), resource.clone()));
    Ok(Page::of(all, part.after.as_deref(), part.limit() as usize))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceBody {
    kind: ResourceKind,
    #[serde(default)]
    title: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    parent: Option<ResourceId>,
    #[serde(default)]
    permission: Option<Permission>,
    #[serde(default)]
    order: i32,
}

pub(super) async fn put_resource(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<ResourceId>,
    Body(ResourceBody { kind, title, target, parent, permission, order }): Body<ResourceBody>,
) -> Result<StatusCode, Failure> {
    let resource = Resource { id, kind, title, target, parent, permission, order };
    changed(admin.service.put_resource(&actor()?, resource).await?)
}

pub(super) async fn delete_resource(
    State(admin): State<Arc<Admin>>,
    Named(id): Named<ResourceId>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.delete_resource(&actor()?, &id).await?)
}

#[derive(Serialize)]
pub(super) struct Listed {
    name: Permission,
    title: String,
}

pub(super) async fn permissions(
    State(admin): State<Arc<Admin>>,
    Asked(part): Asked<Part>,
) -> Result<Answer<Page<Listed>>, Failure> {
    let policy = admin.service.policy().await?;
    let all = policy.permissions.iter();
    let all = all.map(|(name, title)| (name.as_str(), Listed { name: name.clone(), title: title.clone() }));
    Ok(Page::of(all, part.after.as_deref(), part.limit() as usize))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Title {
    title: String,
}

pub(super) async fn put_permission(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<Permission>,
    Body(Title { title }): Body<Title>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.put_permission(&actor()?, &name, &title).await?)
}

pub(super) async fn delete_permission(
    State(admin): State<Arc<Admin>>,
    Named(name): Named<Permission>,
) -> Result<StatusCode, Failure> {
    changed(admin.service.delete_permission(&actor()?, &name).await?)
}

#[derive(Serialize)]
pub(super) struct RouteView {
    method: String,
    path: String,
    policy: String,
}

pub(super) async fn routes(State(admin): State<Arc<Admin>>) -> Answer<Vec<RouteView>> {
    let view = |route: &crate::axum::SecuredRoute| RouteView {
        method: route.method.to_string(),
        path: route.path.clone(),
        policy: route.policy.to_string(),
    };
    Answer(admin.routes.iter().map(view).collect())
}
