//! Changes of roles, departments, resources, constraints and the list of permissions.

use std::collections::BTreeSet;

use super::{Actor, RbacOutcome, RbacRefusal, RbacService, change::Concerns, draft::Users, rights};
use crate::{
    error::Error,
    rbac::{
        model::{Department, Resource, Role, Separation},
        name::{ConstraintName, DepartmentId, ResourceId, RoleName},
        permission::{Permission, PermissionPattern},
        policy::Policy,
    },
};

impl RbacService {
    /// Makes a new role.
    ///
    /// # Errors
    /// If the store cannot answer; [`ErrorKind::Busy`](crate::ErrorKind::Busy) if others keep changing the same things.
    ///
    /// # Cancel safety
    /// The change is made as a whole or not at all.
    pub async fn create_role(&self, actor: &Actor, role: Role) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            if policy.roles.contains_key(&role.name) {
                return Err(RbacRefusal::Exists { what: "role", id: role.name.to_string() });
            }
            policy.roles.insert(role.name.clone(), role.clone());
            Ok(())
        };
        self.change_policy(actor, (rights::ROLES, role.name.as_str()), edit, separated, keep).await
    }

    /// Changes a role in place; what the closure refuses is refused.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn update_role(
        &self,
        actor: &Actor,
        name: &RoleName,
        edit: impl Fn(&mut Role) + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            let role = policy.roles.get_mut(name);
            let role = role.ok_or_else(|| RbacRefusal::Unknown { what: "role", id: name.to_string() })?;
            edit(role);
            if role.name == *name { Ok(()) } else { Err(RbacRefusal::Invalid("a role cannot be renamed")) }
        };
        self.change_policy(actor, (rights::ROLES, name.as_str()), edit, separated, keep).await
    }

    /// Gives a role a permission.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn add_permission(
        &self,
        actor: &Actor,
        role: &RoleName,
        permission: &PermissionPattern,
    ) -> Result<RbacOutcome, Error> {
        self.update_role(actor, role, |role| {
            role.permissions.insert(permission.clone());
        })
        .await
    }

    /// Takes a permission from a role.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn remove_permission(
        &self,
        actor: &Actor,
        role: &RoleName,
        permission: &PermissionPattern,
    ) -> Result<RbacOutcome, Error> {
        self.update_role(actor, role, |role| {
            role.permissions.remove(permission);
        })
        .await
    }

    /// Lets a role inherit from another.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn add_parent(&self, actor: &Actor, role: &RoleName, parent: &RoleName) -> Result<RbacOutcome, Error> {
        self.update_role(actor, role, |role| {
            role.parents.insert(parent.clone());
        })
        .await
    }

    /// Ends that.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn remove_parent(&self, actor: &Actor, role: &RoleName, parent: &RoleName) -> Result<RbacOutcome, Error> {
        self.update_role(actor, role, |role| {
            role.parents.remove(parent);
        })
        .await
    }

    /// Removes a role, and takes it from everybody in the same transaction: a later role of the same name has no
    /// holders. Refused while another role or a constraint names it.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn delete_role(&self, actor: &Actor, name: &RoleName) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            let in_use = |by: String| RbacRefusal::InUse { what: "role", id: name.to_string(), by };
            if let Some(heir) = policy.roles.values().find(|role| role.parents.contains(name)) {
                return Err(in_use(format!("the role `{}`", heir.name)));
            }
            if let Some(rule) = policy.separations.values().find(|rule| rule.roles.contains(name)) {
                return Err(in_use(format!("the separation `{}`", rule.name)));
            }
            policy.roles.remove(name);
            Ok(())
        };
        let holders = |_: &Policy, _: &Policy| Concerns::Holders(BTreeSet::from([name.clone()]));
        let take = |users: &mut Users| {
            for user in users.values_mut().flatten() {
                user.roles.remove(name);
            }
            Ok(())
        };
        self.change_policy(actor, (rights::ROLES, name.as_str()), edit, holders, take).await
    }

    /// Makes or changes a department.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn put_department(&self, actor: &Actor, department: Department) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            policy.departments.insert(department.id.clone(), department.clone());
            Ok(())
        };
        self.change_policy(actor, (rights::DEPARTMENTS, department.id.as_str()), edit, nobody, keep).await
    }

    /// Removes a department; refused while departments, roles or users are in it. Looks at every user.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn delete_department(&self, actor: &Actor, id: &DepartmentId) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            if let Some(below) = policy.departments.values().find(|below| below.parent.as_ref() == Some(id)) {
                let by = format!("the department `{}`", below.id);
                return Err(RbacRefusal::InUse { what: "department", id: id.to_string(), by });
            }
            policy.departments.remove(id);
            Ok(())
        };
        let used = |users: &mut Users| match users.values().flatten().find(|user| user.department.as_ref() == Some(id))
        {
            Some(user) => {
                let by = format!("the user `{}`", user.id);
                Err(RbacRefusal::InUse { what: "department", id: id.to_string(), by })
            }
            None => Ok(()),
        };
        self.change_policy(actor, (rights::DEPARTMENTS, id.as_str()), edit, |_, _| Concerns::Everybody, used).await
    }

    /// Makes or changes a node of the resource tree.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn put_resource(&self, actor: &Actor, resource: Resource) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            policy.resources.insert(resource.id.clone(), resource.clone());
            Ok(())
        };
        self.change_policy(actor, (rights::RESOURCES, resource.id.as_str()), edit, nobody, keep).await
    }

    /// Removes a node of the resource tree; refused while others are below it.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn delete_resource(&self, actor: &Actor, id: &ResourceId) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            if let Some(below) = policy.resources.values().find(|below| below.parent.as_ref() == Some(id)) {
                let by = format!("the resource `{}`", below.id);
                return Err(RbacRefusal::InUse { what: "resource", id: id.to_string(), by });
            }
            policy.resources.remove(id);
            Ok(())
        };
        self.change_policy(actor, (rights::RESOURCES, id.as_str()), edit, nobody, keep).await
    }

    /// Makes or changes a constraint; refused if somebody breaks it already.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn put_separation(&self, actor: &Actor, separation: Separation) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            policy.separations.insert(separation.name.clone(), separation.clone());
            Ok(())
        };
        self.change_policy(actor, (rights::SEPARATIONS, separation.name.as_str()), edit, separated, keep).await
    }

    /// Removes a constraint.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn delete_separation(&self, actor: &Actor, name: &ConstraintName) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            policy.separations.remove(name);
            Ok(())
        };
        self.change_policy(actor, (rights::SEPARATIONS, name.as_str()), edit, nobody, keep).await
    }

    /// Puts a permission on the list that administrators choose from. Being on it gives nothing to anybody.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn put_permission(
        &self,
        actor: &Actor,
        permission: &Permission,
        title: &str,
    ) -> Result<RbacOutcome, Error> {
        let edit = |policy: &mut Policy| {
            policy.permissions.insert(permission.clone(), title.to_owned());
            Ok(())
        };
        self.change_policy(actor, (rights::PERMISSIONS, permission.as_str()), edit, nobody, keep).await
    }

    /// Takes a permission off the list; refused while a role gives it or a resource needs it by name.
    ///
    /// # Errors
    /// As [`create_role`](Self::create_role).
    ///
    /// # Cancel safety
    /// As [`create_role`](Self::create_role).
    pub async fn delete_permission(&self, actor: &Actor, permission: &Permission) -> Result<RbacOutcome, Error> {
        let pattern = PermissionPattern::from(permission.clone());
        let edit = |policy: &mut Policy| {
            let in_use = |by: String| RbacRefusal::InUse { what: "permission", id: permission.to_string(), by };
            if let Some(role) = policy.roles.values().find(|role| role.permissions.contains(&pattern)) {
                return Err(in_use(format!("the role `{}`", role.name)));
            }
            let mut resources = policy.resources.values();
            if let Some(resource) = resources.find(|resource| resource.permission.as_ref() == Some(permission)) {
                return Err(in_use(format!("the resource `{}`", resource.id)));
            }
            policy.permissions.remove(permission);
            Ok(())
        };
        self.change_policy(actor, (rights::PERMISSIONS, permission.as_str()), edit, nobody, keep).await
    }
}

fn nobody(_: &Policy, _: &Policy) -> Concerns {
    Concerns::Nobody
}

fn keep(_: &mut Users) -> Result<(), RbacRefusal> {
    Ok(())
}

/// Those who could break a constraint by this change: holders of roles that lead to a constrained one, if what leads
/// there, or the constraints, change.
fn separated(before: &Policy, after: &Policy) -> Concerns {
    let parents = |policy: &Policy| -> Vec<(RoleName, BTreeSet<RoleName>)> {
        policy.roles.iter().map(|(name, role)| (name.clone(), role.parents.clone())).collect()
    };
    if before.separations == after.separations && parents(before) == parents(after) {
        return Concerns::Nobody;
    }
    let constrained: BTreeSet<RoleName> =
        after.separations.values().flat_map(|rule| rule.roles.iter().cloned()).collect();
    if constrained.is_empty() { Concerns::Nobody } else { Concerns::Holders(after.heirs(&constrained)) }
}
