//! What of the resource tree somebody sees.

use std::collections::BTreeMap;

use serde::Serialize;

use super::PermissionEvaluator;
use crate::{
    error::Error,
    rbac::{
        authority::Authority,
        model::{Resource, ResourceKind},
        name::{ResourceId, UserId},
    },
};

/// A node that somebody sees, with what they see below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MenuNode {
    /// Its id.
    pub id: ResourceId,
    /// What it is.
    pub kind: ResourceKind,
    /// What people call it.
    pub title: String,
    /// Where it leads.
    pub target: String,
    /// What is below it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Self>,
}

impl PermissionEvaluator {
    /// Menus and buttons that a user sees: those whose permission they have, and those without one that lead to such.
    /// What is below a node that they do not see is not seen either. By the same permissions as the endpoints.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn menu(&self, user: &UserId) -> Result<Vec<MenuNode>, Error> {
        let held = self.held(user).await?;
        let mut below: BTreeMap<Option<&ResourceId>, Vec<&Resource>> = BTreeMap::new();
        for resource in held.policy.resources.values().filter(|resource| resource.kind != ResourceKind::Api) {
            below.entry(resource.parent.as_ref()).or_default().push(resource);
        }
        Ok(visible(&below, None, &held.authority))
    }
}

/// The tree has no cycles: changes that would make one are refused.
fn visible(
    below: &BTreeMap<Option<&ResourceId>, Vec<&Resource>>,
    parent: Option<&ResourceId>,
    authority: &Authority,
) -> Vec<MenuNode> {
    let mut nodes = below.get(&parent).cloned().unwrap_or_default();
    nodes.sort_by_key(|resource| (resource.order, &resource.id));
    let node = |resource: &Resource| {
        if resource.permission.as_ref().is_some_and(|permission| !authority.allows(permission)) {
            return None;
        }
        let children = visible(below, Some(&resource.id), authority);
        (resource.permission.is_some() || !children.is_empty()).then(|| MenuNode {
            id: resource.id.clone(),
            kind: resource.kind,
            title: resource.title.clone(),
            target: resource.target.clone(),
            children,
        })
    };
    nodes.into_iter().filter_map(node).collect()
}
