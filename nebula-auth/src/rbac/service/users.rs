//! Changes of users.

use std::time::{Duration, SystemTime};

use super::{Actor, RbacOutcome, RbacRefusal, RbacService};
use crate::{
    error::Error,
    rbac::{
        millis,
        model::{Assignment, User},
        name::{DepartmentId, RoleName, UserId},
        permission::PermissionPattern,
    },
};

impl RbacService {
    /// Gives a user a role, until it is taken away or until a time on the store's clock. Giving it again changes the end.
    ///
    /// # Errors
    /// If the store cannot answer; [`ErrorKind::Busy`](crate::ErrorKind::Busy) if others keep changing the same things.
    ///
    /// # Cancel safety
    /// The change is made as a whole or not at all.
    pub async fn assign_role(
        &self,
        actor: &Actor,
        user: &UserId,
        role: &RoleName,
        until: Option<SystemTime>,
    ) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| {
            let assignment = Assignment { by: actor.name(), until: until.map(whole_millis) };
            let roles = &mut draft.get_or_insert_with(|| User::new(user.clone())).roles;
            if roles.get(role).is_none_or(|old| old.until != assignment.until) {
                roles.insert(role.clone(), assignment);
            }
            Ok(())
        })
        .await
    }

    /// Takes a role from a user. It stays if it is inherited from another.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    ///
    /// # Cancel safety
    /// As [`assign_role`](Self::assign_role).
    pub async fn unassign_role(&self, actor: &Actor, user: &UserId, role: &RoleName) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| {
            if let Some(user) = draft {
                user.roles.remove(role);
            }
            Ok(())
        })
        .await
    }

    /// Gives a user a permission without a role, until it is taken away or until a time on the store's clock.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    ///
    /// # Cancel safety
    /// As [`assign_role`](Self::assign_role).
    pub async fn grant(
        &self,
        actor: &Actor,
        user: &UserId,
        permission: &PermissionPattern,
        until: Option<SystemTime>,
    ) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| {
            let assignment = Assignment { by: actor.name(), until: until.map(whole_millis) };
            let grants = &mut draft.get_or_insert_with(|| User::new(user.clone())).grants;
            if grants.get(permission).is_none_or(|old| old.until != assignment.until) {
                grants.insert(permission.clone(), assignment);
            }
            Ok(())
        })
        .await
    }

    /// Takes such a permission from a user. What roles give stays.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    ///
    /// # Cancel safety
    /// As [`assign_role`](Self::assign_role).
    pub async fn revoke(
        &self,
        actor: &Actor,
        user: &UserId,
        permission: &PermissionPattern,
    ) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| {
            if let Some(user) = draft {
                user.grants.remove(permission);
            }
            Ok(())
        })
        .await
    }

    /// Puts a user into a department, or into none. What their roles reach moves with them.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    ///
    /// # Cancel safety
    /// As [`assign_role`](Self::assign_role).
    pub async fn set_department(
        &self,
        actor: &Actor,
        user: &UserId,
        department: Option<&DepartmentId>,
    ) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| {
            draft.get_or_insert_with(|| User::new(user.clone())).department = department.cloned();
            Ok(())
        })
        .await
    }

    /// Withholds everything from a user, or gives it back.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    ///
    /// # Cancel safety
    /// As [`assign_role`](Self::assign_role).
    pub async fn set_disabled(&self, actor: &Actor, user: &UserId, disabled: bool) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| match draft {
            Some(user) => {
                user.disabled = disabled;
                Ok(())
            }
            None => Err(RbacRefusal::Unknown { what: "user", id: user.to_string() }),
        })
        .await
    }

    /// Removes a user with everything they were given.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    ///
    /// # Cancel safety
    /// As [`assign_role`](Self::assign_role).
    pub async fn delete_user(&self, actor: &Actor, user: &UserId) -> Result<RbacOutcome, Error> {
        self.change_user(actor, user, |draft| {
            *draft = None;
            Ok(())
        })
        .await
    }
}

/// As it will be read back. Rounded down: what ends, ends no later than asked for.
fn whole_millis(time: SystemTime) -> SystemTime {
    millis::time(millis::of(time)).max(SystemTime::UNIX_EPOCH + Duration::ZERO)
}
