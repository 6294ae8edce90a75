//! What administrators may do, and what they may not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use nebula_auth::{
    ManualClock,
    rbac::{
        Actor, ConstraintName, DataRule, Department, DepartmentId, EntityName, FieldAccess, MemoryRbacStore,
        Permission, PermissionPattern, RbacOutcome, RbacRefusal, RbacService, Resource, ResourceId, ResourceKind, Role,
        RoleName, RowScope, Separation, SeparationKind, UserId,
    },
};

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::new(name).unwrap()
}

fn pattern(text: &str) -> PermissionPattern {
    PermissionPattern::new(text).unwrap()
}

fn department(id: &str) -> DepartmentId {
    DepartmentId::new(id).unwrap()
}

fn setup() -> Actor {
    Actor::system("test")
}

fn by(id: &str) -> Actor {
    Actor::User(user(id))
}

async fn done(change: impl Future<Output = Result<RbacOutcome, nebula_auth::Error>>) {
    change.await.unwrap().into_result().unwrap();
}

async fn refused(change: impl Future<Output = Result<RbacOutcome, nebula_auth::Error>>) -> RbacRefusal {
    change.await.unwrap().into_result().unwrap_err()
}

fn rule(entity: &str, rows: RowScope, fields: &[(&str, FieldAccess)]) -> DataRule {
    let fields = fields.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect();
    DataRule { entity: EntityName::new(entity).unwrap(), rows, fields }
}

async fn make(service: &RbacService, name: &str, permissions: &[&str], parents: &[&str]) {
    let mut new = Role::new(role(name)).with_permissions(permissions.iter().map(|text| pattern(text)));
    new.parents.extend(parents.iter().map(|name| role(name)));
    done(service.create_role(&setup(), new)).await;
}

/// `root` may do everything, `lead` administers clerks, `clerk` reads orders.
async fn office() -> RbacService {
    let service = RbacService::new(MemoryRbacStore::new());
    make(&service, "root", &["*"], &[]).await;
    make(&service, "clerk", &["order:read"], &[]).await;
    make(&service, "temp", &[], &[]).await;
    make(&service, "lead", &["rbac:user:write", "rbac:role:write", "order:write"], &["clerk"]).await;
    make(&service, "boss", &["salary:read"], &["lead"]).await;
    for (id, name) in [("rita", "root"), ("lena", "lead"), ("cora", "clerk"), ("bert", "boss")] {
        done(service.assign_role(&setup(), &user(id), &role(name), None)).await;
    }
    service
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let service = office().await;
    let lena = by("lena");
    done(service.assign_role(&lena, &user("new"), &role("clerk"), None)).await;
    done(service.grant(&lena, &user("new"), &pattern("order:write"), None)).await;
    let escalations = [
        refused(service.assign_role(&lena, &user("new"), &role("boss"), None)).await,
        refused(service.assign_role(&lena, &user("lena"), &role("boss"), None)).await,
        refused(service.grant(&lena, &user("new"), &pattern("salary:read"), None)).await,
        refused(service.grant(&lena, &user("new"), &pattern("order:*"), None)).await,
        refused(service.grant(&lena, &user("new"), &pattern("*"), None)).await,
        // Into a role of one's own, directly and by inheritance.
        refused(service.add_permission(&lena, &role("lead"), &pattern("salary:read"))).await,
        refused(service.add_parent(&lena, &role("temp"), &role("boss"))).await,
        refused(service.create_role(&lena, Role::new(role("own")).with_permissions([pattern("salary:read")]))).await,
        // A role's name alone is worth something.
        refused(service.create_role(&lena, Role::new(role("own")).with_parent(role("boss")))).await,
    ];
    assert!(escalations.iter().all(|refusal| refusal.code() == "escalation_denied"), "{escalations:?}");
    // Who has no right to administer is told so, whatever they have.
    let refusal = refused(service.assign_role(&by("cora"), &user("new"), &role("clerk"), None)).await;
    assert_eq!(refusal, RbacRefusal::NotAllowed { permission: "rbac:user:write" });
    assert_eq!(
        refused(service.put_permission(&lena, &Permission::new("a:b").unwrap(), "")).await.code(),
        "not_allowed"
    );
    assert_eq!(refused(service.delete_role(&by("stranger"), &role("clerk"))).await.code(), "not_allowed");
}

#[tokio::test]
async fn nobody_takes_what_they_do_not_have() {
    let service = office().await;
    let lena = by("lena");
    for refusal in [
        refused(service.unassign_role(&lena, &user("bert"), &role("boss"))).await,
        refused(service.delete_user(&lena, &user("rita"))).await,
        refused(service.set_disabled(&lena, &user("bert"), true)).await,
        refused(service.delete_role(&lena, &role("root"))).await,
    ] {
        assert!(matches!(refusal.code(), "escalation_denied" | "last_administrator"), "{refusal:?}");
    }
    done(service.unassign_role(&lena, &user("cora"), &role("clerk"))).await;
}

#[tokio::test]
async fn the_last_role_with_everything_stays() {
    let service = office().await;
    assert_eq!(refused(service.delete_role(&setup(), &role("root"))).await, RbacRefusal::LastAdministrator);
    let refusal = refused(service.remove_permission(&by("rita"), &role("root"), &pattern("*"))).await;
    assert_eq!(refusal, RbacRefusal::LastAdministrator);
}

#[tokio::test]
async fn records_and_fields_are_given_only_by_those_who_reach_them() {
    use FieldAccess::{Full, Masked};

    let service = RbacService::new(MemoryRbacStore::new());
    for (id, parent) in [("all", None), ("north", Some("all")), ("north-1", Some("north")), ("south", Some("all"))] {
        let new = Department { id: department(id), title: String::new(), parent: parent.map(department) };
        done(service.put_department(&setup(), new)).await;
    }
    let tree = Role::new(role("tree")).with_data(rule("order", RowScope::DepartmentTree, &[("phone", Masked)]));
    let everything = Role::new(role("everything")).with_data(rule("*", RowScope::All, &[("*", Full)]));
    let lead = Role::new(role("lead"))
        .with_permissions(["rbac:user:write", "rbac:role:write", "rbac:department:write"].map(pattern))
        .with_parent(role("tree"));
    for new in [tree, everything, lead] {
        done(service.create_role(&setup(), new)).await;
    }
    done(service.set_department(&setup(), &user("lena"), Some(&department("north")))).await;
    done(service.assign_role(&setup(), &user("lena"), &role("lead"), None)).await;
    let lena = by("lena");

    // Below her: yes. Beside and above her: no, in whichever order role and department are given.
    done(service.set_department(&lena, &user("a"), Some(&department("north-1")))).await;
    done(service.assign_role(&lena, &user("a"), &role("tree"), None)).await;
    done(service.set_department(&lena, &user("b"), Some(&department("south")))).await;
    let mut escalations = vec![
        refused(service.assign_role(&lena, &user("b"), &role("tree"), None)).await,
        refused(service.set_department(&lena, &user("a"), Some(&department("all")))).await,
        refused(service.set_department(&lena, &user("lena"), Some(&department("all")))).await,
        refused(service.assign_role(&lena, &user("a"), &role("everything"), None)).await,
    ];
    // Bringing a department under one's own would do the same.
    let moved = Department { id: department("south"), title: String::new(), parent: Some(department("north")) };
    escalations.push(refused(service.put_department(&lena, moved)).await);
    for (rows, fields) in [
        (RowScope::All, vec![]),
        // Nobody knows who will hold the role.
        (RowScope::Department, vec![]),
        (RowScope::Departments(BTreeSet::from([department("south")])), vec![]),
        (RowScope::Departments(BTreeSet::from([department("north")])), vec![("phone", Full)]),
        (RowScope::Departments(BTreeSet::from([department("north")])), vec![("*", Masked)]),
    ] {
        let new = Role::new(role("new")).with_data(rule("order", rows, &fields));
        escalations.push(refused(service.create_role(&lena, new)).await);
    }
    assert!(escalations.iter().all(|refusal| refusal.code() == "escalation_denied"), "{escalations:?}");
    let rows = RowScope::Departments(BTreeSet::from([department("north-1")]));
    done(service.create_role(&lena, Role::new(role("new")).with_data(rule("order", rows, &[("phone", Masked)])))).await;
}

#[tokio::test]
async fn cycles_are_refused_and_long_and_wide_ways_are_followed() {
    let service = RbacService::new(MemoryRbacStore::new());
    make(&service, "c", &[], &[]).await;
    make(&service, "b", &[], &["c"]).await;
    make(&service, "a", &[], &["b"]).await;
    let RbacRefusal::Cycle { path } = refused(service.add_parent(&setup(), &role("c"), &role("a"))).await else {
        panic!("no cycle")
    };
    assert_eq!(path.len(), 4);
    assert!(matches!(refused(service.add_parent(&setup(), &role("c"), &role("c"))).await, RbacRefusal::Cycle { .. }));
    assert_eq!(refused(service.add_parent(&setup(), &role("c"), &role("nobody"))).await.code(), "unknown");

    // A chain of 13 and a lattice with 2^20 ways.
    make(&service, "r12", &["deep:read"], &[]).await;
    for number in (0..12).rev() {
        make(&service, &format!("r{number}"), &[], &[&format!("r{}", number + 1)]).await;
    }
    make(&service, "w20-0", &["wide:read"], &[]).await;
    make(&service, "w20-1", &[], &[]).await;
    for layer in (0..20).rev() {
        for side in 0..2 {
            let (one, two) = (format!("w{}-0", layer + 1), format!("w{}-1", layer + 1));
            make(&service, &format!("w{layer}-{side}"), &[], &[&one, &two]).await;
        }
    }
    for name in ["r0", "w0-0"] {
        done(service.assign_role(&setup(), &user("ann"), &role(name), None)).await;
    }
    let ann = service.authority(&user("ann")).await.unwrap();
    for allowed in ["deep:read", "wide:read"] {
        assert!(ann.allows(&Permission::new(allowed).unwrap()), "{allowed}");
    }
    assert_eq!(ann.roles.len(), 13 + 41);
}

#[tokio::test]
async fn what_is_given_for_a_time_ends_on_the_stores_clock() {
    let clock = ManualClock::at_unix(1_000);
    let service = RbacService::new(MemoryRbacStore::new().with_clock(clock.clone()));
    make(&service, "clerk", &["order:read"], &[]).await;
    let until = Some(UNIX_EPOCH + Duration::from_secs(1_100));
    done(service.assign_role(&setup(), &user("ann"), &role("clerk"), until)).await;
    done(service.grant(&setup(), &user("ann"), &pattern("order:write"), until)).await;
    clock.set_unix(1_099);
    let ann = service.authority(&user("ann")).await.unwrap();
    assert_eq!((ann.permissions.len(), ann.until), (2, until));
    clock.set_unix(1_100);
    let ann = service.authority(&user("ann")).await.unwrap();
    assert!(ann.permissions.is_empty() && ann.roles.is_empty());
}

#[tokio::test]
async fn roles_that_must_not_be_used_together_are_not() {
    let service = office().await;
    let apart = Separation {
        name: ConstraintName::new("four-eyes").unwrap(),
        kind: SeparationKind::Dynamic,
        roles: BTreeSet::from([role("clerk"), role("root")]),
        limit: 2,
    };
    done(service.put_separation(&setup(), apart.clone())).await;
    done(service.assign_role(&setup(), &user("cora"), &role("root"), None)).await;
    assert!(service.authority(&user("cora")).await.unwrap().roles.is_empty(), "she has to choose");
    let mut strict = apart;
    strict.kind = SeparationKind::Static;
    assert_eq!(refused(service.put_separation(&setup(), strict.clone())).await.code(), "separation_of_duty");
    strict.limit = 1;
    assert_eq!(refused(service.put_separation(&setup(), strict)).await.code(), "invalid");
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let service = office().await;
    assert_eq!(refused(service.delete_role(&setup(), &role("lead"))).await.code(), "in_use");
    done(service.put_department(&setup(), Department { id: department("d"), title: "D".into(), parent: None })).await;
    done(service.set_department(&setup(), &user("ann"), Some(&department("d")))).await;
    assert_eq!(refused(service.delete_department(&setup(), &department("d"))).await.code(), "in_use");
    done(service.set_department(&setup(), &user("ann"), None)).await;
    done(service.delete_department(&setup(), &department("d"))).await;
    let read = Permission::new("order:read").unwrap();
    done(service.put_permission(&setup(), &read, "Read orders")).await;
    assert_eq!(refused(service.delete_permission(&setup(), &read)).await.code(), "in_use");

    let node = |id: &str, parent: Option<&str>| Resource {
        id: ResourceId::new(id).unwrap(),
        kind: ResourceKind::Menu,
        title: id.to_owned(),
        target: String::new(),
        parent: parent.map(|id| ResourceId::new(id).unwrap()),
        permission: None,
        order: 0,
    };
    assert_eq!(refused(service.put_resource(&setup(), node("b", Some("a")))).await.code(), "unknown");
    done(service.put_resource(&setup(), node("a", None))).await;
    done(service.put_resource(&setup(), node("b", Some("a")))).await;
    assert_eq!(refused(service.put_resource(&setup(), node("a", Some("b")))).await.code(), "cycle_rejected");
    assert_eq!(refused(service.delete_resource(&setup(), &ResourceId::new("a").unwrap())).await.code(), "in_use");
}

#[tokio::test]
async fn changes_that_change_nothing_are_no_commits() {
    let service = office().await;
    let head = service.store().head().await.unwrap();
    done(service.assign_role(&setup(), &user("cora"), &role("clerk"), None)).await;
    done(service.delete_user(&setup(), &user("nobody"))).await;
    done(service.remove_parent(&setup(), &role("clerk"), &role("lead"))).await;
    assert_eq!(service.store().head().await.unwrap(), head);
    assert_eq!(service.users(None, 2).await.unwrap().len(), 2);
    assert_eq!(service.user(&user("cora")).await.unwrap().unwrap().roles.len(), 1);
    let _: BTreeMap<RoleName, Role> = service.policy().await.unwrap().roles.clone();
}
