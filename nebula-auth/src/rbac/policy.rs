//! Everything that is not about single users, as one value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    model::{Department, Resource, Role, Separation},
    name::{ConstraintName, DepartmentId, ResourceId, RoleName},
    permission::Permission,
};

/// Roles, departments, resources, constraints and the permissions known by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Roles.
    pub roles: BTreeMap<RoleName, Role>,
    /// Departments.
    pub departments: BTreeMap<DepartmentId, Department>,
    /// The tree of resources.
    pub resources: BTreeMap<ResourceId, Resource>,
    /// Separation of duty.
    pub separations: BTreeMap<ConstraintName, Separation>,
    /// Permissions that administrators can choose from, and what people call them.
    pub permissions: BTreeMap<Permission, String>,
}

impl Policy {
    /// The roles with all that they inherit from, each once, however many ways lead there. Unknown ones do not count.
    #[must_use]
    pub fn closure<'a>(&self, roles: impl IntoIterator<Item = &'a RoleName>) -> BTreeSet<RoleName> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&RoleName> = roles.into_iter().collect();
        while let Some((name, role)) = open.pop().and_then(|name| self.roles.get_key_value(name)) {
            if seen.insert(name.clone()) {
                open.extend(&role.parents);
            }
        }
        seen
    }

    /// The roles that inherit from one of these, these included.
    #[must_use]
    pub fn heirs(&self, roles: &BTreeSet<RoleName>) -> BTreeSet<RoleName> {
        let mut children: HashMap<&RoleName, Vec<&RoleName>> = HashMap::new();
        for role in self.roles.values() {
            for parent in &role.parents {
                children.entry(parent).or_default().push(&role.name);
            }
        }
        let (mut seen, mut open) = (BTreeSet::new(), roles.iter().collect::<Vec<_>>());
        while let Some(name) = open.pop() {
            if seen.insert(name.clone()) {
                open.extend(children.get(name).into_iter().flatten());
            }
        }
        seen
    }

    /// The department and all below it.
    #[must_use]
    pub fn department_tree(&self, top: &DepartmentId) -> BTreeSet<DepartmentId> {
        let mut children: HashMap<&DepartmentId, Vec<&DepartmentId>> = HashMap::new();
        for department in self.departments.values() {
            if let Some(parent) = &department.parent {
                children.entry(parent).or_default().push(&department.id);
            }
        }
        let (mut seen, mut open) = (BTreeSet::new(), vec![top]);
        while let Some(id) = open.pop() {
            if seen.insert(id.clone()) {
                open.extend(children.get(id).into_iter().flatten());
            }
        }
        seen
    }

    /// A way from a role back to itself, if there is one.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<RoleName>> {
        find_cycle(self.roles.iter().map(|(name, role)| (name, role.parents.iter().collect())))
    }
}

/// A cycle in a graph of at most one node per name, in linear time and without recursion.
pub(super) fn find_cycle<'a, N: Ord + Clone + 'a>(nodes: impl Iterator<Item = (&'a N, Vec<&'a N>)>) -> Option<Vec<N>> {
    let edges: BTreeMap<&N, Vec<&N>> = nodes.collect();
    // Absent: not seen; false: on the way; true: done.
    let mut state: BTreeMap<&N, bool> = BTreeMap::new();
    for start in edges.keys() {
        if state.contains_key(start) {
            continue;
        }
        state.insert(start, false);
        let mut way: Vec<(&N, usize)> = vec![(start, 0)];
        while let Some((node, next)) = way.last_mut() {
            let node: &N = node;
            let Some(child) = edges.get(node).and_then(|children| children.get(*next)).copied() else {
                state.insert(node, true);
                way.pop();
                continue;
            };
            *next += 1;
            match state.get(child) {
                Some(true) => {}
                Some(false) => {
                    let from = way.iter().position(|(node, _)| *node == child).unwrap_or(0);
                    let mut cycle: Vec<N> = way[from..].iter().map(|(node, _)| (*node).clone()).collect();
                    cycle.push(child.clone());
                    return Some(cycle);
                }
                None if edges.contains_key(child) => {
                    state.insert(child, false);
                    way.push((child, 0));
                }
                None => {}
            }
        }
    }
    None
}
