//! A change before it is made: what is, what would be, and whether that may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use super::refusal::RbacRefusal;
use crate::rbac::{
    authority::{Active, Authority, ReachRule},
    model::{Role, RowScope, SeparationKind, User},
    name::{RoleName, UserId},
    permission::PermissionPattern,
    policy::{Policy, find_cycle},
};

/// Users by id; nothing stands for one that is not there.
pub(super) type Users = BTreeMap<UserId, Option<User>>;

/// What would be.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(super) policy: Arc<Policy>,
    pub(super) users: Users,
}

/// What is, and what would be.
pub(super) struct Judgement<'a> {
    pub(super) before: &'a Draft,
    pub(super) after: &'a Draft,
    /// Nothing for the system itself, which may do everything that keeps the rules.
    pub(super) actor: Option<&'a Authority>,
    pub(super) now: SystemTime,
}

impl Judgement<'_> {
    pub(super) fn judge(&self) -> Result<(), RbacRefusal> {
        self.users_refer()?;
        if !Arc::ptr_eq(&self.before.policy, &self.after.policy) {
            self.policy_refers()?;
            self.no_cycles()?;
            self.administrators()?;
            if let Some(actor) = self.actor {
                self.roles_within(actor)?;
                self.departments_within(actor)?;
            }
        }
        self.separations()?;
        match self.actor {
            Some(actor) => self.users_within(actor),
            None => Ok(()),
        }
    }

    /// Every role and department that users have is there.
    fn users_refer(&self) -> Result<(), RbacRefusal> {
        let Draft { policy, users } = self.after;
        for user in users.values().flatten() {
            for name in user.roles.keys() {
                known("role", name.as_str(), policy.roles.contains_key(name))?;
            }
            if let Some(id) = &user.department {
                known("department", id.as_str(), policy.departments.contains_key(id))?;
            }
        }
        Ok(())
    }

    /// Everything that roles, constraints and trees name is there.
    fn policy_refers(&self) -> Result<(), RbacRefusal> {
        let policy = &self.after.policy;
        let role = |name: &RoleName| known("role", name.as_str(), policy.roles.contains_key(name));
        for value in policy.roles.values() {
            value.parents.iter().try_for_each(role)?;
            for rule in &value.data {
                if let RowScope::Departments(departments) = &rule.rows {
                    for id in departments {
                        known("department", id.as_str(), policy.departments.contains_key(id))?;
                    }
                }
            }
        }
        for rule in policy.separations.values() {
            rule.roles.iter().try_for_each(role)?;
            if rule.limit < 2 || rule.roles.len() < rule.limit {
                return Err(RbacRefusal::Invalid(
                    "a separation needs a limit of 2 or more, and at least as many roles",
                ));
            }
        }
        for department in policy.departments.values() {
            if let Some(parent) = &department.parent {
                known("department", parent.as_str(), policy.departments.contains_key(parent))?;
            }
        }
        for resource in policy.resources.values() {
            if let Some(parent) = &resource.parent {
                known("resource", parent.as_str(), policy.resources.contains_key(parent))?;
            }
        }
        Ok(())
    }

    fn no_cycles(&self) -> Result<(), RbacRefusal> {
        let Policy { departments, resources, .. } = &*self.after.policy;
        let text = |path: Vec<String>| RbacRefusal::Cycle { path };
        if let Some(path) = self.after.policy.cycle() {
            return Err(text(path.iter().map(ToString::to_string).collect()));
        }
        let nodes = departments.iter().map(|(id, node)| (id, node.parent.iter().collect()));
        if let Some(path) = find_cycle(nodes) {
            return Err(text(path.iter().map(ToString::to_string).collect()));
        }
        let nodes = resources.iter().map(|(id, node)| (id, node.parent.iter().collect()));
        match find_cycle(nodes) {
            Some(path) => Err(text(path.iter().map(ToString::to_string).collect())),
            None => Ok(()),
        }
    }

    fn separations(&self) -> Result<(), RbacRefusal> {
        let Draft { policy, users } = self.after;
        let rules: Vec<_> = policy.separations.values().filter(|rule| rule.kind == SeparationKind::Static).collect();
        if rules.is_empty() {
            return Ok(());
        }
        for user in users.values().flatten() {
            // Expired assignments do not count, and cannot come back.
            let live = user.roles.iter().filter(|(_, assignment)| assignment.is_live(self.now)).map(|(role, _)| role);
            let authorized = policy.closure(live);
            if let Some(rule) = rules.iter().find(|rule| rule.is_broken_by(&authorized)) {
                return Err(RbacRefusal::Separation { constraint: rule.name.clone(), user: user.id.clone() });
            }
        }
        Ok(())
    }

    /// A policy that had somebody who may do everything keeps one.
    fn administrators(&self) -> Result<(), RbacRefusal> {
        let any = |policy: &Policy| {
            policy.roles.values().any(|role| role.permissions.iter().any(PermissionPattern::is_everything))
        };
        let lost = any(&self.before.policy) && !any(&self.after.policy);
        if lost { Err(RbacRefusal::LastAdministrator) } else { Ok(()) }
    }

    /// Roles that change gain and lose only what the actor has. What their heirs gain and lose is among it.
    fn roles_within(&self, actor: &Authority) -> Result<(), RbacRefusal> {
        let (before, after) = (&self.before.policy, &self.after.policy);
        let names: BTreeSet<&RoleName> = before.roles.keys().chain(after.roles.keys()).collect();
        for name in names.into_iter().filter(|name| before.roles.get(*name) != after.roles.get(*name)) {
            let (mut old, mut new) = (content(before, name), content(after, name));
            // To make a role or to end it is no more than to change it; who gets it is another matter.
            old.roles.remove(name);
            new.roles.remove(name);
            within(actor, &old, &new)?;
            within(actor, &new, &old)?;
        }
        Ok(())
    }

    /// Users gain and lose only what the actor has.
    fn users_within(&self, actor: &Authority) -> Result<(), RbacRefusal> {
        for (id, new) in &self.after.users {
            let old = self.before.users.get(id).and_then(Option::as_ref);
            if old == new.as_ref() {
                continue;
            }
            // Under the policy that is to be: what roles gain is judged above.
            let authority = |user: Option<&User>| {
                user.map(|user| Authority::of(&self.after.policy, user, Active::All, self.now)).unwrap_or_default()
            };
            let (old, new) = (authority(old), authority(new.as_ref()));
            within(actor, &old, &new)?;
            within(actor, &new, &old)?;
        }
        Ok(())
    }

    /// Moving a department moves what those see who see departments and all below: only somebody who sees everything
    /// that such roles speak about may do that.
    fn departments_within(&self, actor: &Authority) -> Result<(), RbacRefusal> {
        let (before, after) = (&self.before.policy, &self.after.policy);
        let mut moved = before
            .departments
            .values()
            .filter(|old| after.departments.get(&old.id).is_some_and(|new| new.parent != old.parent));
        let Some(department) = moved.next() else { return Ok(()) };
        let rules = before.roles.values().flat_map(|role| &role.data);
        let mut rules = rules.filter(|rule| rule.rows == RowScope::DepartmentTree);
        match rules.find(|rule| !actor.includes_rule(&ReachRule::for_anybody(rule))) {
            Some(rule) => Err(RbacRefusal::Escalation {
                what: format!("all records of `{}`, which moving `{}` gives to others", rule.entity, department.id),
            }),
            None => Ok(()),
        }
    }
}

fn known(what: &'static str, id: &str, known: bool) -> Result<(), RbacRefusal> {
    if known { Ok(()) } else { Err(RbacRefusal::Unknown { what, id: id.to_owned() }) }
}

/// What a role has, inherited things included, for whoever gets it.
fn content(policy: &Policy, name: &RoleName) -> Authority {
    let roles = policy.closure([name]);
    let all: Vec<&Role> = roles.iter().filter_map(|role| policy.roles.get(role)).collect();
    Authority {
        permissions: all.iter().flat_map(|role| role.permissions.iter().cloned()).collect(),
        data: all.iter().flat_map(|role| role.data.iter().map(ReachRule::for_anybody)).collect(),
        roles,
        until: None,
    }
}

/// Whether the actor has all that is in `new` beyond `old`.
fn within(actor: &Authority, old: &Authority, new: &Authority) -> Result<(), RbacRefusal> {
    // A role is more than what it contains: `#[requires_role]` asks for its name.
    let everything = actor.permissions.iter().any(PermissionPattern::is_everything);
    let mut gained = new.roles.difference(&old.roles);
    if let Some(role) = gained.find(|role| !everything && !actor.roles.contains(*role)) {
        return Err(RbacRefusal::Escalation { what: format!("the role `{role}`") });
    }
    let mut gained = new.permissions.iter().filter(|pattern| !old.includes(pattern));
    if let Some(pattern) = gained.find(|pattern| !actor.includes(pattern)) {
        return Err(RbacRefusal::Escalation { what: format!("`{pattern}`") });
    }
    let mut gained = new.data.iter().filter(|rule| !old.includes_rule(rule));
    match gained.find(|rule| !actor.includes_rule(rule)) {
        Some(rule) => Err(RbacRefusal::Escalation { what: format!("these records or fields of `{}`", rule.entity) }),
        None => Ok(()),
    }
}
